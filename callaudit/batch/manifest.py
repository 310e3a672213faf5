"""Rows of a manifest (CSV or JSON lines), each with its line; a bad row never stops the others."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callaudit.batch.profile import Profile, Row, column_name
from callaudit.errors import ConfigError

JSON_LINES = frozenset({".jsonl", ".ndjson"})
SUFFIXES = frozenset({".csv", ".tsv", ".txt"}) | JSON_LINES
MAX_BYTES = 200_000_000
MAX_LINES_OF_A_ROW = 20
"""A quotation mark that is never closed must not swallow the rest of the file."""

MAX_CELL = 10_000


@dataclass(frozen=True)
class Record:
    """One row that could be read.

    Attributes:
        line: Its first line, from 1.
    """

    line: int
    row: Row


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used, and why."""

    line: int
    reason: str


def read_manifest(path: Path, profile: Profile) -> Iterator[Record | BadRow]:
    """Reads a manifest.

    Raises:
        ConfigError: The file as a whole cannot be used; the sentence names file and line.
    """
    text = _text(path)
    if path.suffix.lower() in JSON_LINES:
        yield from _json_rows(text)
    else:
        yield from _csv_rows(path, text, profile)


def _text(path: Path) -> str:
    """UTF-8, UTF-16 with its mark, or GB 18030, which Chinese spreadsheets write."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"清单 {path} 超过 {MAX_BYTES // 1_000_000} MB，请分成几个")
        data = path.read_bytes()
    except OSError as cause:
        raise ConfigError(f"读不到清单 {path}：{cause.strerror}") from None
    encodings = ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "gb18030")
    furthest = 0
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as cause:
            furthest = max(furthest, cause.start)
    line = data[:furthest].count(b"\n") + 1
    raise ConfigError(f"{path}:{line}：不是 UTF-8 或 GBK 编码的文字，请另存为 UTF-8")


# --- CSV ------------------------------------------------------------------------------------------


def _csv_rows(path: Path, text: str, profile: Profile) -> Iterator[Record | BadRow]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else profile.delimiter
    names: list[str] | None = None
    has_header = False
    for line, cells in _records(text, delimiter):
        if isinstance(cells, str):
            yield BadRow(line, cells)
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if names is None:
            has_header = _is_header(cells, profile)
            names = [column_name(name) for name in (cells if has_header else profile.columns)]
            _check_columns(path, line, names, profile)
            if has_header:
                continue
        yield _record(line, cells, names, has_header)


def _record(line: int, cells: list[str], names: list[str], has_header: bool) -> Record | BadRow:
    if len(cells) > len(names):
        return BadRow(line, f"有 {len(cells)} 列，应当是 {len(names)} 列")
    if has_header and len(cells) < len(names):
        return BadRow(line, f"只有 {len(cells)} 列，应当是 {len(names)} 列")
    if any(len(cell) > MAX_CELL for cell in cells):
        return BadRow(line, f"有一列超过 {MAX_CELL} 字")
    return Record(
        line, {name: cell.strip() for name, cell in zip(names, cells, strict=False) if name}
    )


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Rows with their first lines; a sentence in place of the cells where there are none."""
    lines = re.split(r"\r\n|\n|\r", text)
    place = 0
    while place < len(lines):
        rows = 1
        whole = lines[place]
        while whole.count('"') % 2 and rows < MAX_LINES_OF_A_ROW and place + rows < len(lines):
            whole += "\n" + lines[place + rows]
            rows += 1
        if whole.count('"') % 2:
            yield place + 1, "引号没有成对"
            place += 1
            continue
        try:
            yield place + 1, next(csv.reader([whole], delimiter=delimiter), [])
        except csv.Error as cause:
            yield place + 1, f"不是正确的 CSV（{cause}）"
        place += rows


def _is_header(cells: list[str], profile: Profile) -> bool:
    known = sum(column_name(cell) in profile.known_columns for cell in cells)
    return known >= 2 or (known == 1 and len(cells) <= 2)


def _check_columns(path: Path, line: int, names: list[str], profile: Profile) -> None:
    if not names:
        raise ConfigError(
            f"{path}:{line}：第一行应当是列名（导入配置 {profile.id} 不认识其中任何两列）；"
            "用 callaudit batch profiles 查看可用的导入配置"
        )
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise ConfigError(f"{path}:{line}：列名 {'、'.join(twice)} 写了两次")
    wanted = [column_name(name) for name in profile.recording_columns]
    if not set(wanted) & set(names):
        raise ConfigError(
            f"{path}:{line}：没有录音文件的列；导入配置 {profile.id} 要有其中之一："
            f"{'、'.join(dict.fromkeys(wanted))}"
        )


# --- JSON lines -----------------------------------------------------------------------------------


def _json_rows(text: str) -> Iterator[Record | BadRow]:
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        try:
            values = json.loads(content)
        except (ValueError, RecursionError):
            yield BadRow(line, "不是正确的 JSON")
            continue
        if not isinstance(values, dict):
            yield BadRow(line, "应当是一个对象（{…}）")
            continue
        yield Record(line, dict(_flat(values)))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Objects within objects are named with dots, as in ``variables.uuid``."""
    for key, value in values.items():
        name = column_name(f"{prefix}{key}")
        if isinstance(value, dict):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, bool):
            yield name, "true" if value else "false"
        elif value is not None and not isinstance(value, list):
            yield name, str(value).strip()
