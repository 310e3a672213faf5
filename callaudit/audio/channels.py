"""Whether the two channels of a recording are two telephones.

Some recorders write the same mixed sound twice (fake stereo), lose one side, or let one side be
heard on the other (echo of the line, crosstalk). Roles that are told by channel are then wrong, and
speech is recognised twice, so all three are found here before anything is recognised.

Method: one-second pieces in which one channel is loud are cross-correlated with the other channel,
up to 400 ms of delay (ITU-T G.131 treats echo up to that). A high correlation at one delay in most
pieces means that the second channel carries the first: as a copy when both are about equally loud,
as a leak when it is much softer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from callaudit.audio.levels import HOP_MS, level_tracks

if TYPE_CHECKING:
    from callaudit.audio.samples import Audio, Floats
    from callaudit.calls import LevelTrack, Span

_DEAD_DBFS = -60
"""A telephone channel with a person on it is louder than this at times."""

_ACTIVE_DBFS = -45
_PIECE_MS = 1000
_MOST_PIECES = 40
_MAX_DELAY_MS = 400
_SAME_DELAY_MS = 2.0

_COPY_CORRELATION = 0.95
_COPY_SHARE = 0.85
_COPY_SPREAD_DB = 3.0
_COPY_GAIN_DB = 8.0
_LEAK_CORRELATION = 0.5
_WEAKEST_LEAK_DB = -40.0
_AUDIBLE_LEAK_DB = -24.0
"""Weaker ones count, but are not worth a sentence: joint-stereo codecs leave -25 dB."""

_LEAK_MARGIN_DB = 4.0
"""Speech that is this much louder than the leak can be is the channel's own."""


@dataclass(frozen=True, slots=True)
class Leak:
    """One channel that is heard on the other one.

    Attributes:
        source: The channel whose speaker it is.
        target: The channel on which it is heard too.
        gain_db: Level on the target relative to the source, below 0.
        delay_ms: How much later it is heard there; below 0 for earlier.
    """

    source: int
    target: int
    gain_db: float
    delay_ms: float


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """What is odd about the channels.

    Attributes:
        usable: Channels with sound of their own: what is to be recognised; none if all is silent.
        identical: Both channels carry the same sound; only the louder one is usable.
        dead: Channels that are silent all through.
        leaks: Crosstalk.
        warnings: A Chinese sentence for each oddity that a listener would notice.
    """

    usable: tuple[int, ...]
    identical: bool = False
    dead: tuple[int, ...] = ()
    leaks: tuple[Leak, ...] = ()
    warnings: tuple[str, ...] = ()

    def leaked(self, audio: Audio, channel: int, span: Span) -> bool:
        """Whether what sounds in ``span`` on ``channel`` is only the other speaker leaking in.

        True when it is no louder than the leak makes it, and moves with the other channel.
        """
        for leak in self.leaks:
            if leak.target != channel:
                continue
            own = audio.window(channel, span.start_ms, span.end_ms)
            start_ms = span.start_ms - round(leak.delay_ms)
            other = audio.window(leak.source, start_ms, start_ms + span.duration_ms)
            expected_db = _dbfs(other) + leak.gain_db
            if _dbfs(own) > expected_db + _LEAK_MARGIN_DB:
                continue
            found = _correlate(audio, leak.source, channel, span.start_ms, span.end_ms)
            if found.correlation >= _LEAK_CORRELATION and (
                abs(found.delay_ms - leak.delay_ms) <= _SAME_DELAY_MS
            ):
                return True
        return False


@dataclass(frozen=True, slots=True)
class _Match:
    correlation: float
    gain_db: float
    delay_ms: float
    source_db: float
    target_db: float


def inspect_channels(audio: Audio) -> ChannelReport:
    """Looks for identical, dead and leaking channels."""
    levels = level_tracks(audio)
    dead = tuple(track.channel for track in levels if _is_dead(track))
    living = tuple(channel for channel in range(audio.channels) if channel not in dead)
    warnings = [f"{_name(audio, channel)}全程无声" for channel in dead]
    if len(living) < 2:
        return ChannelReport(living, dead=dead, warnings=tuple(warnings))

    forward = list(_matches(audio, levels[0], 0, 1))
    backward = list(_matches(audio, levels[1], 1, 0))
    gain_db = _copy_gain(forward, backward)
    if gain_db is not None:
        return ChannelReport(
            usable=(1 if gain_db > 1 else 0,),
            identical=True,
            warnings=("两个声道内容相同（假立体声），无法按声道区分坐席和客户",),
        )
    leaks = tuple(
        leak for leak in (_leak(forward, 0, 1), _leak(backward, 1, 0)) if leak is not None
    )
    warnings += [
        f"{_name(audio, leak.target)}能听到{_name(audio, leak.source)}的串音"
        f"（约 {leak.gain_db:.0f} dB），其中的语音已按串音忽略"
        for leak in leaks
        if leak.gain_db >= _AUDIBLE_LEAK_DB
    ]
    return ChannelReport(living, leaks=leaks, warnings=tuple(warnings))


