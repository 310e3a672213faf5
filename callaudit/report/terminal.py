"""The report of one call for a terminal: scorecard, violations, what to review, the dialogue.

Everything is built from `rich` renderables, so it fits any width and loses only its colour when
the output is not a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.panel import Panel
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from callaudit.calls import CallReport, Evidence, Outcome, Role, Utterance, Verdict
from callaudit.report.phrase_explained import Explanation
from callaudit.report.terminal_explained import LEGEND, Explaining, other_phrases
from callaudit.report.wording import (
    METHODS,
    OUTCOMES,
    ROLES,
    RuleNotes,
    clock,
    facts,
    grade_level,
    number,
    percent,
)

BAR_CELLS = 20
LONGEST_QUOTE = 60
GRADE_STYLES = {"good": "bold green", "fair": "bold yellow", "bad": "bold red", "none": "bold"}
ROLE_STYLES = {Role.AGENT: "cyan", Role.CUSTOMER: "magenta", Role.UNKNOWN: "dim"}


def print_report(
    report: CallReport,
    console: Console,
    notes: RuleNotes | None = None,
    *,
    dialogue: bool = True,
    explanation: Explanation | None = None,
) -> None:
    """Prints the report of one call.

    Args:
        report: The call, already masked if it shall be.
        console: Where to; its width is kept to.
        notes: Titles and advice of the rulebook.
        dialogue: Whether the transcript is printed as well.
        explanation: Why phrases count as said or missing, if that shall be printed.
    """
    notes = notes or RuleNotes()
    why = explanation or Explanation()
    parts = [_headline(report, notes)]
    if explanation is not None:
        parts.append(Text(LEGEND, style="dim"))
    parts.append(_violations(report, notes, why))
    review = _review(report, why)
    if review is not None:
        parts.append(review)
    if why.others:
        parts.append(other_phrases(why))
    if dialogue:
        parts.append(_dialogue(report))
    parts.append(_provenance(report))
    console.print(Harmless(Group(*parts)))


# Everything below space but the line break, the C1 controls, and what turns text around.
_CONTROLS = dict.fromkeys(
    [*range(10), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)


@dataclass(frozen=True)
class Harmless:
    """Drops control characters: file names, agents' names and transcripts come from outside."""

    content: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.content, options):
            yield Segment(segment.text.translate(_CONTROLS), segment.style, segment.control)


def _headline(report: CallReport, notes: RuleNotes) -> RenderableType:
    scorecard = report.scorecard
    style = GRADE_STYLES[grade_level(scorecard)]
    verdict = Text()
    verdict.append(f" {scorecard.grade or '无法评分'} ", style=f"{style} reverse")
    verdict.append(f"  {percent(scorecard.percent)}", style=style)
    verdict.append(f"  {number(scorecard.points)}/{number(scorecard.points_max)} 分")
    fails = len(report.violations)
    verdict.append("  违规 ", style="dim")
    verdict.append(f"{fails} 项", style="bold red" if fails else "green")
    verdict.append("  待复核 ", style="dim")
    verdict.append(
        f"{len(scorecard.review)} 项", style="bold yellow" if scorecard.review else "green"
    )
    known = Text()
    for label, value in facts(report):
        known.append(f"{label} ", style="dim")
        known.append(f"{value}  ")
    parts: list[RenderableType] = [verdict, known]
    titles = {verdict.rule: verdict.title for verdict in report.verdicts}
    if scorecard.auto_failed_by:
        names = "、".join(titles.get(rule, rule) for rule in scorecard.auto_failed_by)
        parts.append(Text(f"一票否决：{names}", style="bold red"))
    parts.extend(
        Text(f"注意：{warning}", style="yellow") for warning in report.timeline.transcript.warnings
    )
    parts.append(Text())
    parts.append(_categories(report, notes))
    return Panel(
        Group(*parts), title=Text(f"通话 {report.call_id}", style="bold"), title_align="left"
    )


def _categories(report: CallReport, notes: RuleNotes) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column("分类", no_wrap=True)
    table.add_column("得分", justify="right", no_wrap=True)
    table.add_column("图", no_wrap=True)
    for name, score in report.scorecard.categories.items():
        if not score.points_max:
            table.add_row(notes.category(name), Text("未评", style="dim"), "")
            continue
        share = max(0.0, min(1.0, score.points / score.points_max))
        filled = round(share * BAR_CELLS)
        colour = "green" if share >= 0.9 else "yellow" if share >= 0.6 else "red"
        bar = Text("█" * filled, style=colour) + Text("░" * (BAR_CELLS - filled), style="dim")
        table.add_row(
            notes.category(name), f"{number(score.points)}/{number(score.points_max)}", bar
        )
    return table


def _violations(report: CallReport, notes: RuleNotes, why: Explanation) -> RenderableType:
    if not report.violations:
        decided = sum(1 for verdict in report.verdicts if verdict.decided)
        if not decided:
            return Text("没有可以判定的规则，本次通话未评分。", style="yellow")
        return Text(f"没有发现违规（已判定 {decided} 条规则）。", style="green")
    return Group(
        Text(f"违规 {len(report.violations)} 项", style="bold red"),
        *(
            _violation(verdict, notes, why)
            for verdict in sorted(report.violations, key=lambda verdict: not verdict.auto_fail)
        ),
        Text(),
    )


