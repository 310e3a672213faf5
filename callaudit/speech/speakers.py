"""Who speaks when, in a channel that holds both sides of a call.

Voice activity gives pieces of speech between pauses. Each is heard in windows of about a second,
and their voiceprints are gathered into two voices; a call in which there is only one voice, or a
third one, is given up. The likeliest sequence of speakers follows (Viterbi): a change costs much
inside flowing speech and little after a pause, and a short sound says little of whose it is. Where
the speaker changes without a pause, the place is looked for in finer steps.

Utterances are cut where the speaker changes, so that each has one speaker; their times stay.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from callaudit.calls import Span

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from callaudit.audio.samples import Audio

    Floats = npt.NDArray[np.float32]

# Finding the voices. Measured at telephone quality on synthetic and human Mandarin: the centres of
# two people are 0.54-0.83 alike (cosine), those of two halves of one person 0.84-0.95, less when
# one half is shorter than 3 s.
_WINDOW_MS = 900
"""Long enough for a voiceprint, short enough to hold one speaker."""
_USABLE_MS = 400
_UNIT_MS = 2_700
_MOST_UNITS = 300
_ALIKE = 0.85
_ALIKE_FROM_MS = 3_000
_ALIKE_LESS_PER_MS = 0.07 / 1000
_LEAST_VOICE_MS = 1_000
_THIRD_ALIKE = 0.8
_LEAST_THIRD_MS = 2_000
"""A word or two by somebody else in the room do not make a third party."""

# Following the speaker. The contrast of a window is about +1 or -1 for one or the other voice;
# its spread shrinks as the window grows.
_ODDS = 6.0
_ODDS_PER_MS = 10.0 / 1000
_ODDS_LONGEST_MS = 1_500
_CHANGE_IN_SPEECH = 0.02
_CHANGE_AFTER_PAUSE = 0.4
_FULL_PAUSE_MS = 600

# Cutting where there is no pause.
_FINE_MS = 600
_FINE_STEP_MS = 100
_LEVEL_STEP_MS = 20
_SNAP_MS = 160
_GROUP = 64


class VoiceprintSource(Protocol):
    """What makes voiceprints; see `callaudit.speech.voiceprints`."""

    def of(self, windows: Sequence[Floats]) -> Floats:
        """Samples, float32 [n] each, to voiceprints, float32 [windows, size] of length 1."""


@dataclass(frozen=True, slots=True)
class SpeakerSpan:
    """An utterance, or part of one, by one person.

    Attributes:
        speaker: 0 for who speaks first, 1 for the other one.
        margin: Log odds that it is this speaker; small where the sound says little of whose it is.
    """

    span: Span
    speaker: int
    margin: float

    @property
    def certainty(self) -> float:
        """0-1: how much likelier this speaker is than the other one."""
        return math.tanh(max(0.0, self.margin) / 2)


@dataclass(frozen=True, slots=True)
class Separation:
    """What was found in one channel.

    Attributes:
        voices: 0 when there is too little speech to tell, 3 for three or more.
        spans: Every utterance, cut where the speaker changes; empty unless there are two voices.
    """

    voices: int
    spans: tuple[SpeakerSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class _Window:
    """A stretch of a piece of speech.

    Attributes:
        utterance: Which one it belongs to.
        pause_ms: Silence before it; 0 inside a piece.
    """

    span: Span
    utterance: int
    pause_ms: int


@dataclass(frozen=True)
class _Voices:
    """Two voices, as centres of their voiceprints [2, size]."""

    centres: Floats

    def log_odds(self, prints: Floats, spans: Sequence[Span]) -> Floats:
        """Log odds of the first voice against the second, for each voiceprint."""
        import numpy as np

        middle = self.centres.mean(axis=0)
        first, second = _unit(self.centres - middle)
        contrast = _unit(prints - middle) @ (first - second)
        lengths = np.minimum([span.duration_ms for span in spans], _ODDS_LONGEST_MS)
        return np.asarray((_ODDS + _ODDS_PER_MS * lengths) * contrast, np.float32)


def separate(
    audio: Audio,
    channel: int,
    utterances: Sequence[Span],
    pieces: Sequence[Span],
    voiceprints: VoiceprintSource,
) -> Separation:
    """Separates the two speakers of a channel.

    Args:
        audio: The recording.
        channel: The channel that holds both.
        utterances: Voice activity, sorted and disjoint, as it is to be recognised.
        pieces: The same, but ended by much shorter pauses.
        voiceprints: Where they come from.

    Raises:
        VoiceprintsUnavailable: There are none.
    """
    windows = list(_windows(utterances, pieces))
    if not windows:
        return Separation(0)
    spans = [window.span for window in windows]
    prints = _prints(audio, channel, spans, voiceprints)
    count, voices = _find_voices(prints, windows)
    if voices is None:
        return Separation(count)
    odds = voices.log_odds(prints, spans)
    speakers = _likeliest(odds, [window.pause_ms for window in windows])
    if len(set(speakers)) == 1:
        return Separation(1)
    cuts = {}
    for index in range(1, len(windows)):
        if speakers[index] != speakers[index - 1] and windows[index].pause_ms == 0:
            around = Span(spans[index - 1].start_ms, spans[index].end_ms)
            sign = 1 if speakers[index] == 0 else -1
            fine = _fine_spans(around)
            after = sign * voices.log_odds(_prints(audio, channel, fine, voiceprints), fine)
            cuts[index] = _quietest(audio, channel, _change(after, around), around)
    return Separation(2, tuple(_speaker_spans(utterances, windows, speakers, odds.tolist(), cuts)))


def _windows(utterances: Sequence[Span], pieces: Sequence[Span]) -> Iterator[_Window]:
    """Cuts the pieces of every utterance into even windows."""
    last_ms = 0
    for number, utterance in enumerate(utterances):
        own = [
            Span(max(piece.start_ms, utterance.start_ms), min(piece.end_ms, utterance.end_ms))
            for piece in pieces
            if piece.overlaps(utterance)
        ]
        for piece in own or [utterance]:
            count = max(1, round(piece.duration_ms / _WINDOW_MS))
            borders = [
                piece.start_ms + place * piece.duration_ms // count for place in range(count + 1)
            ]
            for place in range(count):
                pause_ms = 0 if place else max(1, piece.start_ms - last_ms)
                yield _Window(Span(borders[place], borders[place + 1]), number, pause_ms)
            last_ms = piece.end_ms


def _prints(
    audio: Audio, channel: int, spans: Sequence[Span], voiceprints: VoiceprintSource
) -> Floats:
    """Voiceprints [spans, size]; the samples are read bit by bit."""
    import numpy as np

    return np.concatenate(
        [
            voiceprints.of(
                [
                    audio.window(channel, span.start_ms, span.end_ms)
                    for span in spans[first:][:_GROUP]
                ]
            )
            for first in range(0, len(spans), _GROUP)
        ]
    )


# --- which voices there are ------------------------------------------------------------------


def _find_voices(prints: Floats, windows: Sequence[_Window]) -> tuple[int, _Voices | None]:
    """How many voices there are, and which, if there are two."""
    import numpy as np

    usable = [index for index, item in enumerate(windows) if item.span.duration_ms >= _USABLE_MS]
    if sum(windows[index].span.duration_ms for index in usable) < 2 * _LEAST_VOICE_MS:
        return 0, None
    weights = np.asarray([windows[index].span.duration_ms for index in usable], np.float32)
    sums = prints[usable] * weights[:, None]
    units = _units([windows[index] for index in usable])
    starts = _grown_together(
        np.stack([sums[unit].sum(axis=0) for unit in units]),
        np.asarray([weights[unit].sum() for unit in units]),
    )
    if 2 not in starts:
        return 1, None
    two, amounts = _gathered(sums, weights, starts[2])
    if amounts.min() < _LEAST_VOICE_MS or not _differ(two, amounts, _ALIKE):
        return 1, None
    if 3 in starts:
        three, amounts = _gathered(sums, weights, starts[3])
        if amounts.min() >= _LEAST_THIRD_MS and _differ(three, amounts, _THIRD_ALIKE):
            return 3, None
    return 2, _Voices(two)


def _differ(centres: Floats, amounts: Floats, alike: float) -> bool:
    """Whether groups of windows are as many voices.

    A group of little speech differs by what is said in it and by noise, whoever speaks: it has to
    differ more.

    Args:
        centres: Of the groups.
        amounts: Milliseconds of each.
        alike: The most that two voices may be alike, given enough speech.
    """
    lacking_ms = max(0.0, _ALIKE_FROM_MS - float(amounts.min()))
    return _most_alike(centres) <= alike - _ALIKE_LESS_PER_MS * lacking_ms


def _units(windows: Sequence[_Window]) -> list[list[int]]:
    """Neighbouring windows of flowing speech, which mostly have one speaker: less noise each."""
    units: list[list[int]] = []
    length_ms = 0
    for index, window in enumerate(windows):
        length_ms += window.span.duration_ms
        if window.pause_ms or not units or length_ms > _UNIT_MS:
            units.append([])
            length_ms = window.span.duration_ms
        units[-1].append(index)
    # A long call has more than enough of them; the others join in `_gathered`.
    step = max(1.0, len(units) / _MOST_UNITS)
    return [units[int(place * step)] for place in range(min(len(units), _MOST_UNITS))]


def _grown_together(sums: Floats, weights: Floats) -> dict[int, Floats]:
    """Joins the two groups that lose least by it, again and again (Ward 1963, for directions).

    Args:
        sums: Weighted sums of voiceprints [units, size].
        weights: Of the units [units].

    Returns:
        The centres when two and three groups were left.
    """
    import numpy as np

    found = {}
    while len(sums) > 1:
        centres = _unit(sums)
        if len(sums) <= 3:
            found[len(sums)] = centres
        shared = weights[:, None] * weights / (weights[:, None] + weights)
        loss = shared * (1 - centres @ centres.T)
        loss[np.tril_indices(len(loss))] = np.inf
        first, second = divmod(int(np.argmin(loss)), len(loss))
        sums[first] += sums[second]
        weights[first] += weights[second]
        sums, weights = np.delete(sums, second, axis=0), np.delete(weights, second)
    return found


def _gathered(sums: Floats, weights: Floats, centres: Floats) -> tuple[Floats, Floats]:
    """Every window goes to the nearest centre, and centres to the middle of theirs (k-means).

    Returns:
        The centres, and how many milliseconds each has.
    """
    import numpy as np

    nearest = np.argmax(sums @ centres.T, axis=1)
    for _ in range(50):
        members = [nearest == voice for voice in range(len(centres))]
        if not all(member.any() for member in members):
            break
        centres = _unit(np.stack([sums[member].sum(axis=0) for member in members]))
        again = np.argmax(sums @ centres.T, axis=1)
        if (again == nearest).all():
            break
        nearest = again
    amounts = [float(weights[nearest == voice].sum()) for voice in range(len(centres))]
    return centres, np.asarray(amounts, np.float32)


def _most_alike(centres: Floats) -> float:
    """Largest cosine of two different centres."""
    import numpy as np

    return float((centres @ centres.T)[np.triu_indices(len(centres), 1)].max())


def _unit(vectors: Floats) -> Floats:
    """Vectors [n, size] scaled to length 1."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-6), np.float32)


