"""Who is the agent, where nothing says it: stereo without metadata, and both sides on one channel.

    pip install -e '.[starter,mono]'
    python -m tests.benchmarks.roles [--every N] [--calls DIR] [--keep DIR] [--threads N]

Hears every synthetic sample call three times, each time without metadata: as it is, with its two
channels swapped, and mixed down to one channel (calls recorded in mono: as they are). A truth
utterance has the role that most of its time was given; time in which both people speak is left
out. What was given no text is "not heard" and has no role. A side whose channel is dead is not in
the recording and not counted.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from callaudit.audio.decode import read_recording
from callaudit.audio.samples import Audio, SampleFile
from callaudit.calls import CallMetadata, Role, Span, Transcript, merge_spans
from callaudit.phrases.matcher import Matcher
from callaudit.rulebook import load_rulebook
from callaudit.settings import load_settings
from callaudit.speech.models import find_model
from callaudit.speech.mono import mix_down
from callaudit.speech.recognise import Recogniser
from callaudit.speech.transcribe import Listener, prepare
from callaudit.transcript_file import dump_transcript, load_transcript
from tests.benchmarks.verdicts import CALLS, recordings

FORMS = ("stereo", "swapped", "mono")
ANSWERS = ("right", "wrong", "unknown", "not heard")
_BLOCK_MS = 60_000


@dataclass(frozen=True)
class Truth:
    """What is really said in a recording, and on which channel.

    Attributes:
        channel: ``None`` when both sides share one.
        alone: The parts of its time in which nobody else speaks; all of it if there are none.
    """

    role: Role
    channel: int | None
    alone: tuple[Span, ...]


@dataclass(frozen=True)
class Answered:
    """How one call fared in one form.

    Attributes:
        utterances: Answer of each truth utterance, in order.
        time_ms: By answer.
        transcript: What was heard.
    """

    call: str
    form: str
    utterances: tuple[str, ...]
    time_ms: Counter[str]
    transcript: Transcript

    @property
    def whole(self) -> str:
        """Of the call: wrong when most of what has a role has the wrong one."""
        counts = Counter(self.utterances)
        if not counts["right"] + counts["wrong"]:
            return "unknown"
        return "right" if counts["right"] >= counts["wrong"] else "wrong"


def swapped(audio: Audio) -> Audio:
    """The recording with left and right exchanged."""
    import numpy as np

    file = SampleFile()
    with os.fdopen(os.dup(file.fd), "wb") as stream:
        for _, block in audio.blocks():
            scaled = np.clip(np.rint(block[::-1].T * 32768.0), -32768, 32767)
            stream.write(scaled.astype("<i2").tobytes())
    return replace(audio, file=file)


def in_form(audio: Audio, form: str) -> Audio:
    """The recording as one of `FORMS`."""
    if form == "stereo" or audio.channels == 1:
        return audio
    return swapped(audio) if form == "swapped" else mix_down(audio)


def truth_of(expected: dict[str, Any], form: str) -> list[Truth]:
    """The utterances that are in the recording."""
    channels: dict[str, int | None] = {"agent": None, "customer": None}
    if form != "mono":
        agent = int((expected["agent_channel"] == "right") != (form == "swapped"))
        channels = {"agent": agent, "customer": 1 - agent}
    dead = expected["layout"].removeprefix("dead-")
    said = [item for item in expected["utterances"] if item["role"] != dead]
    spans = [Span(item["start_ms"], item["end_ms"]) for item in said]
    return [
        Truth(
            Role(item["role"]),
            channels[item["role"]],
            tuple(_without(span, (one for one in spans if one is not span))) or (span,),
        )
        for item, span in zip(said, spans, strict=True)
    ]


def _without(span: Span, others: Iterable[Span]) -> Iterator[Span]:
    """The parts of a span in which none of the others is."""
    start_ms = span.start_ms
    for other in merge_spans(one for one in others if one.overlaps(span)):
        if other.start_ms > start_ms:
            yield Span(start_ms, other.start_ms)
        start_ms = max(start_ms, other.end_ms)
    if start_ms < span.end_ms:
        yield Span(start_ms, span.end_ms)


def answers(truth: Truth, transcript: Transcript) -> Counter[str]:
    """How long which answer was given during a truth utterance, ms."""
    times: Counter[str] = Counter()
    for one in transcript.utterances:
        if truth.channel in (None, one.channel):
            answer = "unknown" if one.role == Role.UNKNOWN else "wrong"
            times["right" if one.role == truth.role else answer] += sum(
                part.overlap_ms(Span(one.start_ms, one.end_ms)) for part in truth.alone
            )
    length_ms = sum(part.duration_ms for part in truth.alone)
    times["not heard"] = max(0, length_ms - times.total())
    return times


def compare(call: str, form: str, truths: Sequence[Truth], transcript: Transcript) -> Answered:
    """Compares what was heard with the truth."""
    times = [answers(truth, transcript) for truth in truths]
    best = tuple(
        max(ANSWERS[:3], key=lambda answer: one[answer])
        if one.total() > one["not heard"]
        else "not heard"
        for one in times
    )
    return Answered(call, form, best, sum(times, Counter()), transcript)


def hear(listener: Listener, audio: Audio, threads: int, kept: Path | None) -> Transcript:
    """Hears a recording of which nothing is known; with ``kept``, the transcript is reused."""
    if kept is not None and kept.is_file():
        return load_transcript(kept.read_bytes())
    [transcript] = listener.transcribe([prepare(audio, CallMetadata(), threads=threads)])
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(dump_transcript(transcript))
    return transcript


def summary(results: Sequence[Answered]) -> Table:
    """A line per form and measure."""
    table = Table("form", "by", "all", *ANSWERS)
    for form in FORMS:
        own = [one for one in results if one.form == form]
        calls = Counter(one.whole for one in own)
        spoken = Counter(answer for one in own for answer in one.utterances)
        time_ms: Counter[str] = sum((one.time_ms for one in own), Counter())
        for name, counts, scale in (
            ("call", calls, 1),
            ("utterance", spoken, 1),
            ("speech time, s", time_ms, 1000),
        ):
            shares = [f"{counts[answer] / max(1, counts.total()):.1%}" for answer in ANSWERS]
            table.add_row(form, name, str(round(counts.total() / scale)), *shares)
    return table


def print_misses(console: Console, results: Iterable[Answered]) -> None:
    """What went wrong, call by call."""
    for one in results:
        counts = Counter(one.utterances)
        if counts["right"] == counts.total():
            continue
        console.print(
            f"{one.form:8}{one.call:22}"
            + ", ".join(f"{counts[answer]} {answer}" for answer in ANSWERS if counts[answer])
            + f"  ({one.transcript.role_source}, {one.transcript.role_confidence})",
            markup=False,
        )
        missed = [number for number, answer in enumerate(one.utterances) if answer != "right"]
        if counts["right"]:
            console.print(f"        utterances {missed}", markup=False)
        for warning in one.transcript.warnings:
            if "角色" in warning:
                console.print(f"        {warning}", markup=False)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="only every nth call")
    parser.add_argument("--calls", type=Path, default=CALLS)
    parser.add_argument("--keep", type=Path, help="keep transcripts here and reuse them")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    settings = load_settings()
    files = find_model(settings.model, settings.cache)
    # Roles come before the confirmation by sound, which is left out: hence no weights.
    listener = Listener(
        Recogniser(files, threads=arguments.threads),
        Matcher(load_rulebook(settings.rulebook).phrasebook, settings.cache),
        None,
    )
    results = []
    for name, recording in list(recordings(arguments.calls).items())[:: arguments.every]:
        text = (arguments.calls / f"{name}.expected.json").read_text(encoding="utf-8")
        expected = json.loads(text)
        audio = read_recording(recording)
        for form in FORMS if audio.channels == 2 else ("mono",):
            kept = arguments.keep and arguments.keep / f"{name}.{form}.json"
            transcript = hear(listener, in_form(audio, form), arguments.threads, kept)
            results.append(compare(name, form, truth_of(expected, form), transcript))

    console = Console()
    console.print(summary(results))
    print_misses(console, results)


if __name__ == "__main__":
    main()
