"""Recordings in which both sides of a call share one channel.

That is mono, fake stereo, stereo said to be mixed, and stereo with a dead channel of which nothing
is known. The two speakers are told apart by their voices where the extra ``mono`` is installed;
otherwise the roles stay unknown, with a sentence that says why.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from callaudit.audio.samples import Audio, SampleFile
from callaudit.calls import Span
from callaudit.speech.speakers import Separation, SpeakerSpan, separate
from callaudit.speech.voice import PIECES, clipped, frames_of, spans_of
from callaudit.speech.voiceprints import VoiceprintsUnavailable, load_voiceprints

if TYPE_CHECKING:
    from callaudit.audio.channels import ChannelReport

_NOT_APART = "坐席和客户没有分声道录音"
_REASONS = {
    0: "可供分辨声音的语音太少",
    1: "只听出一个人的声音",
    3: "听出了两个以上的人的声音",
}


@dataclass(frozen=True)
class SharedLine:
    """What is said in a channel that holds both sides.

    Attributes:
        utterances: One speaker each, where the speakers could be told apart.
        speakers: By utterance; empty when they could not.
        voices: How many there are, as far as is known; 3 for more.
        warnings: Why they could not, a Chinese sentence.
    """

    utterances: tuple[Span, ...]
    speakers: dict[Span, SpeakerSpan]
    voices: int | None
    warnings: tuple[str, ...] = ()


def shares_a_line(
    audio: Audio, report: ChannelReport, told: Literal["left", "right", "mixed"] | None
) -> bool:
    """Whether both sides may be on one channel."""
    if audio.channels == 1 or report.identical or told == "mixed":
        return True
    return told is None and len(report.usable) == 1


def mix_down(audio: Audio) -> Audio:
    """Both channels of a stereo recording in one.

    The quieter way of adding them up would be taken if one channel had its poles swapped, so the
    second one is turned round when the two move against each other.
    """
    import numpy as np

    together = sum(float(np.dot(block[0], block[1])) for _, block in audio.blocks())
    sign = 1 if together >= 0 else -1
    file = SampleFile()
    for _, block in audio.blocks():
        mixed = (block[0] + sign * block[1]) / 2
        file.append(np.clip(np.rint(mixed * 32768.0), -32768, 32767).astype("<i2").tobytes())
    return replace(audio, file=file, channels=1)


def listen(audio: Audio, channel: int, not_voice: Iterable[Span], threads: int) -> SharedLine:
    """Utterances of a shared channel, and who says each of them.

    Args:
        audio: The recording.
        channel: The channel.
        not_voice: Where tones or music are known to sound.
        threads: CPU threads.
    """
    frames = frames_of(audio, channel)
    excluded = tuple(not_voice)
    utterances = clipped(audio, spans_of(frames, excluded))
    try:
        separation = separate(
            audio,
            channel,
            utterances,
            clipped(audio, spans_of(frames, excluded, PIECES)),
            load_voiceprints(threads),
        )
    except VoiceprintsUnavailable as cause:
        return SharedLine(utterances, {}, None, (f"{_NOT_APART}，{cause}",))
    return _shared_line(utterances, separation)


def _shared_line(utterances: tuple[Span, ...], separation: Separation) -> SharedLine:
    if separation.voices != 2:
        warning = f"{_NOT_APART}，{_REASONS[separation.voices]}，角色未知"
        return SharedLine(utterances, {}, separation.voices, (warning,))
    speakers = {item.span: item for item in separation.spans}
    return SharedLine(tuple(speakers), speakers, 2)
