"""What a batch is about: recordings, and what is known of each call.

A folder, or a manifest with a profile. What is known comes, field by field, from the manifest,
else from the sidecar beside the recording, else from the file's name.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path

from callaudit.batch.discover import find_recordings, observe
from callaudit.batch.locate import Locator
from callaudit.batch.manifest import SUFFIXES, BadRow, Record, read_manifest
from callaudit.batch.profile import Profile
from callaudit.batch.remote import RemotePath, find_objects
from callaudit.calls import CallMetadata
from callaudit.errors import ConfigError, RecordingError
from callaudit.files import readable
from callaudit.metadata import find_sidecar, parse_fields

logger = logging.getLogger(__name__)

MetadataOf = Callable[[Path], CallMetadata]
"""What is known of a recording; raises `RecordingError` when that cannot be used."""

_FIELDS = tuple(item.name for item in fields(CallMetadata))


@dataclass(frozen=True)
class Source:
    """The recordings of a batch.

    Attributes:
        name: How the user named it.
        paths: Absolute, each once, in order.
        metadata_of: What is known of each.
        problems: Rows of a manifest that name no recording, each a sentence with file and line.
        skipped: Rows that are no recorded calls (not answered).
    """

    name: str
    paths: tuple[Path, ...]
    metadata_of: MetadataOf
    problems: tuple[str, ...] = ()
    skipped: int = 0


def folder_source(folder: Path, patterns: Sequence[str], known: Known) -> Source:
    """The recordings below a folder, or below the URL of one.

    Args:
        folder: Where to look.
        patterns: Which files; see `find_recordings`.
        known: What is known of their calls.

    Raises:
        ConfigError: The folder cannot be read, or no file has a name of the pattern.
    """
    if isinstance(folder, RemotePath):
        paths = paths_of(find_objects(folder, patterns))
    else:
        paths = paths_of(find_recordings(folder, patterns))
    if known.names is not None:
        known.names.check(paths)
    return Source(str(folder), paths, known)


def manifest_source(
    manifest: Path, profile: Profile, recordings: Path | None, known: Known
) -> Source:
    """The recordings that a manifest names.

    Args:
        manifest: CSV or JSON lines.
        profile: What its columns mean.
        recordings: The folder below which the recordings lie; default: paths are complete, or
            relative to the manifest.
        known: What is known of their calls besides.

    Raises:
        ConfigError: The manifest as a whole cannot be used.
    """
    locator = Locator(manifest, recordings, profile.suffixes)
    rows: dict[Path, CallMetadata | str] = {}
    problems: list[str] = []
    skipped = 0
    for record in read_manifest(manifest, profile):
        place = f"{manifest}:{record.line}"
        if isinstance(record, BadRow):
            problems.append(f"{place}：{record.reason}")
            continue
        if profile.skips(record.row):
            skipped += 1
            continue
        try:
            path = _located(record, profile, locator)
        except ValueError as cause:
            problems.append(f"{place}：{cause}")
            continue
        if path is None:
            skipped += 1
        elif path in rows:
            # Telephone systems write a row per leg of a call; the first is the call's own.
            logger.info("%s: %s was named before", place, path)
        else:
            rows[path] = _read(record, profile, place)
    known = replace(known, rows=rows)
    return Source(str(manifest), tuple(rows), known, tuple(problems), skipped)


def _located(record: Record, profile: Profile, locator: Locator) -> Path | None:
    """The recording of a row; ``None`` where rows without one are normal."""
    named = list(profile.recordings(record.row))
    for name in named:
        path = locator.find(name)
        if path is not None:
            return path.absolute()
    if not named and profile.recording_optional:
        return None
    if not named:
        raise ValueError(f"没有写录音文件（{'、'.join(profile.recording)}）")
    raise ValueError(f"找不到录音文件 {named[0]}")


def _read(record: Record, profile: Profile, place: str) -> CallMetadata | str:
    try:
        return profile.metadata(record.row)
    except ValueError as cause:
        return f"{place}：{cause}"


class NamePattern:
    """What the name of a file tells of its call: a regular expression with named groups.

    It must match the whole name without its suffix; with a ``/`` in it, the end of the path.
    Groups are named like the fields; ``date`` and ``time`` together are ``started_at``.
    """

    def __init__(self, text: str) -> None:
        """Raises `ConfigError`: it cannot be used."""
        try:
            self._pattern = re.compile(text)
        except re.error as cause:
            raise ConfigError(
                f"--filename-pattern 不是正确的正则表达式：第 {(cause.pos or 0) + 1} 个字符处，"
                f"{cause.msg}"
            ) from None
        groups = set(self._pattern.groupindex)
        unknown = sorted(groups - {*_FIELDS, "date", "time"})
        if unknown or not groups:
            what = f"不认识 {'、'.join(unknown)}" if unknown else "没有命名的组"
            raise ConfigError(
                f"--filename-pattern {what}；应当像 (?P<agent_id>[0-9]+)_(?P<caller>[0-9]+)，"
                f"可用：{'、'.join(_FIELDS)}、date、time"
            )
        self._folders = "/" in text

    def __call__(self, path: Path) -> CallMetadata:
        """What the name of a recording tells; nothing when it is not of the pattern.

        Raises:
            RecordingError: It is of the pattern, but a value cannot be used.
        """
        found = self._match(path)
        if found is None:
            return CallMetadata()
        values = {name: text for name, text in found.groupdict().items() if text}
        date, time = values.pop("date", None), values.pop("time", None)
        if date and time:
            values["started_at"] = re.sub(r"\D", "", date) + re.sub(r"\D", "", time)
        try:
            return parse_fields(values)
        except ValueError as cause:
            raise RecordingError(f"录音 {path.name} 的文件名不能用：{cause}") from None

    def check(self, paths: Sequence[Path]) -> None:
        """Raises `ConfigError` when not one name is of the pattern: then it is the pattern."""
        if paths and not any(self._match(path) for path in paths):
            raise ConfigError(
                f"没有一个录音的文件名与 --filename-pattern 相符，例如 {paths[0].stem}"
            )

    def _match(self, path: Path) -> re.Match[str] | None:
        *folders, name = readable(path.with_suffix("")).split("/")
        tails = [name]
        if self._folders:
            tails += ["/".join([*folders[-count:], name]) for count in range(1, len(folders) + 1)]
        return next((found for tail in tails if (found := self._pattern.fullmatch(tail))), None)


@dataclass
class Known:
    """All that is known of the calls.

    Attributes:
        rows: From the manifest; a sentence where the row cannot be used.
        tell: Called with what the user should know, once.
    """

    rows: Mapping[Path, CallMetadata | str] = field(default_factory=dict)
    names: NamePattern | None = None
    tell: Callable[[str], None] = logger.warning
    _told: set[tuple[str, ...]] = field(default_factory=set)

    def __call__(self, recording: Path) -> CallMetadata:
        """What is known of a recording.

        Raises:
            RecordingError: A part of it cannot be used.
        """
        row = self.rows.get(recording, CallMetadata())
        if isinstance(row, str):
            raise RecordingError(row)
        sidecar = find_sidecar(recording)
        if sidecar is not None and sidecar.unknown and sidecar.unknown not in self._told:
            self._told.add(sidecar.unknown)
            self.tell(f"元数据 {sidecar.path} 里不认识的键，未使用：{'、'.join(sidecar.unknown)}")
        beside = CallMetadata() if sidecar is None else sidecar.metadata
        by_name = CallMetadata() if self.names is None else self.names(recording)
        return _completed(_completed(row, beside), by_name)


def _completed(first: CallMetadata, then: CallMetadata) -> CallMetadata:
    """The first, with what only the second knows."""
    missing = {name: getattr(then, name) for name in _FIELDS if getattr(first, name) is None}
    return replace(first, **missing)


def since(source: Source, start: datetime) -> Source:
    """Only the calls that began then or later; by the file's date where that is not known."""
    return replace(
        source, paths=tuple(path for path in source.paths if _recent(source, path, start))
    )


def _recent(source: Source, path: Path, start: datetime) -> bool:
    try:
        began = source.metadata_of(path).started_at
    except RecordingError:
        began = None  # it is told why when the recording's turn comes
    if began is not None:
        return began >= start
    try:
        return observe(path).modified_ns / 1e9 >= start.timestamp()
    except OSError:
        return True


def is_manifest(path: Path) -> bool:
    """Whether a source is a manifest by its name."""
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def paths_of(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Files as absolute paths, each once, in order."""
    return tuple(dict.fromkeys(path.absolute() for path in paths))