def _name(audio: Audio, channel: int) -> str:
    return "录音" if audio.channels == 1 else ("左声道", "右声道")[channel]


def _is_dead(track: LevelTrack) -> bool:
    """Silent but for a click now and then (one tenth of a second in a hundred)."""
    return bool(np.quantile(track.dbfs, 0.99, method="lower") < _DEAD_DBFS) if track.dbfs else True


def _copy_gain(forward: list[_Match], backward: list[_Match]) -> float | None:
    """Level of channel 1 relative to 0 when one is a copy of the other, else ``None``.

    A copy differs from strong crosstalk in that its level does not depend on who speaks.
    """
    matches = forward + backward
    if not matches:
        return None
    alike = [match.correlation >= _COPY_CORRELATION for match in matches]
    gains = [match.gain_db for match in forward] + [-match.gain_db for match in backward]
    low, usual, high = np.quantile(gains, (0.1, 0.5, 0.9)).tolist()
    same = np.mean(alike) >= _COPY_SHARE and high - low <= _COPY_SPREAD_DB
    return usual if same and abs(usual) <= _COPY_GAIN_DB else None


def _leak(matches: list[_Match], source: int, target: int) -> Leak | None:
    """The leak that the pieces agree on, among those in which the source is the louder one."""
    clear = [match for match in matches if match.source_db >= match.target_db + 3]
    if len(clear) < 3:
        return None
    delay_ms = float(np.median([match.delay_ms for match in clear]))
    agreeing = [
        match
        for match in clear
        if match.correlation >= _LEAK_CORRELATION
        and abs(match.delay_ms - delay_ms) <= _SAME_DELAY_MS
    ]
    if 2 * len(agreeing) <= len(clear):
        return None
    gain_db = float(np.median([match.gain_db for match in agreeing]))
    return Leak(source, target, gain_db, delay_ms) if gain_db >= _WEAKEST_LEAK_DB else None


def _matches(audio: Audio, loud: LevelTrack, source: int, target: int) -> Iterator[_Match]:
    """Correlates pieces in which the source is loud, spread over the recording."""
    per_piece = _PIECE_MS // HOP_MS
    count = len(loud.dbfs) // per_piece
    if count == 0:
        return
    pieces = np.asarray(loud.dbfs[: count * per_piece]).reshape(count, per_piece).max(axis=1)
    active = np.flatnonzero(pieces >= max(_ACTIVE_DBFS, float(pieces.max()) - 20))
    chosen = active[np.linspace(0, len(active) - 1, min(len(active), _MOST_PIECES)).astype(int)]
    for piece in np.unique(chosen).tolist():
        yield _correlate(audio, source, target, piece * _PIECE_MS, (piece + 1) * _PIECE_MS)


def _correlate(audio: Audio, source: int, target: int, start_ms: int, end_ms: int) -> _Match:
    """Best normalised correlation of the target with the delayed source in one stretch."""
    # Every other sample will do: what folds over folds over alike on both channels.
    own = audio.window(target, start_ms, end_ms)[::2]
    around = audio.window(source, start_ms - _MAX_DELAY_MS, end_ms + _MAX_DELAY_MS)[::2]
    missing = max(0, _MAX_DELAY_MS - start_ms) * 8
    other = np.pad(around, (missing, max(0, len(own) + 16 * _MAX_DELAY_MS - len(around) - missing)))
    own_power = float(own @ own)
    size = 1 << (len(own) + len(other)).bit_length()
    product = np.fft.rfft(other, size) * np.conj(np.fft.rfft(own, size))
    lags = len(other) - len(own) + 1
    cross = np.fft.irfft(product, size)[:lags]
    running = np.concatenate(([0.0], np.cumsum(other.astype(np.float64) ** 2)))
    power = running[len(own) : len(own) + lags] - running[:lags]
    floor = 1e-9 * len(own)
    correlation = np.abs(cross) / np.sqrt(np.maximum(power, floor) * max(own_power, floor))
    best = int(np.argmax(correlation))
    gain = abs(float(cross[best])) / max(float(power[best]), floor)
    other_db = 10 * np.log10(max(float(power[best]) / max(len(own), 1), 1e-10))
    return _Match(
        correlation=float(correlation[best]),
        gain_db=20 * float(np.log10(max(gain, 1e-5))),
        delay_ms=_MAX_DELAY_MS - best / 8,
        source_db=float(other_db),
        target_db=_dbfs(own),
    )


def _dbfs(samples: Floats | npt.NDArray[np.float32]) -> float:
    power = float(np.mean(samples**2)) if len(samples) else 0.0
    return 10 * float(np.log10(max(power, 1e-10)))
