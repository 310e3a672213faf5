"""What the telephone system knows of a call: the sidecar ``NAME.json`` beside a recording.

All fields are optional (`callaudit.calls.CallMetadata`). Telephone systems write more than
callaudit needs, so unknown keys are skipped; values that cannot be used are never guessed at.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from callaudit.calls import CallMetadata
from callaudit.errors import ConfigError, RecordingError

MAX_BYTES = 1_000_000

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China has had one zone without summer time since 1991, so no zone database is needed."""


def _blank_is_unknown(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


_MOMENTS = (
    (r"\d{14}", "%Y%m%d%H%M%S"),
    (r"\d{12}", "%Y%m%d%H%M"),
    (r"\d{8}[-_]\d{6}", "%Y%m%d%H%M%S"),
    (r"\d{4}/\d{1,2}/\d{1,2} \d{1,2}:\d{2}", "%Y/%m/%d %H:%M"),
    (r"\d{4}/\d{1,2}/\d{1,2} \d{1,2}:\d{2}:\d{2}", "%Y/%m/%d %H:%M:%S"),
)
"""As recorders and spreadsheets write them, besides ISO 8601."""


def moment(text: str) -> datetime:
    """A date with time; without zone it is the local time of the hotline (Asia/Shanghai).

    Raises:
        ValueError: It is none.
    """
    text = text.strip()
    for shape, form in _MOMENTS:
        if re.fullmatch(shape, text, re.ASCII):
            digits = text.replace("-", "").replace("_", "")
            return datetime.strptime(digits, form).replace(tzinfo=SHANGHAI)
    read = datetime.fromisoformat(text)
    return read if read.tzinfo is not None else read.replace(tzinfo=SHANGHAI)


def _read_moment(value: Any) -> Any:
    """Bare numbers are refused: pydantic would take them for seconds or milliseconds since 1970."""
    if isinstance(value, str):
        return moment(value)
    if value is None or isinstance(value, datetime):
        return value
    raise ValueError("a number is no date")


Blank = BeforeValidator(_blank_is_unknown)
Moment = BeforeValidator(_read_moment)
Lower = BeforeValidator(_lower)
Text = Annotated[str | None, Field(max_length=200), Blank]


class CallFields(BaseModel):
    """The fields of a sidecar or of one row of a manifest, as they come from outside."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, frozen=True)

    call_id: Text = None
    agent_id: Text = None
    team: Text = None
    started_at: Annotated[datetime | None, Moment, Blank] = None
    direction: Annotated[Literal["inbound", "outbound"] | None, Lower, Blank] = None
    caller: Text = None
    callee: Text = None
    agent_channel: Annotated[Literal["left", "right", "mixed"] | None, Lower, Blank] = None
    ring_count: Annotated[int | None, Field(ge=0, le=1000), Blank] = None
    ring_seconds: Annotated[float | None, Field(ge=0, le=3600, allow_inf_nan=False), Blank] = None
    hangup_by: Annotated[Literal["agent", "customer", "system"] | None, Lower, Blank] = None
    business_type: Text = None
    disposition: Text = None
    nuisance: Annotated[bool | None, Blank] = None
    duration_ms: Annotated[int | None, Field(ge=0), Blank] = None

    @field_validator("started_at")
    @classmethod
    def _zoned(cls, value: datetime | None) -> datetime | None:
        """A time without zone is the local time of the hotline (spec: Asia/Shanghai)."""
        if value is None:
            return None
        return value.replace(tzinfo=SHANGHAI) if value.tzinfo is None else value

    @field_validator(
        "call_id", "agent_id", "team", "caller", "callee", "business_type", "disposition"
    )
    @classmethod
    def _printable(cls, value: str | None) -> str | None:
        """Control characters have no place in a name and can rewrite a terminal."""
        return value if value is None else re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", value).strip()

    def metadata(self) -> CallMetadata:
        """The same as the type that the other stages use."""
        return CallMetadata(**self.model_dump())


EXPECTED = {
    "started_at": "日期时间，如 2026-01-12T09:30:00",
    "direction": "inbound（呼入）或 outbound（呼出）",
    "agent_channel": "left、right 或 mixed",
    "ring_count": "0 以上的整数",
    "ring_seconds": "0 以上的秒数",
    "hangup_by": "agent（坐席）、customer（客户）或 system（系统）",
    "nuisance": "true 或 false",
    "duration_ms": "0 以上的整数毫秒",
}


def parse_fields(values: Any) -> CallMetadata:
    """Validates the fields of one call.

    Raises:
        ValueError: Names every field that cannot be used and what it should be (Chinese).
    """
    if not isinstance(values, dict):
        raise ValueError("应当是一组键和值（{…}）")
    try:
        return CallFields.model_validate(values).metadata()
    except ValidationError as cause:
        wrong = [
            f"{name} 的值 {str(details['input'])[:40]!r} 不能用，"
            f"应当是{EXPECTED.get(name, '200 字以内的文字')}"
            for details in cause.errors()
            for name in [str(details["loc"][0])]
        ]
        raise ValueError("；".join(dict.fromkeys(wrong))) from None


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A metadata file that was read.

    Attributes:
        path: The file.
        metadata: What it says.
        unknown: Its keys that callaudit has no use for (a misspelt key shows here).
    """

    path: Path
    metadata: CallMetadata
    unknown: tuple[str, ...]


def sidecar_path(recording: Path) -> Path:
    """Where the sidecar of a recording would be: ``NAME.json`` beside ``NAME.wav``."""
    return recording.with_suffix(".json")


def read_sidecar(path: Path) -> Sidecar:
    """Reads a metadata file that the user named.

    Raises:
        ConfigError: The file cannot be read or a value cannot be used.
    """
    try:
        return _read(path)
    except (OSError, ValueError) as cause:
        raise ConfigError(f"元数据 {path} 不能用：{_sentence(cause)}") from None


def find_sidecar(recording: Path) -> Sidecar | None:
    """Reads the sidecar beside a recording, if there is one.

    Raises:
        RecordingError: There is one, but it cannot be used: this recording is not judged on
            half of what is known of it.
    """
    path = sidecar_path(recording)
    if path == recording or not _is_file(path):
        return None
    try:
        return _read(path)
    except (OSError, ValueError) as cause:
        raise RecordingError(
            f"录音 {recording.name} 旁的元数据 {path.name} 不能用：{_sentence(cause)}"
        ) from None


def _is_file(path: Path) -> bool:
    # Asked of the path itself, which may be a URL; a name too long for any file is none.
    try:
        return path.is_file()
    except OSError:
        return False


def _read(path: Path) -> Sidecar:
    if not path.is_file():
        raise ValueError("文件不存在或不是普通文件")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError("文件超过 1 MB，不会是一通电话的元数据")
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("文件不是 UTF-8 编码，请另存为 UTF-8") from None
    except json.JSONDecodeError as cause:
        raise ValueError(f"第 {cause.lineno} 行第 {cause.colno} 列不是正确的 JSON") from None
    except RecursionError:
        raise ValueError("嵌套太深，不会是一通电话的元数据") from None
    metadata = parse_fields(values)
    known = {item.name for item in fields(CallMetadata)}
    return Sidecar(path, metadata, tuple(str(key) for key in values if key not in known))


def _sentence(cause: OSError | ValueError) -> str:
    return (cause.strerror or str(cause)) if isinstance(cause, OSError) else str(cause)
