"""Decoded sound: 16 kHz samples kept on disk, read in windows, so that memory stays bounded.

A one-hour stereo call is 230 MB of 16-bit samples, and 460 MB as float32. Holding it, or even
mapping it (mapped pages count as memory of the process), would make memory grow with the length
of the call. The samples therefore lie interleaved in an unnamed temporary file and every consumer
reads the stretch that it needs: `Audio.window` for one channel, `Audio.blocks` to go through all of
them. What was just decoded is in the page cache, so a window costs one copy.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from callaudit.calls import Recording
from callaudit.errors import InfrastructureError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

SAMPLE_RATE_HZ = 16_000
"""The rate of all decoded sound."""

SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000
_BYTES = 2

NO_ROOM = "临时文件夹已满，放不下处理录音时的数据，请清理磁盘或设置 TMPDIR"


class SampleFile:
    """An unnamed temporary file; it disappears with this object or with the process.

    Attributes:
        fd: File descriptor, open for reading and writing.
    """

    def __init__(self) -> None:
        """Makes an empty one.

        Raises:
            InfrastructureError: The folder for temporary files takes none.
        """
        try:
            with tempfile.TemporaryFile(prefix="callaudit-") as file:
                self.fd = os.dup(file.fileno())
        except OSError as error:
            raise InfrastructureError(
                f"无法在临时文件夹里建立文件（{error.strerror}），请检查磁盘空间、权限和 TMPDIR"
            ) from error

    def append(self, samples: bytes) -> None:
        """Writes at the end.

        Raises:
            InfrastructureError: There is no room.
        """
        rest = memoryview(samples)
        try:
            while rest:
                rest = rest[os.write(self.fd, rest) :]
        except OSError as error:
            raise InfrastructureError(NO_ROOM) from error

    def read(self, start: int, size: int) -> bytes:
        """``size`` bytes from ``start``; fewer only at the end of the file."""
        parts = []
        while size > 0 and (part := os.pread(self.fd, size, start)):
            parts.append(part)
            start += len(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def __reduce__(self) -> NoReturn:
        # Another process would read whatever its own descriptor of that number is.
        raise TypeError("decoded audio stays in its process; send the path and decode there")

    def __del__(self) -> None:
        if hasattr(self, "fd"):
            os.close(self.fd)


@dataclass(frozen=True, eq=False)
class Audio:
    """One decoded recording.

    Attributes:
        file: The samples: 16 kHz, 16 bit, channels interleaved.
        frames: Samples per channel.
        source_rate_hz: Sample rate of the recording itself.
        channels: 1 or 2.
        sha256: Of the bytes of the recording.
        path: As the user named it.
        warnings: Chinese sentences on what is odd about the file.
    """

    file: SampleFile
    frames: int
    source_rate_hz: int
    channels: int
    sha256: str
    path: str
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_samples(cls, samples: Floats, path: str = "", sha256: str = "") -> Audio:
        """Audio from samples in memory.

        Args:
            samples: [channels, n] or [n], 16 kHz, -1…1 (clipped).
            path: Name to show.
            sha256: Hash to carry.
        """
        import numpy as np

        rows = np.atleast_2d(samples)
        file = SampleFile()
        ints = np.clip(np.rint(rows * 32768.0), -32768, 32767).astype("<i2")
        file.append(np.ascontiguousarray(ints.T).tobytes())
        return cls(file, rows.shape[1], SAMPLE_RATE_HZ, rows.shape[0], sha256, path)

    @property
    def duration_ms(self) -> int:
        """Length, rounded down to whole milliseconds."""
        return self.frames // SAMPLES_PER_MS

    @property
    def recording(self) -> Recording:
        """The file as the other stages know it."""
        return Recording(
            path=self.path,
            sha256=self.sha256,
            duration_ms=self.duration_ms,
            sample_rate_hz=self.source_rate_hz,
            channels=self.channels,
        )

    @property
    def samples(self) -> Floats:
        """All samples as float32 [channels, n]: for short recordings only (7.7 MB a minute)."""
        return self._read(0, self.frames)

    def window(self, channel: int, start_ms: int, end_ms: int) -> Floats:
        """Samples of one channel as float32 [n], -1…1.

        Args:
            channel: From 0.
            start_ms: Start; before the recording counts as 0.
            end_ms: End, not included; the window is cut at the end of the recording.
        """
        if not 0 <= channel < self.channels:
            raise IndexError(f"channel {channel} of {self.channels}")
        rows = self._read(start_ms * SAMPLES_PER_MS, end_ms * SAMPLES_PER_MS)
        one: Floats = rows[channel].copy() if self.channels > 1 else rows[channel]
        return one

    def blocks(self, block_ms: int = 30_000, overlap_ms: int = 0) -> Iterator[tuple[int, Floats]]:
        """Goes through the recording in blocks of all channels.

        Args:
            block_ms: Step from one block to the next.
            overlap_ms: How far each block reaches beyond its step into the next one.

        Yields:
            Start of the block in ms and its samples, float32 [channels, n]; the last is shorter.
        """
        step = block_ms * SAMPLES_PER_MS
        for start in range(0, self.frames, step):
            yield (
                start // SAMPLES_PER_MS,
                self._read(start, start + step + overlap_ms * SAMPLES_PER_MS),
            )

    def _read(self, start: int, end: int) -> Floats:
        import numpy as np

        start = min(max(start, 0), self.frames)
        end = min(max(end, start), self.frames)
        width = _BYTES * self.channels
        raw = self.file.read(start * width, (end - start) * width)
        if len(raw) != (end - start) * width:
            raise OSError("the temporary sample file is shorter than its samples")
        ints = np.frombuffer(raw, dtype="<i2").reshape(-1, self.channels)
        rows = np.empty((self.channels, end - start), dtype=np.float32)
        np.multiply(ints.T, np.float32(1 / 32768), out=rows)
        return rows
