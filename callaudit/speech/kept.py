"""Encoder output on its way from recognition to confirmation.

Which utterances are to be compared with their sound is known only when all are recognised. Until
then the output of a long call would be gigabytes, and in the allocator's heap its pieces would lie
between those of the recogniser. So it is kept in a block of memory of its own, and what that has no
room for in an unnamed temporary file.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from callaudit.audio.samples import SampleFile

if TYPE_CHECKING:
    from callaudit.speech.recognise import Encoded

_IN_MEMORY_BYTES = 64 << 20  # a call of five minutes
_ALIGNED_BYTES = 64


@dataclass(frozen=True, slots=True)
class Kept:
    """Encoder output of one utterance, wherever it lies.

    Attributes:
        source: Memory or file.
        start: Where it begins there.
        encoded: All but its states.
        shape: Of its states.
    """

    source: mmap.mmap | SampleFile
    start: int
    encoded: Encoded
    shape: tuple[int, ...]

    def load(self) -> Encoded:
        """What was kept."""
        import numpy as np

        count = int(np.prod(self.shape))
        if isinstance(self.source, SampleFile):
            states = np.frombuffer(self.source.read(self.start, 4 * count), np.float32)
        else:
            states = np.frombuffer(self.source, np.float32, count, self.start)
        return replace(self.encoded, states=states.reshape(self.shape))


class EncodedStore:
    """Keeps encoder output. Its memory and file go with it and with the last that was kept."""

    def __init__(self) -> None:
        """An empty store; its memory is taken as it fills."""
        self._memory = mmap.mmap(-1, _IN_MEMORY_BYTES)
        self._used = 0
        self._file: SampleFile | None = None
        self._written = 0

    def keep(self, encoded: Encoded) -> Kept:
        """Keeps a copy.

        Raises:
            InfrastructureError: There is no room for temporary files.
        """
        import numpy as np

        states = np.ascontiguousarray(encoded.states, np.float32)
        rest = replace(encoded, states=np.empty(0, np.float32))
        if self._used + states.nbytes <= _IN_MEMORY_BYTES:
            start = self._used
            self._memory[start : start + states.nbytes] = states.tobytes()
            self._used += -(-states.nbytes // _ALIGNED_BYTES) * _ALIGNED_BYTES
            return Kept(self._memory, start, rest, states.shape)
        if self._file is None:
            self._file = SampleFile()
        start = self._written
        self._file.append(states.tobytes())
        self._written += states.nbytes
        return Kept(self._file, start, rest, states.shape)