# --- who speaks when -------------------------------------------------------------------------


def _likeliest(odds: Floats, pauses_ms: Sequence[int]) -> list[int]:
    """The likeliest speaker (0 or 1) of every window, all in all.

    Args:
        odds: Log odds of speaker 0 [windows].
        pauses_ms: Silence before each window.
    """
    import numpy as np

    best = np.asarray([odds[0], -odds[0]]) / 2
    came_from = []
    for value, pause_ms in zip(odds[1:], pauses_ms[1:], strict=True):
        share = min(pause_ms, _FULL_PAUSE_MS) / _FULL_PAUSE_MS
        change = _CHANGE_IN_SPEECH + (_CHANGE_AFTER_PAUSE - _CHANGE_IN_SPEECH) * share
        staying, changing = best + np.log(1 - change), best[::-1] + np.log(change)
        came_from.append(np.where(staying >= changing, [0, 1], [1, 0]))
        best = np.maximum(staying, changing) + np.asarray([value, -value]) / 2
    speakers = [int(np.argmax(best))]
    for before in reversed(came_from):
        speakers.append(int(before[speakers[-1]]))
    return speakers[::-1]


def _fine_spans(around: Span) -> list[Span]:
    """Short windows in steps, over a stretch in which the speaker changes."""
    length_ms = min(_FINE_MS, around.duration_ms)
    last_ms = around.end_ms - length_ms
    return [
        Span(start_ms, start_ms + length_ms)
        for start_ms in range(around.start_ms, last_ms + 1, _FINE_STEP_MS)
    ]


