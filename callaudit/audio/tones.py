"""Finds the sounds of the telephone network: ringback, busy tone, music on hold, beeps.

Chinese exchanges (GB/T 3380, YD/T 1118) send 450 ± 25 Hz: ringback 1 s on and 4 s off, busy tone
0.35 s on and off, congestion 0.7 s on and off. A tone is a run of frames in which nearly all of the
sound lies in one peak that does not move; what it means follows from pitch, length and rhythm.
Precision comes first: what is called a tone or music is not given to the recogniser.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from callaudit.audio.music import find_music
from callaudit.audio.spectrum import HOP_MS, Frames, analyse, centre_ms
from callaudit.calls import EventKind, SignalEvent, Span

if TYPE_CHECKING:
    from callaudit.audio.samples import Audio

_PURE = 0.8
_DRIFT_HZ = 4.0
_STEADY_HZ = 2.0
_STEADY_DB = 1.5
_QUIETEST_DBFS = -50.0
_BRIDGE_FRAMES = 3
_SHORTEST_MS = 100

_SIGNAL_HZ = (423.0, 477.0)
"""450 ± 25 Hz and what is measured beside."""

_RING_MS = (800, 1300)
_RING_PERIOD_MS = 5000
_RING_TOLERANCE_MS = 500
_HEAD_MS = 6000
_QUIET_BEFORE_MS = 500
_QUIET_BETWEEN_MS = 800

_BUSY_MS = ((250, 450), (600, 800))
_TAIL_MS = 5000
_BEEP_MS = 400


@dataclass(frozen=True, slots=True)
class Tone:
    """One uninterrupted steady tone."""

    channel: int | None
    start_ms: int
    end_ms: int
    hz: float

    @property
    def span(self) -> Span:
        """When it sounds."""
        return Span(self.start_ms, self.end_ms)

    @property
    def duration_ms(self) -> int:
        """How long it sounds."""
        return self.end_ms - self.start_ms

    @property
    def is_signal(self) -> bool:
        """Whether its pitch is that of the signals of an exchange."""
        return _SIGNAL_HZ[0] <= self.hz <= _SIGNAL_HZ[1]


def detect_events(audio: Audio) -> tuple[SignalEvent, ...]:
    """Sounds of a recording that are not speech.

    Returns:
        Sorted by start. ``ringback``: one event per ring, only for rings at the head of the
        recording, before anybody speaks. ``busy``: one event for a row of beeps. ``music``: one
        event per stretch of at least 3 s. ``tone``: any other steady tone. What sounds on both
        channels at once is one event with channel ``None``, except music, which is found on each.
    """
    channels = analyse(audio)
    tones = _together([tone for c, frames in enumerate(channels) for tone in _tones(c, frames)])
    busy = _busy(tones, audio.duration_ms)
    beeps = {tone for row in busy for tone in row}
    rings = _rings([tone for tone in tones if tone not in beeps], channels)
    used = beeps.union(rings)
    others = [tone for tone in tones if tone not in used and tone.duration_ms >= _BEEP_MS]
    events = [_event("ringback", tone) for tone in rings]
    events += [_event("busy", replace(row[0], end_ms=row[-1].end_ms)) for row in busy]
    for channel, frames in enumerate(channels):
        taken = tuple(
            event.span
            for event in events
            if event.kind != "music" and event.channel in (channel, None)
        )
        events += [
            SignalEvent("music", channel, span.start_ms, min(span.end_ms, audio.duration_ms))
            for span in find_music(frames, taken)
        ]
    music = [event for event in events if event.kind == "music"]
    events += [_event("tone", tone) for tone in others if not _is_note(tone, music)]
    return tuple(sorted(events, key=lambda event: (event.start_ms, event.end_ms, event.kind)))


def _event(kind: EventKind, tone: Tone) -> SignalEvent:
    return SignalEvent(kind, tone.channel, tone.start_ms, tone.end_ms)


def _is_note(tone: Tone, music: Iterable[SignalEvent]) -> bool:
    return any(
        tone.channel in (None, event.channel)
        and 2 * tone.span.overlap_ms(event.span) > tone.duration_ms
        for event in music
    )


def _tones(channel: int, frames: Frames) -> list[Tone]:
    """Steady tones of one channel that last 0.1 s or more."""
    pure = (frames.purity >= _PURE) & (frames.dbfs >= _QUIETEST_DBFS)
    pieces: list[list[int]] = []
    for frame in np.flatnonzero(pure).tolist():
        if pieces:
            last = pieces[-1][-1]
            near = frame - last <= _BRIDGE_FRAMES
            if near and abs(frames.peak_hz[frame] - frames.peak_hz[last]) <= _DRIFT_HZ:
                pieces[-1].append(frame)
                continue
        pieces.append([frame])
    found = []
    for piece in pieces:
        if len(piece) * HOP_MS < _SHORTEST_MS or not _is_machine(frames, piece):
            continue
        start, end = _edges(frames, piece[0], piece[-1], float(np.median(frames.dbfs[piece])))
        found.append(Tone(channel, start, end, float(np.median(frames.peak_hz[piece]))))
    return found


def _is_machine(frames: Frames, piece: list[int]) -> bool:
    """Whether pitch and loudness stand still as no voice and no plucked string can hold them.

    Tones measured 0.1–0.5 dB and 0.1–1 Hz after telephone codecs (µ-law, AMR 4.75, Opus 8 kbit/s),
    hummed vowels 2–9 dB.
    """
    inner = piece[1:-1] if len(piece) > 4 else piece
    third = max(1, len(inner) // 3)
    for values, limit in ((frames.peak_hz[inner], _STEADY_HZ), (frames.dbfs[inner], _STEADY_DB)):
        drift = abs(np.median(values[:third]) - np.median(values[-third:]))
        if np.std(values) > limit or drift > limit:
            return False
    return True


def _edges(frames: Frames, first: int, last: int, dbfs: float) -> tuple[int, int]:
    """Where a tone begins and ends: a frame half in it has a quarter of its power."""
    while first > 0 and frames.dbfs[first - 1] >= dbfs - 6:
        if abs(frames.peak_hz[first - 1] - frames.peak_hz[first]) > 2 * _DRIFT_HZ:
            break
        first -= 1
    while last + 1 < len(frames) and frames.dbfs[last + 1] >= dbfs - 6:
        if abs(frames.peak_hz[last + 1] - frames.peak_hz[last]) > 2 * _DRIFT_HZ:
            break
        last += 1
    start = 0 if first == 0 else centre_ms(first) - HOP_MS // 2
    return start, centre_ms(last) + HOP_MS // 2


def _together(tones: list[Tone]) -> list[Tone]:
    """Tones by start; the same tone on both channels becomes one."""
    merged: list[Tone] = []
    for tone in sorted(tones, key=lambda tone: (tone.start_ms, tone.end_ms)):
        for index in range(len(merged) - 1, max(-1, len(merged) - 5), -1):
            other = merged[index]
            shared = tone.span.overlap_ms(other.span)
            if (
                other.channel != tone.channel
                and abs(other.hz - tone.hz) <= _DRIFT_HZ
                and 2 * shared > max(tone.duration_ms, other.duration_ms)
            ):
                start, end = min(tone.start_ms, other.start_ms), max(tone.end_ms, other.end_ms)
                merged[index] = Tone(None, start, end, other.hz)
                break
        else:
            merged.append(tone)
    return merged


def _rings(tones: Sequence[Tone], channels: tuple[Frames, ...]) -> list[Tone]:
    """The rings of the train with which the recording begins."""
    train: list[Tone] = []
    for tone in tones:
        if not tone.is_signal or tone.duration_ms > _RING_MS[1]:
            continue
        whole = tone.duration_ms >= _RING_MS[0]
        if not train:
            cut = tone.start_ms <= 200 and tone.duration_ms >= _SHORTEST_MS
            if tone.start_ms > _HEAD_MS:
                break
            if (whole or cut) and _other_sound_ms(
                channels, tones, 0, tone.start_ms
            ) <= _QUIET_BEFORE_MS:
                train.append(tone)
            continue
        last = train[-1]
        if not (_in_period(tone.start_ms - last.start_ms) or _in_period(tone.end_ms - last.end_ms)):
            continue
        if _other_sound_ms(channels, tones, last.end_ms, tone.start_ms) > _QUIET_BETWEEN_MS:
            break
        train.append(tone)
        if not whole:  # answered in the middle of a ring
            break
    if len(train) == 1 and train[0].duration_ms < 300:
        return []  # a cut ring alone could be anything
    return train


def _in_period(ms: int) -> bool:
    """One period, or two when noise hid a ring."""
    periods = min(max(1, round(ms / _RING_PERIOD_MS)), 2)
    return abs(ms - periods * _RING_PERIOD_MS) <= _RING_TOLERANCE_MS


def _other_sound_ms(
    channels: tuple[Frames, ...], tones: Sequence[Tone], start_ms: int, end_ms: int
) -> int:
    """Milliseconds in which something else than a tone is loud, on any channel."""
    first, end = start_ms // HOP_MS + 2, max(0, end_ms // HOP_MS - 6)
    most = 0
    for channel, frames in enumerate(channels):
        if len(frames) == 0:
            continue
        noise = float(np.quantile(frames.dbfs[: 60_000 // HOP_MS], 0.2))
        loud = frames.dbfs[first:end] > max(-45.0, noise + 10)
        loud &= frames.purity[first:end] < _PURE
        for tone in tones:
            if (
                tone.channel in (channel, None)
                and tone.end_ms > start_ms
                and tone.start_ms < end_ms
            ):
                a = max(0, tone.start_ms // HOP_MS - 4 - first)
                loud[a : max(0, tone.end_ms // HOP_MS + 1 - first)] = False
        most = max(most, int(loud.sum()) * HOP_MS)
    return most


def _busy(tones: Sequence[Tone], duration_ms: int) -> list[list[Tone]]:
    """Rows of beeps as long as the pauses between them: three, or two near the end."""
    rows: list[list[Tone]] = []
    for tone in tones:
        beat = next((b for b in _BUSY_MS if b[0] <= tone.duration_ms <= b[1]), None)
        if not tone.is_signal or beat is None:
            continue
        last = rows[-1][-1] if rows else None
        if (
            last is not None
            and beat[0] <= tone.start_ms - last.end_ms <= beat[1]
            and beat[0] <= last.duration_ms <= beat[1]
        ):
            rows[-1].append(tone)
        else:
            rows.append([tone])
    return [
        row
        for row in rows
        if len(row) >= 3 or (len(row) == 2 and row[-1].end_ms >= duration_ms - _TAIL_MS)
    ]
