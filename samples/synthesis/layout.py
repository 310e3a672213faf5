"""When everything in a call is heard: a script and the lengths of its utterances → times."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from synthesis.script import Busy, Hold, Line, Rings, Script, Silence, VoiceRole
from synthesis.sounds import BUSY_ON_MS, RING_ON_MS, RING_PERIOD_MS

PAUSE_MS = (350, 900)
"""How long people wait before they answer, when the script does not say it."""


@dataclass(frozen=True)
class Placed:
    """An utterance and when it is heard."""

    line: Line
    start_ms: int
    end_ms: int

    @property
    def role(self) -> VoiceRole:
        """Who says it."""
        return self.line.role


@dataclass(frozen=True)
class Sound:
    """A sound that is not speech: ``ringback`` (one ring), ``busy`` (one beep) or ``music``."""

    kind: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class HoldSpan:
    """A stretch in which the customer waits, from the end of what was said before it."""

    start_ms: int
    end_ms: int
    music: bool


@dataclass(frozen=True)
class Layout:
    """A whole call in time."""

    lines: tuple[Placed, ...]
    sounds: tuple[Sound, ...]
    holds: tuple[HoldSpan, ...]
    duration_ms: int


@dataclass
class _Clock:
    """Where the call has come to while it is laid out."""

    now_ms: int
    lines: list[Placed] = field(default_factory=list)
    sounds: list[Sound] = field(default_factory=list)
    holds: list[HoldSpan] = field(default_factory=list)


def lay_out(script: Script, lengths_ms: Sequence[int]) -> Layout:
    """Gives every event of a script its time.

    Args:
        script: The call.
        lengths_ms: Of each utterance, in the order of ``script.lines()``.
    """
    lengths = iter(lengths_ms)
    pauses = random.Random(script.seed)
    clock = _Clock(script.lead_ms)
    for event in script.events:
        match event:
            case Line():
                _place(clock, event, next(lengths), pauses)
            case Silence():
                clock.now_ms += event.silence_ms
            case Rings():
                _ring(clock, event)
            case Busy():
                _beep(clock, event)
            case Hold():
                _hold(clock, event, lengths, pauses)
    end_ms = max([clock.now_ms, *(placed.end_ms for placed in clock.lines)])
    return Layout(
        tuple(sorted(clock.lines, key=lambda placed: placed.start_ms)),
        tuple(clock.sounds),
        tuple(clock.holds),
        end_ms + script.tail_ms,
    )


def _place(clock: _Clock, line: Line, length_ms: int, pauses: random.Random) -> None:
    usual_ms = pauses.randint(*PAUSE_MS)  # drawn always, so that one edit does not move the rest
    if line.overlap_ms is not None and clock.lines:
        start_ms = max(0, clock.lines[-1].end_ms - line.overlap_ms)
    else:
        start_ms = clock.now_ms + (usual_ms if line.pause_ms is None else line.pause_ms)
    placed = Placed(line, start_ms, start_ms + length_ms)
    clock.lines.append(placed)
    clock.now_ms = max(clock.now_ms, placed.end_ms)


def _ring(clock: _Clock, event: Rings) -> None:
    for ring in range(event.rings):
        start_ms = clock.now_ms + ring * RING_PERIOD_MS
        clock.sounds.append(Sound("ringback", start_ms, start_ms + RING_ON_MS))
    clock.now_ms = clock.sounds[-1].end_ms + event.answer_ms


def _beep(clock: _Clock, event: Busy) -> None:
    for start_ms in range(clock.now_ms, clock.now_ms + event.busy_ms, 2 * BUSY_ON_MS):
        clock.sounds.append(Sound("busy", start_ms, start_ms + BUSY_ON_MS))
    clock.now_ms += event.busy_ms


def _hold(clock: _Clock, event: Hold, lengths: Iterator[int], pauses: random.Random) -> None:
    start_ms = clock.now_ms
    first = len(clock.lines)
    for item in event.hold:
        if isinstance(item, Line):
            _place(clock, item, next(lengths), pauses)
        else:
            clock.now_ms += item.silence_ms
    clock.holds.append(HoldSpan(start_ms, clock.now_ms, event.music))
    if event.music:
        position = start_ms
        spoken = [placed for placed in clock.lines[first:] if placed.role == "agent"]
        for placed in spoken:
            if placed.start_ms - 200 > position + 300:
                clock.sounds.append(Sound("music", position + 300, placed.start_ms - 200))
            position = placed.end_ms
        if clock.now_ms > position + 500:
            clock.sounds.append(Sound("music", position + 300, clock.now_ms - 200))