def _change(after: Floats, around: Span) -> int:
    """Where the speaker changes, given the log odds of the later one in `_fine_spans`."""
    import numpy as np

    before = np.concatenate(([0.0], np.cumsum(-after)))
    behind = np.concatenate((np.cumsum(after[::-1])[::-1], [0.0]))
    place = int(np.argmax(before + behind))
    middle_ms = min(_FINE_MS, around.duration_ms) // 2
    return around.start_ms + middle_ms + place * _FINE_STEP_MS - _FINE_STEP_MS // 2


def _quietest(audio: Audio, channel: int, place_ms: int, within: Span) -> int:
    """The quietest moment near a place: people change there, and no word is cut in two."""
    import numpy as np

    start_ms = max(within.start_ms + _LEVEL_STEP_MS, place_ms - _SNAP_MS)
    end_ms = min(within.end_ms - _LEVEL_STEP_MS, place_ms + _SNAP_MS)
    samples = audio.window(channel, start_ms, end_ms)
    step = len(samples) * _LEVEL_STEP_MS // max(1, end_ms - start_ms)
    count = len(samples) // step if step else 0
    if count == 0:
        return (within.start_ms + within.end_ms) // 2
    power = (samples[: count * step].reshape(count, step) ** 2).mean(axis=1)
    return start_ms + int(np.argmin(power)) * _LEVEL_STEP_MS + _LEVEL_STEP_MS // 2


def _speaker_spans(
    utterances: Sequence[Span],
    windows: Sequence[_Window],
    speakers: Sequence[int],
    odds: Sequence[float],
    cuts: dict[int, int],
) -> Iterator[SpeakerSpan]:
    """Utterances cut where the speaker changes: at a cut, or leaving out the pause there."""
    first = 0
    for index, window in enumerate(windows):
        following = windows[index + 1] if index + 1 < len(windows) else None
        ends = following is None or following.utterance != window.utterance
        if not ends and speakers[index + 1] == speakers[index]:
            continue
        whole = utterances[window.utterance]
        begins = first == 0 or windows[first - 1].utterance != window.utterance
        span = Span(
            whole.start_ms if begins else cuts.get(first, windows[first].span.start_ms),
            whole.end_ms if ends else cuts.get(index + 1, window.span.end_ms),
        )
        sign = 1 if speakers[index] == 0 else -1
        margin = sign * sum(odds[first : index + 1])
        yield SpeakerSpan(span, speakers[index] ^ speakers[0], round(margin, 2))
        first = index + 1
