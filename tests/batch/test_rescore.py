from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from example_calls import words_of
from sqlalchemy import select, update

from callaudit.audit import AuditOptions, Auditor
from callaudit.batch.rescore import Progress, Rescoring, rescore
from callaudit.batch.retranscribe import still_there
from callaudit.calls import CallMetadata, Outcome, Recording
from callaudit.metadata import SHANGHAI
from callaudit.rulebook import Rulebook, load_rulebook
from callaudit.rulebook.dialogue import parse_dialogue
from callaudit.store import schema
from callaudit.store.connection import Store
from callaudit.store.judgements import RulebookRecord, judgement_sha256, remember_rulebook
from callaudit.store.queries import CallFilter
from callaudit.store.records import load_report, save_call
from callaudit.store.rejudging import heard_by_others
from callaudit.store.runs import list_runs

CACHE = Path(os.environ.get("CALLAUDIT_CACHE", "/tmp/callaudit-test-cache"))
POLITE = """坐席 您好，热电集团，工号零二七，请问有什么可以帮您？
客户 我家暖气不热。
坐席 您家住在哪个小区？
客户 海棠湾九号楼三单元一六零一，我叫王建国。
坐席 请问还有什么需要帮您？
客户 没有了。
坐席 谢谢您的电话，再见！
"""
RUDE = POLITE.replace("您家住在哪个小区？", "我也没办法！")
CHUNK = 8
STARTED = datetime(2026, 1, 12, 9, tzinfo=SHANGHAI)
CHEAPER = "change:\n  forbidden-blame: {points: 1}\n"
"""Nothing but points of one rule."""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callaudit.batch.rescore.CHUNK", CHUNK)


@cache
def shipped() -> Rulebook:
    return load_rulebook(None, CACHE)


def changed(folder: Path, changes: str, name: str = "what-if") -> Rulebook:
    """The shipped rulebook with changes."""
    path = folder / f"{name}.yaml"
    path.write_text(
        "schema: callaudit.rulebook/1\nextends: heating_hotline\n"
        f'id: {name}\nversion: "2"\n{changes}',
        encoding="utf-8",
    )
    return load_rulebook(path, CACHE)


@pytest.fixture
def cheaper(tmp_path: Path) -> Rulebook:
    return changed(tmp_path, CHEAPER)


def fill(store: Store, calls: int = 4) -> None:
    """Judged calls: odd ones are rude, by two agents of two teams, one call a day."""
    auditor = Auditor(shipped(), AuditOptions(), CACHE)
    record = RulebookRecord.of(shipped())
    reports = [auditor.judge(heard(text), CallMetadata(), "x") for text in (POLITE, RUDE)]
    with store.writing() as connection:
        remember_rulebook(connection, record)
        for number in range(calls):
            report = reports[number % 2]
            metadata = CallMetadata(
                agent_id=f"{number % 2:03}",
                team="一班" if number % 2 else "二班",
                started_at=STARTED + timedelta(days=number),
            )
            recording = Recording(f"calls/c{number}.wav", f"{number:064x}", 60_000, 8000, 2)
            transcript = replace(report.timeline.transcript, recording=recording)
            timeline = replace(report.timeline, transcript=transcript, metadata=metadata)
            one = auditor.report(timeline, f"c{number:03}")
            save_call(connection, one, "e" * 64, record)


@cache
def heard(text: str):  # type: ignore[no-untyped-def]
    transcript = parse_dialogue(text)
    utterances = tuple(
        replace(one, words=words_of(one.text, one.start_ms, one.end_ms), confidence=0.9)
        for one in transcript.utterances
    )
    return replace(transcript, utterances=utterances)


def run(store: Store, rulebook: Rulebook, **options: object):  # type: ignore[no-untyped-def]
    values = {"wanted": CallFilter(), **options}
    return rescore(store, Rescoring(rulebook, CACHE, **values))  # type: ignore[arg-type]


def current(store: Store) -> dict[str, str]:
    """Hash of the current judgement by call."""
    with store.reading() as connection:
        rows = connection.execute(
            select(schema.recordings.c.call_id, schema.verdict_sets.c.content_sha256).join(
                schema.verdict_sets,
                schema.verdict_sets.c.id == schema.recordings.c.current_set_id,
            )
        )
        return {row.call_id: row.content_sha256 for row in rows}


