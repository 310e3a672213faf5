"""Profiles: what the columns of a manifest or of a telephone system's export mean.

A profile is a YAML file (`profiles/` has those that are shipped; `generic.yaml` explains the
format). It names the recording of a row and says which column each field of the metadata comes
from. Nothing is guessed: a value that cannot be used is an error of its row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic.types import StringConstraints

from callaudit.calls import CallMetadata
from callaudit.errors import ConfigError
from callaudit.located_yaml import read_yaml, validate
from callaudit.metadata import SHANGHAI, moment, parse_fields

SCHEMA = "callaudit.profile/1"
_PLACE = re.compile(r"\{([^{}]+)\}")
_FOLDER = Path(__file__).parent / "profiles"

Row = Mapping[str, str]
"""Contents by name of the column, which is in lower case and without blanks around it."""


def column_name(text: str) -> str:
    """How columns are compared."""
    return text.strip().casefold()


def _listed(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else [value]


Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_listed), Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class FieldRule(_Strict):
    """Where one field comes from; see ``profiles/generic.yaml``."""

    column: Names | None = None
    constant: Name | None = None
    until: Names | None = None
    format: Name | None = None
    values: dict[str, str] = Field(default_factory=dict)
    others: Literal["keep", "ignore"] = "keep"
    pattern: Name | None = None
    unit: Literal["ms", "s"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """``caller: src`` is short for ``caller: {column: src}``."""
        return value if isinstance(value, dict) else {"column": value}

    @field_validator("pattern")
    @classmethod
    def _expression(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as cause:
                raise ValueError(f"pattern 不是正确的正则表达式：{cause}") from None
        return value

    @model_validator(mode="after")
    def _one_origin(self) -> FieldRule:
        if (self.column is None) == (self.constant is None):
            raise ValueError("column（列名）和 constant（固定的值）要写一个，且只写一个")
        if self.until is not None and (self.column is None or self.pattern or self.values):
            raise ValueError("until 只能和 column、format 一起写")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column it looks at."""
        return (*(self.column or ()), *(self.until or ()))

    def value(self, field: str, row: Row) -> str | None:
        """What a row says; ``None`` when it says nothing.

        Raises:
            ValueError: A time or a number that is none.
        """
        if self.constant is not None:
            return self.constant
        text = _first(row, self.column or ())
        if text is None:
            return None
        if self.until is not None:
            end = _first(row, self.until)
            return None if end is None else self._difference(field, text, end)
        if self.pattern is not None:
            found = re.search(self.pattern, text)
            if found is None:
                return None
            text = found[1] if found.re.groups else found[0]
        translated = self.values.get(text)
        if translated is not None:
            return translated
        if self.values and self.others == "ignore":
            return None
        if field == "started_at":
            return self._moment(text).isoformat()
        return self._converted(field, text)

    def _moment(self, text: str) -> datetime:
        if self.format in ("epoch", "epoch_ms"):
            seconds = float(text) / (1000 if self.format == "epoch_ms" else 1)
            return datetime.fromtimestamp(seconds, SHANGHAI)
        if self.format is None:
            return moment(text)
        read = datetime.strptime(text, self.format)
        return read if read.tzinfo is not None else read.replace(tzinfo=SHANGHAI)

    def _difference(self, field: str, begin: str, end: str) -> str:
        seconds = (self._moment(end) - self._moment(begin)) / timedelta(seconds=1)
        return str(round(seconds * 1000)) if field == "duration_ms" else str(seconds)

    def _converted(self, field: str, text: str) -> str:
        wanted = {"duration_ms": "ms", "ring_seconds": "s"}.get(field)
        if self.unit is None or wanted is None or self.unit == wanted:
            return text
        number = float(text)
        return str(round(number * 1000)) if wanted == "ms" else str(number / 1000)


class SkipRule(_Strict):
    """Rows that are no recorded calls."""

    column: Name
    values: Annotated[tuple[str, ...], Field(min_length=1)]


