"""What reports read from the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from callaudit.calls import Outcome
from callaudit.store import schema
from callaudit.summary.calls import JudgedCall, RuleOutcome, RuleTitles

FETCH = 1000


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls; ``None`` does not restrict.

    Attributes:
        since: From this moment on, by the call's start (by first sight when that is not known).
        until: Before this moment.
        agent, team: Number and name.
        rulebook_sha256: Judged by this rulebook.
    """

    since: datetime | None = None
    until: datetime | None = None
    agent: str | None = None
    team: str | None = None
    rulebook_sha256: str | None = None


def judged_calls(connection: Connection, wanted: CallFilter) -> Iterator[JudgedCall]:
    """The current judgement of every recording that is wanted, in order of time."""
    sets, recordings = schema.verdict_sets.c, schema.recordings.c
    moment = func.coalesce(recordings.started_at, recordings.first_seen_at)
    query = (
        select(
            sets.id,
            recordings.call_id,
            recordings.sha256,
            recordings.path,
            schema.agents.c.number.label("agent"),
            schema.teams.c.name.label("team"),
            recordings.started_at,
            recordings.first_seen_at,
            recordings.duration_ms,
            sets.percent,
            sets.grade,
            sets.passed,
            sets.auto_failed,
            sets.violations,
            sets.reviews,
            sets.categories,
            sets.outcomes,
        )
        .select_from(schema.recordings)
        .join(schema.verdict_sets, sets.id == recordings.current_set_id)
        .outerjoin(schema.agents, schema.agents.c.id == recordings.agent_id)
        .outerjoin(schema.teams, schema.teams.c.id == recordings.team_id)
        .order_by(moment, recordings.id)
    )
    query = restricted(query, wanted)
    for row in connection.execution_options(yield_per=FETCH).execute(query):
        yield JudgedCall(
            set_id=row.id,
            call_id=row.call_id,
            recording_sha256=row.sha256,
            path=row.path,
            agent=row.agent,
            team=row.team,
            started_at=row.started_at,
            seen_at=row.first_seen_at,
            duration_ms=row.duration_ms,
            percent=row.percent,
            grade=row.grade,
            passed=row.passed,
            auto_failed=row.auto_failed,
            violations=row.violations,
            reviews=row.reviews,
            categories={name: (points, most) for name, (points, most) in row.categories.items()},
            outcomes=tuple(
                RuleOutcome(rule, Outcome(outcome), lost, most)
                for rule, outcome, lost, most in row.outcomes
            ),
        )


def restricted(query: Select[Any], wanted: CallFilter) -> Select[Any]:
    """A query over ``recordings`` (with agents, teams and the current set joined), narrowed."""
    recordings = schema.recordings.c
    moment = func.coalesce(recordings.started_at, recordings.first_seen_at)
    if wanted.since is not None:
        query = query.where(moment >= wanted.since)
    if wanted.until is not None:
        query = query.where(moment < wanted.until)
    if wanted.agent is not None:
        query = query.where(schema.agents.c.number == wanted.agent)
    if wanted.team is not None:
        query = query.where(schema.teams.c.name == wanted.team)
    if wanted.rulebook_sha256 is not None:
        query = query.where(schema.verdict_sets.c.rulebook_sha256 == wanted.rulebook_sha256)
    return query


def rule_titles(connection: Connection) -> RuleTitles:
    """Names of all rules and categories ever used; the newest rulebook has the last word."""
    rules: dict[str, str] = {}
    categories: dict[str, str] = {}
    rows = connection.execute(
        select(schema.rulebooks.c.titles, schema.rulebooks.c.categories).order_by(
            schema.rulebooks.c.first_seen_at.desc()
        )
    )
    for titles, named in rows:
        rules = {**rules, **{key: value for key, value in titles.items() if key not in rules}}
        categories = {
            **categories,
            **{key: value for key, value in named.items() if key not in categories},
        }
    return RuleTitles(rules, categories, _categories_of_rules(connection))


def _categories_of_rules(connection: Connection) -> dict[str, str]:
    """Where the rules that were broken belong; the latest judgement has the last word."""
    findings = schema.findings.c
    latest = func.max(findings.set_id)
    rows = connection.execute(
        select(findings.rule, findings.category)
        .group_by(findings.rule, findings.category)
        .order_by(latest)
    )
    return {row.rule: row.category for row in rows}