def from_scratch(store: Store, rulebook: Rulebook) -> dict[str, str]:
    """What judging every stored call anew would give, with nothing kept."""
    auditor = Auditor(rulebook, AuditOptions(), CACHE)
    hashes = {}
    with store.reading() as connection:
        for set_id in connection.execute(select(schema.recordings.c.current_set_id)).scalars():
            report = load_report(connection, set_id)
            timeline = report.timeline
            again = auditor.judge(timeline.transcript, timeline.metadata, report.call_id)
            hashes[report.call_id] = judgement_sha256(again)
    return hashes


@pytest.mark.parametrize(
    ("changes", "searched"),
    [
        (CHEAPER, 0),
        ("change:\n  forbidden-blame: {status: off}\n", 0),
        ("grades: [{name: 好, at_least: 99}, {name: 差, at_least: 0}]\n", 0),
        ("holds: {silent_seconds: 3}\n", 0),
        ("site: site.yaml\n", 4),
    ],
)
def test_rescoring_is_what_judging_from_scratch_would_be(
    store: Store, tmp_path: Path, changes: str, searched: int
) -> None:
    (tmp_path / "site.yaml").write_text("company_names: [供热公司]\n", encoding="utf-8")
    rulebook = changed(tmp_path, changes)
    fill(store)
    wanted = from_scratch(store, rulebook)
    progress, _ = run(store, rulebook)
    assert (progress.judged, progress.searched, progress.failed) == (4, searched, [])
    assert current(store) == wanted


def test_what_if_tells_what_then_happens_and_writes_nothing(
    store: Store, cheaper: Rulebook
) -> None:
    fill(store, 6)
    before = current(store)
    progress, foreseen = run(store, cheaper, dry=True)
    assert progress.judged == 6
    assert current(store) == before
    with store.reading() as connection:
        assert list_runs(connection) == []
    _, happened = run(store, cheaper)
    assert happened == foreseen
    assert current(store) != before


def test_changes_are_told_by_rule_team_and_agent_with_examples(
    store: Store, cheaper: Rulebook
) -> None:
    fill(store, 6)
    _, changes = run(store, cheaper, dry=True)
    (rule,) = changes.rules
    assert rule.rule == "forbidden-blame"
    assert [(move.old, move.new, move.calls) for move in rule.moves if move.old == "fail"] == [
        ("fail", "fail", 3)
    ]
    example = rule.moves[0].examples[0]
    assert example.call.call_id == "c001"
    assert "没办法" in example.verdict.new_reason
    assert (example.verdict.old_lost or 0) > (example.verdict.new_lost or 0)
    assert [(group.key, group.calls, group.changed) for group in changes.teams] == [
        ("一班", 3, 3),
        ("二班", 3, 0),
    ]
    assert [(group.key, group.changed) for group in changes.agents] == [("000", 0), ("001", 3)]
    assert changes.total.calls == 6


def test_other_points_of_a_kept_rule_change_scores_but_no_verdict(
    store: Store, tmp_path: Path
) -> None:
    fill(store)
    dearer = changed(tmp_path, "change:\n  closing-thanks: {points: 9}\n")
    _, changes = run(store, dearer, dry=True)
    assert (changes.total.changed, changes.total.rescored, changes.rules) == (0, 4, ())


def test_only_calls_of_the_filter_are_judged(store: Store, cheaper: Rulebook) -> None:
    fill(store, 6)
    before = current(store)
    progress, _ = run(store, cheaper, wanted=CallFilter(team="一班", since=STARTED + timedelta(1)))
    assert progress.judged == 3
    after = current(store)
    assert {call for call in after if after[call] != before[call]} == {"c001", "c003", "c005"}


def test_second_run_finds_nothing_to_do(store: Store, cheaper: Rulebook) -> None:
    fill(store)
    run(store, cheaper)
    after = current(store)
    progress, changes = run(store, cheaper)
    assert (progress.found, changes.total.calls) == (0, 0)
    assert current(store) == after


def test_going_back_to_the_old_rulebook_restores_its_verdicts(
    store: Store, cheaper: Rulebook
) -> None:
    fill(store)
    before = current(store)
    run(store, cheaper)
    run(store, shipped())
    assert current(store) == before


