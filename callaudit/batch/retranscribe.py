"""Hearing again what another model heard: stored recordings that are still where they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from callaudit.batch.remote import remote_path
from callaudit.calls import CallMetadata
from callaudit.files import sha256_of
from callaudit.store.records import load_metadata
from callaudit.store.rejudging import Unheard


@dataclass(frozen=True)
class Recordings:
    """What can be heard again.

    Attributes:
        metadata: What is known of each, by the path of the recording.
        lost: Recordings whose file is gone or has become another one.
    """

    metadata: Mapping[Path, CallMetadata]
    lost: tuple[Unheard, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The recordings."""
        return tuple(self.metadata)


def still_there(unheard: Sequence[Unheard]) -> Recordings:
    """Looks for stored recordings where they were found last; the content must be the same."""
    found: dict[Path, CallMetadata] = {}
    lost: list[Unheard] = []
    for recording in unheard:
        named = recording.path
        path = (remote_path(named) or Path(named)) if named else None
        if path is not None and _is(path, recording.recording_sha256):
            found[path.absolute()] = load_metadata(recording.metadata)
        else:
            lost.append(recording)
    return Recordings(found, tuple(lost))


def _is(path: Path, sha256: str) -> bool:
    try:
        return path.is_file() and sha256_of(path) == sha256
    except OSError:
        return False
