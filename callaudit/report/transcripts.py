"""Transcripts in the formats that other programs read: json, srt, vtt, txt, TextGrid."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Literal

from callaudit.calls import Role, Transcript, Utterance
from callaudit.report.wording import ROLES, clock
from callaudit.transcript_file import transcript_object

TranscriptFormat = Literal["json", "srt", "vtt", "txt", "TextGrid"]

LEAST_CUE_MS = 1
"""Subtitle readers drop cues that last no time."""


def write_transcript(transcript: Transcript, to: TranscriptFormat) -> str:
    """The transcript in one of the formats, ending in a line break."""
    return WRITERS[to](transcript)


def to_json(transcript: Transcript) -> str:
    """One line of JSON with everything that was heard; ``check --transcript`` reads it back."""
    return json.dumps(transcript_object(transcript), ensure_ascii=False, allow_nan=False) + "\n"


def to_txt(transcript: Transcript) -> str:
    """One line per utterance: ``mm:ss 坐席：…``."""
    return "".join(
        f"{clock(item.start_ms)} {ROLES[item.role]}：{_one_line(item.text)}\n"
        for item in transcript.utterances
    )


def to_srt(transcript: Transcript) -> str:
    """SubRip subtitles; the role stands before the words."""
    return "".join(
        f"{number}\n{_srt_time(item.start_ms)} --> {_srt_time(_cue_end(item))}\n"
        f"{ROLES[item.role]}：{_one_line(item.text)}\n\n"
        for number, item in enumerate(transcript.utterances, 1)
    )


def to_vtt(transcript: Transcript) -> str:
    """WebVTT subtitles; the role is the voice of each cue."""
    cues = [
        f"{_vtt_time(item.start_ms)} --> {_vtt_time(_cue_end(item))}\n"
        f"<v {ROLES[item.role]}>{_vtt_text(item.text)}\n"
        for item in transcript.utterances
    ]
    return "\n".join(["WEBVTT\n", *cues])


def to_textgrid(transcript: Transcript) -> str:
    """Praat TextGrid (long text form): one interval tier per role.

    Intervals of a tier may not overlap, so an utterance that begins before its predecessor has
    ended is cut at that end.
    """
    roles = [role for role in Role if any(item.role == role for item in transcript.utterances)]
    end_ms = max(
        [transcript.recording.duration_ms, 1, *(item.end_ms for item in transcript.utterances)]
    )
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {_seconds(end_ms)}",
        "tiers? <exists>" if roles else "tiers? <absent>",
    ]
    if roles:
        lines += [f"size = {len(roles)}", "item []:"]
    for index, role in enumerate(roles, 1):
        intervals = _intervals(transcript, role, end_ms)
        lines += [
            f"    item [{index}]:",
            '        class = "IntervalTier"',
            f'        name = "{ROLES[role]}"',
            "        xmin = 0",
            f"        xmax = {_seconds(end_ms)}",
            f"        intervals: size = {len(intervals)}",
        ]
        for place, (start, end, text) in enumerate(intervals, 1):
            quoted = _one_line(text).replace('"', '""')
            lines += [
                f"        intervals [{place}]:",
                f"            xmin = {_seconds(start)}",
                f"            xmax = {_seconds(end)}",
                f'            text = "{quoted}"',
            ]
    return "\n".join(lines) + "\n"


WRITERS: dict[TranscriptFormat, Callable[[Transcript], str]] = {
    "json": to_json,
    "srt": to_srt,
    "vtt": to_vtt,
    "txt": to_txt,
    "TextGrid": to_textgrid,
}


def _intervals(transcript: Transcript, role: Role, end_ms: int) -> list[tuple[int, int, str]]:
    """The tier of one role without holes: silence is an interval without text."""
    intervals: list[tuple[int, int, str]] = []
    position = 0
    for item in transcript.utterances:
        if item.role != role or item.end_ms <= position:
            continue
        start = max(position, item.start_ms)
        if start > position:
            intervals.append((position, start, ""))
        intervals.append((start, item.end_ms, item.text))
        position = item.end_ms
    if position < end_ms:
        intervals.append((position, end_ms, ""))
    return intervals


def _cue_end(utterance: Utterance) -> int:
    return max(utterance.end_ms, utterance.start_ms + LEAST_CUE_MS)


def _one_line(text: str) -> str:
    """A blank line ends a cue and a control character ends trust in a file."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text).strip()


def _vtt_text(text: str) -> str:
    escaped = _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped or " "


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.3f}".rstrip("0").rstrip(".")


def _vtt_time(ms: int) -> str:
    minutes, rest = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}.{rest % 1000:03}"


def _srt_time(ms: int) -> str:
    return _vtt_time(ms).replace(".", ",")