def _violation(verdict: Verdict, notes: RuleNotes, why: Explanation) -> RenderableType:
    head = Text("✗ ", style="red")
    head.append(verdict.title or verdict.rule, style="bold")
    head.append(f"  {_clauses(verdict)}", style="dim")
    if verdict.experimental:
        head.append("  试行，不计分", style="dim")
    else:
        lost = number(verdict.points_lost or 0)
        head.append(f"  扣 {lost}/{number(verdict.points_max)} 分", style="red")
    if verdict.auto_fail:
        head.append("  一票否决", style="bold red")
    lines: list[RenderableType] = [head, _indented(Text(verdict.reason), 2)]
    for item in verdict.evidence:
        lines += _explained_evidence(verdict, item, why)
    coaching = notes.coaching.get(verdict.rule)
    if coaching:
        lines.append(_indented(_labelled("建议", Text(coaching, style="italic")), 2))
    return Group(*lines)


def _evidence(evidence: Evidence) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    span = Text(f"{clock(evidence.start_ms)}–{clock(evidence.end_ms)}", style="bold")
    who = ROLES[evidence.role] if evidence.role else ""
    if evidence.quote:
        heard = Text(f"「{_shortened(evidence.quote)}」", style="red")
        if evidence.score is not None and evidence.method != "exact":
            heard.append(f" {METHODS[evidence.method]} {evidence.score:.2f}", style="dim")
        table.add_row(span, f"{who}说", heard)
    else:
        seconds = (evidence.end_ms - evidence.start_ms) / 1000
        table.add_row(span, who, Text(f"{seconds:.1f} 秒"))
    if evidence.prescribed:
        table.add_row("", "应说", Text(f"「{evidence.prescribed}」", style="green"))
    return table


def _explained_evidence(
    verdict: Verdict, evidence: Evidence, why: Explanation
) -> Iterator[RenderableType]:
    yield _indented(_evidence(evidence), 2)
    explained = why.of(verdict.rule, evidence)
    if explained is not None:
        yield _indented(Explaining(explained), 4)


def _shortened(quote: str) -> str:
    """A window without the prescribed words is quoted whole; the dialogue shows the rest."""
    if len(quote) <= LONGEST_QUOTE:
        return quote
    return quote[: LONGEST_QUOTE - 1] + "…"


def _review(report: CallReport, why: Explanation) -> RenderableType | None:
    asked = [
        verdict
        for verdict in report.verdicts
        if verdict.outcome in (Outcome.UNCERTAIN, Outcome.ERROR)
        or (verdict.rule in report.scorecard.review and verdict.outcome != Outcome.FAIL)
    ]
    if not asked:
        return None
    lines: list[RenderableType] = [Text(f"需要人工复核 {len(asked)} 项", style="bold yellow")]
    for verdict in asked:
        head = Text("? ", style="yellow")
        head.append(verdict.title or verdict.rule, style="bold")
        head.append(f"  {_clauses(verdict)}  {OUTCOMES[verdict.outcome]}", style="dim")
        lines += [head, _indented(Text(verdict.reason), 2)]
        for item in verdict.evidence:
            if item.end_ms > 0:
                lines += _explained_evidence(verdict, item, why)
    return Group(*lines, Text())


def _dialogue(report: CallReport) -> RenderableType:
    utterances = report.timeline.utterances
    if not utterances:
        return Text("没有听到说话。", style="yellow")
    wrong = [
        evidence for verdict in report.violations for evidence in verdict.evidence if evidence.quote
    ]
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True)
    table.add_column()
    for utterance in utterances:
        table.add_row(
            clock(utterance.start_ms),
            Text(ROLES[utterance.role], style=ROLE_STYLES[utterance.role]),
            _words(utterance, wrong),
        )
    note = "（灰色：没有听清）" if any(not item.trusted for item in utterances) else ""
    return Group(Text.assemble(("对话", "bold"), (note, "dim")), table, Text())


def _words(utterance: Utterance, wrong: list[Evidence]) -> Text:
    text = Text(utterance.text, style="" if utterance.trusted else "dim")
    for evidence in wrong:
        meets = evidence.start_ms < utterance.end_ms and utterance.start_ms < evidence.end_ms
        if meets and evidence.role in (None, utterance.role):
            start = utterance.text.find(evidence.quote)
            if start >= 0:
                text.stylize("bold red", start, start + len(evidence.quote))
    return text


def _provenance(report: CallReport) -> Text:
    made = report.provenance
    model = f"{made.model.name}（{made.model.compute_type}）" if made.model else "无（给定转写）"
    return Text(
        f"规则书 {made.rulebook_id} {made.rulebook_version} · {made.rulebook_sha256[:12]}  "
        f"模型 {model}  callaudit {made.callaudit}",
        style="dim",
    )


def _labelled(label: str, content: Text) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    table.add_row(label, content)
    return table


def _clauses(verdict: Verdict) -> str:
    return "第 " + "、".join(verdict.clauses) + " 条" if verdict.clauses else ""


def _indented(renderable: RenderableType, cells: int) -> Padding:
    return Padding(renderable, (0, 0, 0, cells))
