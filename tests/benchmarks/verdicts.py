"""Intended and actual verdicts of the synthetic sample calls, heard by the real recogniser.

    python -m tests.benchmarks.verdicts [--calls DIR] [--keep DIR] [--misses] [--true-words]

Prints, per rule, how often each outcome was intended and found, and the shares that matter:
verdicts as intended, false failures, false auto-fails, uncertain where a decision was intended.
With ``--true-words`` the words that were really said are judged instead of those recognised: what
is wrong then is due to wordings and rules, the rest to hearing.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from callaudit.audit import AuditOptions, Auditor
from callaudit.calls import CallMetadata, CallReport, Outcome, Role, Span, Transcript, Utterance
from callaudit.metadata import read_sidecar
from callaudit.rulebook import load_rulebook
from callaudit.settings import load_settings
from callaudit.transcript_file import dump_transcript, load_transcript

CALLS = Path(__file__).parents[2] / "samples" / "calls"
SHORT = {
    Outcome.PASS: "pass",
    Outcome.FAIL: "fail",
    Outcome.NOT_APPLICABLE: "n/a",
    Outcome.UNCERTAIN: "unc",
    Outcome.ERROR: "error",
}


@dataclass(frozen=True)
class Judged:
    """One verdict of one call beside the intended one."""

    call: str
    rule: str
    intended: Outcome
    found: Outcome
    reason: str
    auto_fail: bool


def recordings(folder: Path) -> dict[str, Path]:
    """Recordings by name, of the calls whose intended verdicts are known."""
    found = {}
    for expected in sorted(folder.glob("*.expected.json")):
        name = expected.name.removesuffix(".expected.json")
        found[name] = next(
            path
            for path in sorted(folder.glob(f"{name}.*"))
            if path.suffix != ".json" and path.stem == name
        )
    return found


def hear(
    auditor: Auditor, recording: Path, metadata: CallMetadata, keep: Path | None
) -> Transcript:
    """Transcribes a recording; with ``keep``, the transcript is written there and reused."""
    kept = None if keep is None else keep / f"{recording.stem}.json"
    if kept is not None and kept.is_file():
        return load_transcript(kept.read_bytes())
    transcript = auditor.transcribe(recording, metadata)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(dump_transcript(transcript))
    return transcript


def in_true_words(transcript: Transcript, expected: dict[str, Any]) -> Transcript:
    """The same call with what was really said wherever a voice of that role was heard at all."""
    channels = {voice.role: voice.channel for voice in transcript.voice}
    voices = [(voice.role, voice.span) for voice in transcript.voice]
    said = [
        (Role(one["role"]), Span(one["start_ms"], one["end_ms"]), one["text"])
        for one in sorted(expected["utterances"], key=lambda one: int(one["start_ms"]))
    ]
    audible = [
        (role, span, text)
        for role, span, text in said
        if any(role == other and span.overlaps(voice) for other, voice in voices)
    ]
    utterances = tuple(
        Utterance(number, role, channels[role], span.start_ms, span.end_ms, text, 1.0)
        for number, (role, span, text) in enumerate(audible)
    )
    return replace(transcript, utterances=utterances, acoustic=())


def intended(expected: dict[str, Any], report: CallReport) -> dict[str, str]:
    """Intended verdicts; of a listener who cannot tell the speakers apart, where that is so."""
    if report.timeline.roles_known:
        return dict(expected["verdicts"])
    return dict(expected.get("verdicts_without_roles", expected["verdicts"]))


def compare(report: CallReport, name: str, expected: dict[str, str]) -> list[Judged]:
    """The verdicts for which there is an intention."""
    return [
        Judged(
            name,
            verdict.rule,
            Outcome(expected[verdict.rule]),
            verdict.outcome,
            verdict.reason,
            verdict.auto_fail,
        )
        for verdict in report.verdicts
        if verdict.rule in expected
    ]


def confusion(judged: list[Judged]) -> Table:
    """Per rule: intended outcome → found outcome, with counts."""
    by_rule: dict[str, Counter[tuple[Outcome, Outcome]]] = defaultdict(Counter)
    for item in judged:
        by_rule[item.rule][item.intended, item.found] += 1
    table = Table("rule", "as intended", "otherwise (intended → found)")
    for rule, counts in by_rule.items():
        right = sum(count for (a, b), count in counts.items() if a == b)
        wrong = ", ".join(
            f"{SHORT[a]} → {SHORT[b]} × {count}"
            for (a, b), count in sorted(counts.items())
            if a != b
        )
        table.add_row(rule, f"{right}/{counts.total()}", wrong)
    return table


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=Path, default=CALLS)
    parser.add_argument("--keep", type=Path, help="keep transcripts here and reuse them")
    parser.add_argument(
        "--misses",
        action="store_true",
        help="print every miss with its reason and the call as it was heard",
    )
    parser.add_argument(
        "--true-words",
        action="store_true",
        help="judge what was really said, not what was recognised",
    )
    arguments = parser.parse_args()

    settings = load_settings()
    options = AuditOptions.from_settings(settings)
    auditor = Auditor(load_rulebook(settings.rulebook), options, settings.cache)
    judged: list[Judged] = []
    heard: dict[str, str] = {}
    for name, recording in recordings(arguments.calls).items():
        text = (arguments.calls / f"{name}.expected.json").read_text(encoding="utf-8")
        expected = json.loads(text)
        metadata = read_sidecar(recording.with_suffix(".json")).metadata
        transcript = hear(auditor, recording, metadata, arguments.keep)
        if arguments.true_words and Role.UNKNOWN not in {v.role for v in transcript.voice}:
            transcript = in_true_words(transcript, expected)
        report = auditor.judge(transcript, metadata, metadata.call_id or name)
        judged += compare(report, name, intended(expected, report))
        heard[name] = "\n".join(
            f"  {one.start_ms / 1000:6.1f} {one.role.value:9}{one.text}"
            for one in report.timeline.utterances
        )

    console = Console()
    console.print(confusion(judged))
    total = len(judged)
    right = sum(item.intended == item.found for item in judged)
    false_fail = sum(item.found == Outcome.FAIL != item.intended for item in judged)
    invented_pass = sum(item.found == Outcome.PASS != item.intended for item in judged)
    false_auto = sum(
        item.found == Outcome.FAIL != item.intended and item.auto_fail for item in judged
    )
    unsure = sum(item.found == Outcome.UNCERTAIN != item.intended for item in judged)
    console.print(
        f"{len({item.call for item in judged})} synthetic calls, {total} verdicts: "
        f"{right / total:.1%} as intended, {false_fail / total:.1%} false fail, "
        f"{invented_pass / total:.1%} invented pass, {unsure / total:.1%} uncertain instead of "
        f"a decision, {false_auto} false auto-fails"
    )
    if arguments.misses:
        print_misses(console, judged, heard)


def print_misses(console: Console, judged: list[Judged], heard: dict[str, str]) -> None:
    """Every miss with its reason, and below what was heard in that call."""
    missed: dict[str, list[Judged]] = defaultdict(list)
    for item in judged:
        if item.intended != item.found:
            missed[item.call].append(item)
    for call, items in missed.items():
        console.rule(call)
        for item in items:
            change = f"{item.rule}: {SHORT[item.intended]} → {SHORT[item.found]}"
            console.print(f"{change}  {item.reason}", markup=False)
        console.print(heard[call], markup=False, highlight=False)


if __name__ == "__main__":
    main()
