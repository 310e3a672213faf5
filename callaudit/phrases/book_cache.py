"""Compiled phrasebooks on disk, so that starting does not mean compiling.

A file is named after the hash of what it was compiled from, and so is never out of date. It holds
JSON and plain arrays, nothing that could run. A file that cannot be read is as good as none.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from callaudit.calls import Role
from callaudit.phrases.model import Examples, Exceptions, Phrase, Phrasebook, Variant
from callaudit.phrases.notation import NotationError, Site, parse

FORMAT = 9
"""Raised whenever what is written, or how it is made, changes."""

_OPTIONS = [field.name for field in fields(Variant) if field.name != "sequence"]
_log = logging.getLogger(__name__)


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a cache file whole or not at all; a folder that cannot be written is only logged."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as cause:
        _log.info("cannot keep %s: %s", path, cause)


def _path(folder: Path, sha256: str, files: Sequence[Path]) -> Path:
    # Places in messages name the files, so the same content elsewhere is another entry.
    names = hashlib.sha256("\0".join(map(str, files)).encode()).hexdigest()
    return folder / f"book-{FORMAT}-{sha256[:24]}-{names[:8]}.json"


def write_book(folder: Path, book: Phrasebook, files: Sequence[Path]) -> None:
    """Keeps a compiled phrasebook."""
    content = {
        "sha256": book.sha256,
        "site": asdict(book.site),
        "ordinary": book.ordinary,
        "phrases": [_phrase_data(phrase) for phrase in book],
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    write_atomically(_path(folder, book.sha256, files), text.encode())


def _phrase_data(phrase: Phrase) -> dict[str, Any]:
    data = {field.name: getattr(phrase, field.name) for field in fields(phrase)}
    data["variants"] = [[getattr(one, option) for option in _OPTIONS] for one in phrase.variants]
    data["exceptions"] = asdict(phrase.exceptions)
    data["examples"] = asdict(phrase.examples)
    return data


def read_book(folder: Path, sha256: str, files: Sequence[Path]) -> Phrasebook | None:
    """A phrasebook that was kept; ``None`` if there is none."""
    path = _path(folder, sha256, files)
    try:
        content = json.loads(path.read_bytes())
        site = Site(
            company_names=tuple(content["site"]["company_names"]),
            staff_digits=tuple(content["site"]["staff_digits"]),
        )
        ordinary = tuple(map(str, content["ordinary"]))
        phrases = [_phrase(data, site) for data in content["phrases"]]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, NotationError) as cause:
        _log.info("cannot use %s: %s", path, cause)
        return None
    return Phrasebook({phrase.id: phrase for phrase in phrases}, site, ordinary, sha256)


def _phrase(data: dict[str, Any], site: Site) -> Phrase:
    role = data.pop("role")
    return Phrase(
        **{
            **data,
            "role": None if role is None else Role(role),
            "clauses": tuple(data["clauses"]),
            "variants": tuple(
                Variant(sequence=parse(values[0], site), **dict(zip(_OPTIONS, values, strict=True)))
                for values in data["variants"]
            ),
            "exceptions": Exceptions(**_tuples(data["exceptions"])),
            "examples": Examples(**_tuples(data["examples"])),
        }
    )


def _tuples(data: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(values) for key, values in data.items()}
