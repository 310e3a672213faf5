"""The report of one call as one HTML file that needs nothing else, not even a network.

Everything that comes from outside (names, words, reasons) is escaped by the template, and the
page forbids every script but its own by hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from callaudit.calls import CallReport, Evidence, Outcome, Role, Utterance, Verdict
from callaudit.report.phrase_explained import Explanation
from callaudit.report.timeline_svg import LABEL_WIDTH, LANE_HEIGHT, WIDTH, draw_timeline
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
    precise_clock,
)

if TYPE_CHECKING:
    from jinja2 import Environment, Template

RING_RADIUS = 52
RING_LENGTH = 326.7  # 2 π · 52

SHOWN_SILENCE_MS = 8_000
"""Silences from this length on are written between the lines of the dialogue."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an utterance, and whether a violation quotes it."""

    text: str
    wrong: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One utterance of the dialogue and the silence before it, if it is long."""

    utterance: Utterance
    pieces: list[Piece]
    silence_ms: int | None


def render_call(
    report: CallReport,
    notes: RuleNotes | None = None,
    audio: str | None = None,
    explanation: Explanation | None = None,
) -> str:
    """The page of one call.

    Args:
        report: The call, already masked if it shall be.
        notes: Titles, clause texts and advice of the rulebook.
        audio: ``data:`` address of the sound; ``None`` for a page without a player.
        explanation: Why phrases count as said or missing.
    """
    notes = notes or RuleNotes()
    violations = sorted(report.violations, key=lambda verdict: not verdict.auto_fail)
    return render_page(
        "call.html",
        report=report,
        notes=notes,
        audio=audio,
        picture=draw_timeline(report),
        facts=facts(report),
        level=grade_level(report.scorecard),
        ring=_ring(report.scorecard.percent),
        violations=violations,
        review=[
            verdict
            for verdict in report.verdicts
            if verdict.outcome in (Outcome.UNCERTAIN, Outcome.ERROR)
        ],
        dialogue=_dialogue(report),
        categories=_categories(report, notes),
        why=explanation or Explanation(),
    )


def render_page(template: str, **values: Any) -> str:
    """Fills in a template of the package; the page carries its style and script itself.

    Templates end in ``.html``: only those are escaped.
    """
    script = _asset(template.replace(".html", ".js"))
    style = _asset("page.css")
    return _template(template).render(
        **values,
        script=script,
        style=style,
        policy=_policy(script, style),
    )


def _policy(script: str, style: str) -> str:
    """The page's own script and style by hash, sound and pictures from the page, nothing else."""
    script_source = f"'sha256-{_hash(script)}'" if script else "'none'"
    return (
        f"default-src 'none'; script-src {script_source}; style-src 'sha256-{_hash(style)}'; "
        "media-src data:; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


@cache
def _asset(name: str) -> str:
    path = resources.files("callaudit.report").joinpath("templates", name)
    return path.read_text("utf-8") if path.is_file() else ""


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("callaudit.report"),
        autoescape=select_autoescape(["html"], default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        clock=clock,
        precise=precise_clock,
        number=number,
        percent=percent,
        role=lambda role: ROLES[role],
        outcome=lambda outcome: OUTCOMES[outcome],
        method=lambda method: METHODS[method],
        # Only for the package's own style and script, whose hashes the page's policy names.
        own=Markup,
    )
    environment.globals.update(
        Role=Role,
        Outcome=Outcome,
        WIDTH=WIDTH,
        LABEL_WIDTH=LABEL_WIDTH,
        LANE_HEIGHT=LANE_HEIGHT,
        RING_RADIUS=RING_RADIUS,
        RING_LENGTH=RING_LENGTH,
        heard=_heard,
    )
    return environment


@cache
def _template(name: str) -> Template:
    return _environment().get_template(name)


def _ring(share: float | None) -> float:
    """Length of the coloured part of the ring around the score."""
    return round(RING_LENGTH * min(100.0, max(0.0, share or 0.0)) / 100, 1)


def _categories(report: CallReport, notes: RuleNotes) -> list[dict[str, Any]]:
    rows = []
    for name, score in report.scorecard.categories.items():
        share = score.points / score.points_max if score.points_max else None
        rows.append(
            {
                "title": notes.category(name),
                "points": score.points,
                "points_max": score.points_max,
                "share": None if share is None else round(100 * min(1.0, max(0.0, share)), 1),
                "level": (
                    "none"
                    if share is None
                    else "good"
                    if share >= 0.9
                    else "fair"
                    if share >= 0.6
                    else "bad"
                ),
            }
        )
    return rows


def _heard(evidence: Evidence) -> str:
    """What the report says of a place without words: how long it lasts."""
    return f"{(evidence.end_ms - evidence.start_ms) / 1000:.1f} 秒"


def _dialogue(report: CallReport) -> list[Line]:
    lines: list[Line] = []
    position = 0
    for utterance in report.timeline.utterances:
        silence = utterance.start_ms - position
        lines.append(
            Line(
                utterance,
                _pieces(utterance, report.violations),
                silence if lines and silence >= SHOWN_SILENCE_MS else None,
            )
        )
        position = max(position, utterance.end_ms)
    return lines


def _pieces(utterance: Utterance, violations: Iterable[Verdict]) -> list[Piece]:
    """Cuts an utterance where the quotes of violations begin and end."""
    wrong = [False] * len(utterance.text)
    for verdict in violations:
        for evidence in verdict.evidence:
            meets = evidence.start_ms < utterance.end_ms and utterance.start_ms < evidence.end_ms
            if not (evidence.quote and meets and evidence.role in (None, utterance.role)):
                continue
            start = utterance.text.find(evidence.quote)
            if start >= 0:
                wrong[start : start + len(evidence.quote)] = [True] * len(evidence.quote)
    pieces: list[Piece] = []
    for char, is_wrong in zip(utterance.text, wrong, strict=True):
        if pieces and pieces[-1].wrong == is_wrong:
            pieces[-1] = Piece(pieces[-1].text + char, is_wrong)
        else:
            pieces.append(Piece(char, is_wrong))
    return pieces