FieldName = Literal[
    "call_id", "agent_id", "team", "started_at", "direction", "caller", "callee", "agent_channel",
    "ring_count", "ring_seconds", "hangup_by", "business_type", "disposition", "nuisance",
    "duration_ms",
]  # fmt: skip


class Profile(_Strict):
    """A profile that was read.

    Attributes:
        columns: Names of the columns of a file without a row of names.
        recording: Templates of the recording's file name, the first that can be filled counts.
        recording_optional: Whether rows without recording are normal.
        suffixes: To be tried in place of the suffix that the row names.
    """

    format_version: Literal["callaudit.profile/1"] = Field(alias="schema")
    id: Name
    title: Name
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ","
    columns: tuple[Name, ...] = ()
    recording: Names
    recording_optional: bool = False
    suffixes: tuple[Annotated[str, StringConstraints(pattern=r"^\.\w+$")], ...] = ()
    skip: tuple[SkipRule, ...] = ()
    fields: dict[FieldName, FieldRule]

    @field_validator("recording")
    @classmethod
    def _with_places(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for template in value:
            if not _PLACE.search(template):
                raise ValueError(f"recording 里没有列名，应当像 {{列名}}.wav，写的是 {template!r}")
        return value

    @property
    def known_columns(self) -> frozenset[str]:
        """Every column that the profile has use for, or has a name for."""
        names = [*self.columns, *self.recording_columns, *(rule.column for rule in self.skip)]
        names += [name for rule in self.fields.values() for name in rule.columns]
        return frozenset(map(column_name, names))

    @property
    def recording_columns(self) -> tuple[str, ...]:
        """Columns that may name the recording."""
        return tuple(name for template in self.recording for name in _PLACE.findall(template))

    def skips(self, row: Row) -> bool:
        """Whether a row is no recorded call."""
        return any(row.get(column_name(rule.column), "") in rule.values for rule in self.skip)

    def recordings(self, row: Row) -> Iterator[str]:
        """The names that the recording of a row may have."""
        for template in self.recording:
            contents = {name: row.get(column_name(name), "") for name in _PLACE.findall(template)}
            if all(contents.values()):
                # Every other piece is a name of a column, as it stood between its braces.
                pieces = _PLACE.split(template)
                pieces[1::2] = [contents[name] for name in pieces[1::2]]
                yield "".join(pieces)

    def metadata(self, row: Row) -> CallMetadata:
        """What a row says of its call.

        Raises:
            ValueError: Names every field that cannot be used (Chinese).
        """
        values: dict[str, str] = {}
        wrong = []
        for field, rule in self.fields.items():
            try:
                value = rule.value(field, row)
            except (ValueError, OverflowError, OSError):
                text = _first(row, rule.columns) or ""
                wrong.append(f"{field} 的值 {text[:40]!r} 不是{_KINDS.get(field, '数')}")
                continue
            if value is not None:
                values[field] = value
        if wrong:
            raise ValueError("；".join(wrong))
        return parse_fields(values)


_KINDS = {"started_at": "认识的时间"}


def _first(row: Row, columns: tuple[str, ...]) -> str | None:
    return next((text for name in columns if (text := row.get(column_name(name)))), None)


def shipped_profiles() -> dict[str, Path]:
    """The shipped profiles by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.yaml"))}


def load_profile(named: str) -> Profile:
    """Reads a profile.

    Args:
        named: The name of a shipped one, or a file.

    Raises:
        ConfigError: There is none, or it has mistakes; each with its place.
    """
    shipped = shipped_profiles()
    path = shipped.get(named, Path(named))
    if named not in shipped and not path.is_file():
        raise ConfigError(
            f"没有导入配置 {named}：不是文件，也不是随软件提供的 {'、'.join(shipped)}"
        )
    return validate(read_yaml(path, ConfigError), Profile, ConfigError)
