"""Transcripts that the user gives in place of a recording: JSON, or a dialogue as plain text."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from callaudit.errors import ConfigError

if TYPE_CHECKING:
    from callaudit.calls import Transcript

_TIMED = re.compile(r"^\s*((?:\d+:)?\d{1,2}:\d{2})\s+(坐席|客户|未知)\s*[：:]\s*(.*)$")
_ROLE_FIRST = re.compile(r"^\s*(坐席|客户|未知)\s*[：:]\s*(.*)$")


def read_given(path: Path) -> Transcript:
    """Reads a transcript; ``.txt`` is a dialogue (also as ``transcribe --format txt`` writes it).

    Raises:
        ConfigError: The file cannot be read or understood.
    """
    if path.suffix.lower() != ".txt":
        from callaudit.transcript_file import read_transcript

        return read_transcript(path)
    from callaudit.rulebook.dialogue import DialogueError, parse_dialogue

    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as cause:
        raise ConfigError(f"读不到转写文件 {path}：{cause.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"转写文件 {path} 不是 UTF-8 编码，请另存为 UTF-8") from None
    try:
        transcript = parse_dialogue("\n".join(_as_dialogue(line) for line in text.splitlines()))
    except DialogueError as error:
        raise ConfigError(f"转写文件 {path} {error}") from None
    return replace(transcript, recording=replace(transcript.recording, path=str(path)))


def _as_dialogue(line: str) -> str:
    """``00:01 坐席：您好`` and ``坐席：您好`` as the dialogue language writes them."""
    timed = _TIMED.match(line)
    if timed:
        return f"{timed[2]} {timed[1]} {timed[3]}"
    role_first = _ROLE_FIRST.match(line)
    return f"{role_first[1]} {role_first[2]}" if role_first else line
