"""Transcripts as JSON: the store keeps them so, ``transcribe`` writes them, ``check`` reads them.

Two shapes are read: the whole `Transcript` (schema ``callaudit.transcript/1``), and the least
that a transcript made elsewhere can offer, a list of utterances with role, times and text.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from callaudit.calls import Recording, Role, Transcript, Utterance, Voice, Word
from callaudit.errors import ConfigError

SCHEMA = "callaudit.transcript/1"
MAX_BYTES = 200_000_000

_ROLE_NAMES = {
    "坐席": "agent",
    "客服": "agent",
    "客户": "customer",
    "用户": "customer",
    "未知": "unknown",
}


@cache
def _adapter() -> TypeAdapter[Transcript]:
    return TypeAdapter(Transcript)


def dump_transcript(transcript: Transcript) -> bytes:
    """The transcript as compact JSON without its schema name; `load_transcript` reads it back."""
    return _adapter().dump_json(transcript)


def load_transcript(data: bytes) -> Transcript:
    """Reads what `dump_transcript` wrote.

    Raises:
        ValidationError: The bytes are not such a transcript.
    """
    return _adapter().validate_json(data)


def transcript_object(transcript: Transcript) -> dict[str, Any]:
    """The transcript as a JSON object that names its schema, in a stable order."""
    return {"schema": SCHEMA, **_adapter().dump_python(transcript, mode="json")}


class GivenWord(BaseModel):
    """A word of a transcript that was made elsewhere."""

    text: str
    start_ms: int = Field(ge=0)
    end_ms: int = Field(ge=0)
    probability: float | None = Field(default=None, ge=0, le=1)


class GivenUtterance(BaseModel):
    """An utterance of a transcript that was made elsewhere."""

    role: Annotated[Role, BeforeValidator(lambda name: _ROLE_NAMES.get(name, name))] = Role.UNKNOWN
    start_ms: int = Field(ge=0)
    end_ms: int = Field(ge=0)
    text: str
    confidence: float | None = Field(default=None, ge=0, le=1)
    words: list[GivenWord] = Field(default_factory=list)


class GivenTranscript(BaseModel):
    """The least that can be audited: who said what when."""

    model_config = ConfigDict(extra="ignore")

    duration_ms: int | None = Field(default=None, ge=0)
    utterances: list[GivenUtterance]

    def transcript(self, path: Path, sha256: str) -> Transcript:
        """Sorted by time, with the voice activity that the utterances imply."""
        ordered = sorted(self.utterances, key=lambda item: (item.start_ms, item.end_ms))
        utterances = tuple(
            Utterance(
                id=index,
                role=item.role,
                channel=1 if item.role == Role.CUSTOMER else 0,
                start_ms=item.start_ms,
                end_ms=max(item.start_ms, item.end_ms),
                text=item.text,
                confidence=item.confidence,
                words=tuple(
                    Word(
                        word.text, word.start_ms, max(word.start_ms, word.end_ms), word.probability
                    )
                    for word in item.words
                ),
            )
            for index, item in enumerate(ordered)
        )
        last_ms = max((item.end_ms for item in utterances), default=0)
        return Transcript(
            recording=Recording(
                path=str(path),
                sha256=sha256,
                duration_ms=max(self.duration_ms or 0, last_ms),
                sample_rate_hz=None,
                channels=None,
            ),
            utterances=utterances,
            voice=tuple(
                Voice(item.role, item.channel, item.start_ms, item.end_ms) for item in utterances
            ),
            role_source="transcript",
        )


def read_transcript(path: Path) -> Transcript:
    """Reads a transcript that the user named.

    Raises:
        ConfigError: The file cannot be read or is no transcript.
    """
    try:
        if not path.is_file():
            raise ConfigError(f"转写文件 {path} 不存在或不是普通文件")
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(
                f"转写文件 {path} 超过 {MAX_BYTES // 1_000_000} MB，不会是一通电话的转写"
            )
        data = path.read_bytes()
        values = json.loads(data.decode("utf-8-sig"))
    except OSError as cause:
        raise ConfigError(f"读不到转写文件 {path}：{cause.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"转写文件 {path} 不是 UTF-8 编码，请另存为 UTF-8") from None
    except json.JSONDecodeError as cause:
        raise ConfigError(
            f"转写文件 {path} 第 {cause.lineno} 行第 {cause.colno} 列不是正确的 JSON；"
            "可用 callaudit transcribe --format json 生成"
        ) from None
    except RecursionError:
        raise ConfigError(f"转写文件 {path} 嵌套太深，不会是转写") from None
    try:
        if isinstance(values, dict) and values.get("schema") == SCHEMA:
            return _checked(
                _adapter().validate_python(
                    {key: value for key, value in values.items() if key != "schema"}
                ),
                path,
            )
        return GivenTranscript.model_validate(values).transcript(
            path, hashlib.sha256(data).hexdigest()
        )
    except ValidationError as cause:
        details = cause.errors()[0]
        place = ".".join(str(part) for part in details["loc"]) or "最外层"
        raise ConfigError(
            f"转写文件 {path} 的 {place} 不能用：应当有 utterances 列表，"
            "每句有 role、start_ms、end_ms、text"
        ) from None


def _checked(transcript: Transcript, path: Path) -> Transcript:
    """Refuses times that run backwards: types alone do not exclude them in an edited file."""
    for name in ("utterances", "voice", "events"):
        for index, item in enumerate(getattr(transcript, name)):
            if not 0 <= item.start_ms <= item.end_ms:
                raise ConfigError(
                    f"转写文件 {path} 的 {name}.{index} 时间倒置："
                    f"{item.start_ms}–{item.end_ms} 毫秒"
                )
    return transcript
