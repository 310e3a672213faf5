"""What `callaudit.phrases.manner` learned, on disk: see `callaudit.phrases.sound_cache`."""

from __future__ import annotations

import io
import json
import logging
import zipfile
from pathlib import Path

from callaudit.phrases.book_cache import FORMAT, write_atomically
from callaudit.phrases.manner import Manner

_log = logging.getLogger(__name__)


def _path(folder: Path, sha256: str) -> Path:
    return folder / f"manner-{FORMAT}-{sha256[:24]}.npz"


def write_manner(folder: Path, sha256: str, manner: Manner) -> None:
    """Keeps what was learned from the phrasebook with that hash."""
    import numpy as np

    text = json.dumps([list(manner.grams), manner.phrases, manner.bias], ensure_ascii=False)
    buffer = io.BytesIO()
    np.savez(
        buffer,
        allow_pickle=False,
        text=np.frombuffer(text.encode(), dtype=np.uint8),
        rarity=manner.rarity,
        weights=manner.weights,
        naming=manner.naming,
    )
    write_atomically(_path(folder, sha256), buffer.getvalue())


def read_manner(folder: Path, sha256: str) -> Manner | None:
    """What was kept for a phrasebook; ``None`` if there is nothing."""
    import numpy as np

    path = _path(folder, sha256)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            grams, phrases, bias = json.loads(arrays["text"].tobytes())
            return Manner(
                grams={gram: place for place, gram in enumerate(grams)},
                rarity=arrays["rarity"],
                weights=arrays["weights"],
                bias=float(bias),
                phrases=tuple(phrases),
                naming=arrays["naming"],
            )
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as cause:
        _log.info("cannot use %s: %s", path, cause)
        return None