def test_stopped_run_keeps_its_transactions_and_is_resumed(store: Store, cheaper: Rulebook) -> None:
    fill(store, CHUNK + 10)

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rescore(store, Rescoring(cheaper, CACHE, CallFilter()), stop)
    with store.reading() as connection:
        (stopped,) = list_runs(connection)
    assert (stopped.kind, stopped.outcome) == ("rescore", "stopped")
    assert stopped.summary is not None and stopped.summary["audited"] == CHUNK
    progress, _ = run(store, cheaper)
    assert progress.judged == 10
    assert current(store) == from_scratch(store, cheaper)


def test_processes_judge_like_one(store: Store, cheaper: Rulebook) -> None:
    fill(store, CHUNK + 3)
    _, alone = run(store, cheaper, dry=True)
    progress, together = run(store, cheaper, workers=2)
    assert progress.judged == CHUNK + 3
    assert together == alone
    assert current(store) == from_scratch(store, cheaper)


def tamper(store: Store, **columns: object) -> None:
    with store.writing() as connection:
        connection.execute(update(schema.verdict_sets).values(**columns))


def lie(store: Store) -> None:
    """Stored judgements say that everything passed, which only a kept verdict would repeat."""
    from callaudit.store.judgements import judgement_adapter

    with store.writing() as connection:
        sets = schema.verdict_sets
        for row in connection.execute(select(sets.c.id, sets.c.content)).all():
            judgement = judgement_adapter().validate_json(row.content)
            verdicts = tuple(
                replace(verdict, outcome=Outcome.PASS, points_lost=0, reason="谎言")
                for verdict in judgement.verdicts
            )
            content = judgement_adapter().dump_json(replace(judgement, verdicts=verdicts))
            connection.execute(update(sets).where(sets.c.id == row.id).values(content=content))


def lies(store: Store) -> set[str]:
    """Rules whose current verdict is one of these."""
    with store.reading() as connection:
        ids = connection.execute(select(schema.recordings.c.current_set_id)).scalars().all()
        reports = [load_report(connection, set_id) for set_id in ids]
    return {
        verdict.rule
        for report in reports
        for verdict in report.verdicts
        if verdict.reason == "谎言"
    }


def test_verdicts_of_unchanged_rules_are_kept_and_others_are_not(
    store: Store, cheaper: Rulebook
) -> None:
    fill(store)
    lie(store)
    run(store, cheaper)
    kept = lies(store)
    assert "forbidden-blame" not in kept
    assert len(kept) > 20


@pytest.mark.parametrize(
    "columns",
    [{"knowledge_sha256": None}, {"knowledge_sha256": "0" * 64}, {"metadata_sha256": "x"}],
)
def test_nothing_is_kept_of_what_came_about_in_another_way(
    store: Store, cheaper: Rulebook, columns: dict[str, object]
) -> None:
    fill(store)
    lie(store)
    tamper(store, **columns)
    run(store, cheaper)
    assert lies(store) == set()


def test_phrases_of_an_older_program_are_searched_again(store: Store, cheaper: Rulebook) -> None:
    fill(store)
    tamper(store, phrases_sha256=None)
    progress, _ = run(store, cheaper)
    assert progress.searched == 4


def test_a_transcript_that_cannot_be_read_costs_only_its_own_call(
    store: Store, cheaper: Rulebook
) -> None:
    fill(store)
    before = current(store)
    with store.writing() as connection:
        connection.execute(
            update(schema.transcripts).where(schema.transcripts.c.id == 2).values(content=b"{}")
        )
    progress, _ = run(store, cheaper)
    assert progress.judged == 3
    (bad,) = progress.failed
    assert bad.call_id == "c001"
    assert current(store)["c001"] == before["c001"]


