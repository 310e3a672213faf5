"""The data of the phonetic search on disk: syllables, graphs and their flat arrays.

Reading the pinyin of twenty thousand characters and of every variant takes a second; loading the
result takes milliseconds. As in `callaudit.phrases.book_cache`, a file is named after what it was
made from, holds JSON and plain arrays only, and one that cannot be read is as good as none.
"""

from __future__ import annotations

import io
import json
import logging
import zipfile
from collections.abc import Sequence
from dataclasses import astuple, fields
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callaudit.phrases.book_cache import FORMAT, write_atomically
from callaudit.phrases.graph import Graph, Node
from callaudit.phrases.phonetic import PhoneticIndex
from callaudit.phrases.phonetics import SyllableTable
from callaudit.phrases.soundbook import Soundbook
from callaudit.phrases.sounds import SoundVariant

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)


def _path(folder: Path, sha256: str) -> Path:
    return folder / f"sounds-{FORMAT}-{version('pypinyin')}-{sha256[:24]}.npz"


def write_sounds(folder: Path, sha256: str, index: PhoneticIndex) -> None:
    """Keeps a phonetic index, for the phrasebook with that hash."""
    import numpy as np

    table = index.table
    text = {
        "syllables": table.syllables,
        "sounds": table.sounds,
        "characters": "".join(table.sound_of),
        "variants": [
            [one.phrase, one.variant, one.graph.shortest, one.graph.longest, one.graph.parts]
            for one in index.variants
        ],
        "nodes": [[astuple(node) for node in one.graph.nodes] for one in index.variants],
        "base": index.book.base,
    }
    arrays: dict[str, NDArray[Any]] = {
        "text": np.frombuffer(json.dumps(text, ensure_ascii=False).encode(), dtype=np.uint8),
        "sound_of": np.array(list(table.sound_of.values()), dtype=np.int32),
        "table": table.costs,
    }
    for field in fields(Soundbook):
        value = getattr(index.book, field.name)
        if not isinstance(value, int):
            arrays[f"book_{field.name}"] = value
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_atomically(_path(folder, sha256), buffer.getvalue())


def read_sounds(folder: Path, sha256: str) -> PhoneticIndex | None:
    """The phonetic index that was kept for a phrasebook; ``None`` if there is none."""
    import numpy as np

    path = _path(folder, sha256)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            text = json.loads(arrays["text"].tobytes())
            table = _table(text, arrays["sound_of"], arrays["table"])
            book = Soundbook(
                **{
                    field.name: text["base"]
                    if field.name == "base"
                    else arrays[f"book_{field.name}"]
                    for field in fields(Soundbook)
                }
            )
        return PhoneticIndex(_variants(text), book, table)
    except FileNotFoundError:
        return None
    except (OSError, EOFError, LookupError, TypeError, ValueError, zipfile.BadZipFile) as cause:
        _log.info("cannot use %s: %s", path, cause)
        return None


def _table(
    text: dict[str, Any], sound_of: NDArray[np.int32], costs: NDArray[np.float32]
) -> SyllableTable:
    table = SyllableTable(
        syllables=tuple(text["syllables"]),
        sounds=tuple(map(tuple, text["sounds"])),
        sound_of=dict(zip(text["characters"], sound_of.tolist(), strict=True)),
    )
    # Fills the cached property, which would take longest to work out again.
    table.__dict__["costs"] = costs
    return table


def _variants(text: dict[str, Any]) -> Sequence[SoundVariant]:
    return [
        SoundVariant(
            phrase, variant, Graph(tuple(Node(*node) for node in nodes), shortest, longest, parts)
        )
        for (phrase, variant, shortest, longest, parts), nodes in zip(
            text["variants"], text["nodes"], strict=True
        )
    ]
