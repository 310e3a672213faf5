from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from example_calls import METADATA, make_report, make_transcript, renamed
from sqlalchemy import func, select

from callaudit.calls import CallReport, Outcome
from callaudit.store import schema
from callaudit.store.connection import Store
from callaudit.store.judgements import (
    RulebookRecord,
    find_judgement,
    judgement_sha256,
    remember_rulebook,
)
from callaudit.store.queries import CallFilter, judged_calls, rule_titles
from callaudit.store.records import find_transcript, load_report, save_call

HEARD = "e" * 64
RULEBOOK = RulebookRecord(
    "c" * 64,
    "heating-hotline",
    "1",
    titles={"ring-limit": "四声铃响内接听", "forbidden-blame": "不推卸责任"},
    categories={"opening": "开场", "hold": "等待"},
)


def save(store: Store, report: CallReport, rulebook: RulebookRecord = RULEBOOK) -> int:
    with store.writing() as connection:
        remember_rulebook(connection, rulebook)
        return save_call(connection, report, HEARD, rulebook).id


def count(store: Store, table: object) -> int:
    with store.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())  # type: ignore[arg-type]


def numbered(number: int, **fields: str) -> CallReport:
    """A call with a recording of its own."""
    report = make_report(transcript=make_transcript(sha256=f"{number:064x}"), call_id=f"c{number}")
    return renamed(report, **fields)


def test_report_comes_back_whole(store: Store, call_report: CallReport) -> None:
    set_id = save(store, call_report)
    with store.reading() as connection:
        assert load_report(connection, set_id) == call_report
        with pytest.raises(KeyError):
            load_report(connection, set_id + 1)


def test_saving_twice_changes_nothing(store: Store, call_report: CallReport) -> None:
    assert save(store, call_report) == save(store, call_report)
    for table in (schema.recordings, schema.transcripts, schema.verdict_sets, schema.rulebooks):
        assert count(store, table) == 1
    assert count(store, schema.findings) == 3


def test_what_was_done_is_found_by_everything_that_decides_it(
    store: Store, call_report: CallReport
) -> None:
    save(store, call_report)
    sha256 = call_report.timeline.transcript.recording.sha256
    exact = (sha256, HEARD, RULEBOOK.sha256, METADATA)
    with store.reading() as connection:
        found = find_judgement(connection, *exact)
        assert found is not None
        assert found.content_sha256 == judgement_sha256(call_report)
        for place, other in enumerate(
            ["0" * 64, "0" * 64, "0" * 64, replace(METADATA, ring_count=5)]
        ):
            changed = [*exact]
            changed[place] = other
            assert find_judgement(connection, *changed) is None  # type: ignore[arg-type]
        assert find_transcript(connection, sha256, HEARD) == call_report.timeline.transcript
        assert find_transcript(connection, sha256, "0" * 64) is None


def test_new_rulebook_adds_a_judgement_and_becomes_current(
    store: Store, call_report: CallReport
) -> None:
    old = save(store, call_report)
    other = replace(RULEBOOK, sha256="f" * 64, version="2")
    judged = replace(
        make_report(rulebook_sha256="f" * 64),
        verdicts=call_report.verdicts[:2],
    )
    new = save(store, judged, other)
    assert new != old
    assert count(store, schema.recordings) == count(store, schema.transcripts) == 1
    with store.reading() as connection:
        assert [call.set_id for call in judged_calls(connection, CallFilter())] == [new]
        assert load_report(connection, old).verdicts == call_report.verdicts
    # Going back to the first rulebook makes its judgement current again, without a new one.
    assert save(store, call_report) == old
    with store.reading() as connection:
        assert [call.set_id for call in judged_calls(connection, CallFilter())] == [old]


def test_nothing_of_a_call_is_kept_when_its_transaction_fails(
    store: Store, call_report: CallReport
) -> None:
    with pytest.raises(ZeroDivisionError), store.writing() as connection:
        remember_rulebook(connection, RULEBOOK)
        save_call(connection, call_report, HEARD, RULEBOOK)
        raise ZeroDivisionError
    for table in schema.metadata.sorted_tables:
        assert count(store, table) == 0


def test_judged_call_has_what_reports_need(store: Store, call_report: CallReport) -> None:
    save(store, call_report)
    with store.reading() as connection:
        (call,) = judged_calls(connection, CallFilter())
        titles = rule_titles(connection)
    assert (call.agent, call.team, call.percent, call.grade) == ("027", "一班", 55.0, "不合格")
    assert call.passed is False
    assert (call.violations, call.reviews, call.auto_failed) == (2, 1, False)
    assert call.categories["hold"] == (2, 6)
    assert call.started_at == METADATA.started_at
    assert [item.outcome for item in call.outcomes][2] == Outcome.FAIL
    assert titles.categories == {"opening": "开场", "hold": "等待"}
    assert titles.category_of == {
        "hold-reassurance": "hold",
        "forbidden-blame": "forbidden",
        "answer-check": "handling",
    }


def test_filters(store: Store) -> None:
    save(store, numbered(1, agent_id="027", team="一班"))
    save(store, numbered(2, agent_id="031", team="二班"))
    late = numbered(3, agent_id="031", team="二班")
    late = replace(
        late,
        timeline=replace(
            late.timeline,
            metadata=replace(late.timeline.metadata, started_at=datetime(2026, 2, 1, tzinfo=UTC)),
        ),
    )
    save(store, late)

    def found(**wanted: object) -> list[str]:
        with store.reading() as connection:
            return [c.call_id for c in judged_calls(connection, CallFilter(**wanted))]  # type: ignore[arg-type]

    assert found() == ["c1", "c2", "c3"]
    assert found(agent="031") == ["c2", "c3"]
    assert found(team="一班") == ["c1"]
    assert found(since=datetime(2026, 2, 1, tzinfo=UTC)) == ["c3"]
    assert found(until=datetime(2026, 2, 1, tzinfo=UTC)) == ["c1", "c2"]
    assert found(rulebook_sha256="0" * 64) == []


def test_agent_belongs_to_the_team_of_the_latest_call(store: Store) -> None:
    save(store, numbered(1, agent_id="027", team="一班"))
    save(store, numbered(2, agent_id="027", team="三班"))
    with store.reading() as connection:
        teams = connection.execute(
            select(schema.teams.c.name).join(
                schema.agents, schema.agents.c.team_id == schema.teams.c.id
            )
        ).scalars()
        assert list(teams) == ["三班"]


def test_moments_keep_their_meaning_and_need_a_zone(store: Store) -> None:
    with store.reading() as connection:
        pass
    save(store, numbered(1))
    with store.reading() as connection:
        row = connection.execute(select(schema.recordings)).one()
    assert row.started_at == METADATA.started_at
    assert row.started_at.utcoffset() == timedelta(0)
    with pytest.raises(ValueError, match="zone"):
        schema.UtcDateTime().process_bind_param(datetime(2026, 1, 1), store.engine.dialect)