def test_what_somebody_else_judged_meanwhile_is_left_alone(
    store: Store, cheaper: Rulebook, tmp_path: Path
) -> None:
    fill(store, CHUNK + 4)
    other = changed(tmp_path, "change:\n  forbidden-blame: {points: 2}\n", "other")
    done: list[int] = []

    def meanwhile(progress: Progress) -> None:
        if not done:
            done.append(1)
            run(store, other, wanted=CallFilter(agent="001"))

    # Two chunks are read before the first is stored: the second is then out of date.
    progress, _ = rescore(store, Rescoring(cheaper, CACHE, CallFilter(), workers=2), meanwhile)
    assert (progress.judged, progress.elsewhere) == (CHUNK + 2, 2)
    by_other = from_scratch(store, other)
    now = current(store)
    last = f"c{CHUNK + 3:03}"
    assert now[last] == by_other[last]


def test_killed_run_leaves_no_process_and_its_rerun_is_as_if_undisturbed(
    store_url: str, tmp_path: Path, cheaper: Rulebook
) -> None:
    store = Store.open(store_url)
    fill(store, 3 * CHUNK)
    wanted = from_scratch(store, cheaper)
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from callaudit.batch import rescore as module\n"
        "from callaudit.batch.rescore import Rescoring, rescore\n"
        "from callaudit.rulebook import load_rulebook\n"
        "from callaudit.store.connection import Store\n"
        "from callaudit.store.queries import CallFilter\n"
        f"module.CHUNK = {CHUNK}\n"
        "def watch(progress):\n"
        "    print('chunk', flush=True)\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    book = load_rulebook(Path(sys.argv[2]), Path(sys.argv[3]))\n"
        "    task = Rescoring(book, Path(sys.argv[3]), CallFilter(), workers=2)\n"
        "    rescore(Store.open(sys.argv[1]), task, watch)\n"
    )
    program = tmp_path / "program.py"
    program.write_text(script, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, program, store_url, tmp_path / "what-if.yaml", CACHE],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "chunk\n"
    process.kill()
    process.wait()
    give_up = time.monotonic() + 60
    while group_lives(process.pid) and time.monotonic() < give_up:
        time.sleep(0.1)
    assert not group_lives(process.pid)
    progress, _ = run(store, cheaper)
    assert progress.judged == 2 * CHUNK
    assert current(store) == wanted
    store.close()


def group_lives(group: int) -> bool:
    """Whether a process of the group is left (their own children would be in it too)."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group = status.read_text().rsplit(")", 1)[1].split()[:3]
        except OSError:
            continue
        if int(of_group) == group and state != "Z":
            return True
    return False


def test_worker_that_dies_is_a_sentence_and_keeps_what_was_stored(
    store: Store, cheaper: Rulebook
) -> None:
    from callaudit.errors import InfrastructureError

    fill(store, 6 * CHUNK)
    me = os.getpid()

    def kill(progress: Progress) -> None:
        for child in Path(f"/proc/{me}/task/{me}/children").read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)

    with pytest.raises(InfrastructureError, match="再运行同一命令会接着做"):
        rescore(store, Rescoring(cheaper, CACHE, CallFilter(), workers=2), kill)
    progress, _ = run(store, cheaper)
    assert 0 < progress.judged < 6 * CHUNK
    assert current(store) == from_scratch(store, cheaper)


def test_only_what_another_model_heard_and_is_still_there_is_heard_again(
    store: Store, tmp_path: Path
) -> None:
    from callaudit.calls import ModelInfo
    from callaudit.files import sha256_of

    fill(store, 3)
    kept = tmp_path / "kept.wav"
    kept.write_bytes(b"RIFF")
    replaced = tmp_path / "replaced.wav"
    replaced.write_bytes(b"other")
    new = ModelInfo("new", "n" * 64, "int8")
    with store.writing() as connection:
        recordings, transcripts = schema.recordings, schema.transcripts
        for number, (path, sha256) in enumerate(
            [(kept, sha256_of(kept)), (replaced, "0" * 64), (kept, "1" * 64)], 1
        ):
            connection.execute(
                update(recordings)
                .where(recordings.c.id == number)
                .values(path=str(path), sha256=sha256)
            )
        connection.execute(
            update(transcripts).where(transcripts.c.id == 3).values(model_sha256=new.sha256)
        )
    with store.reading() as connection:
        found = still_there(heard_by_others(connection, CallFilter(), new.sha256))
    assert found.paths == (kept,)
    assert found.metadata[kept].agent_id == "000"
    assert [one.recording_sha256 for one in found.lost] == ["0" * 64]
