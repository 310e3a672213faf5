from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from calls import GOOD, RUDE, heard, plan, rows, verdicts, write

from callaudit.batch import queue
from callaudit.batch.discover import find_recordings
from callaudit.batch.run import run_batch
from callaudit.batch.tally import Tally
from callaudit.errors import InfrastructureError
from callaudit.store import jobs, schema
from callaudit.store.connection import Store
from callaudit.store.jobs import JobState, list_jobs
from callaudit.store.queries import CallFilter, judged_calls
from callaudit.store.records import load_report
from callaudit.store.runs import list_runs


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A folder of recordings that are old enough to be complete."""
    folder = tmp_path / "calls"
    for name, text in {
        "a/good.wav": GOOD,
        "a/rude.wav": RUDE,
        "b/short.wav": GOOD + "静音 5\n",
    }.items():
        write(folder / name, text)
    return folder


def test_every_recording_is_audited_once(store: Store, calls: Path, tmp_path: Path) -> None:
    tally = run_batch(store, plan(calls, tmp_path, workers=2))
    assert (tally.found, tally.audited) == (3, 3)
    assert heard(tmp_path) == {"good.wav": 1, "rude.wav": 1, "short.wav": 1}
    assert sorted(verdicts(store)) == ["good", "rude", "short"]
    with store.reading() as connection:
        (run,) = list_runs(connection)
        rude = next(
            call for call in judged_calls(connection, CallFilter()) if call.call_id == "rude"
        )
    assert run.outcome == "done"
    assert run.summary is not None
    assert run.summary["audited"] == 3
    assert rude.auto_failed


def test_rerun_does_nothing(store: Store, calls: Path, tmp_path: Path) -> None:
    run_batch(store, plan(calls, tmp_path))
    before = verdicts(store)
    tally = run_batch(store, plan(calls, tmp_path))
    assert (tally.audited, tally.already) == (0, 3)
    assert heard(tmp_path).total() == 3
    assert verdicts(store) == before


def test_moved_and_twice_delivered_recordings_are_audited_once(
    store: Store, calls: Path, tmp_path: Path
) -> None:
    write(calls / "c/again.wav", GOOD)
    tally = run_batch(store, plan(calls, tmp_path))
    assert (tally.audited, tally.already) == (3, 1)
    (calls / "a/good.wav").rename(calls / "b/moved.wav")
    assert run_batch(store, plan(calls, tmp_path)).audited == 0
    assert rows(store, schema.verdict_sets) == 3


def test_new_metadata_means_judging_again_but_not_hearing_again(
    store: Store, calls: Path, tmp_path: Path
) -> None:
    run_batch(store, plan(calls, tmp_path))
    (calls / "a/good.json").write_text(json.dumps({"agent_id": "027", "ring_count": 9}))
    tally = run_batch(store, plan(calls, tmp_path))
    assert (tally.audited, tally.rejudged, tally.already) == (0, 1, 2)
    assert heard(tmp_path)["good.wav"] == 1
    with store.reading() as connection:
        assert [c.agent for c in judged_calls(connection, CallFilter(agent="027"))] == ["027"]


def test_new_rulebook_means_judging_again_but_not_hearing_again(
    store: Store, calls: Path, tmp_path: Path
) -> None:
    run_batch(store, plan(calls, tmp_path))
    tally = run_batch(store, plan(calls, tmp_path, auditors={"rulebook_sha256": "e" * 64}))
    assert (tally.audited, tally.rejudged) == (0, 3)
    assert heard(tmp_path).total() == 3
    assert rows(store, schema.verdict_sets) == 6
    assert rows(store, schema.transcripts) == 3


def test_bad_recordings_are_recorded_with_their_reason_and_the_rest_goes_on(
    store: Store, calls: Path, tmp_path: Path
) -> None:
    write(calls / "a/aempty.wav", "#EMPTY\n")
    write(calls / "a/zbug.wav", "#BUG\n")
    tally = run_batch(store, plan(calls, tmp_path))
    assert tally.audited == 3
    assert tally.failed == {"EmptyAudio": 1}
    assert (tally.crashes, tally.quarantined) == (3, 1)
    with store.reading() as connection:
        jobs_now = list_jobs(connection, [JobState.FAILED, JobState.QUARANTINED])
    assert {(job.error_kind, Path(job.path).name) for job in jobs_now} == {
        ("EmptyAudio", "aempty.wav"),
        ("WorkerDied", "zbug.wav"),
    }
    again = run_batch(store, plan(calls, tmp_path))
    assert (again.audited, again.failed_before, again.quarantined) == (0, 1, 1)
    assert heard(tmp_path)["aempty.wav"] == 1


def test_a_recording_that_kills_its_worker_is_quarantined_and_harms_no_other(
    store: Store, calls: Path, tmp_path: Path
) -> None:
    write(calls / "a/killer.wav", "#KILL\n")
    tally = run_batch(store, plan(calls, tmp_path))
    assert (tally.audited, tally.crashes, tally.quarantined) == (3, 3, 1)
    assert heard(tmp_path)["killer.wav"] == jobs.MOST_ATTEMPTS
    with store.reading() as connection:
        (job,) = list_jobs(connection, [JobState.QUARANTINED])
    assert "信号 9" in (job.error or "")


def test_sidecar_that_cannot_be_used_fails_its_recording_until_it_is_mended(
    store: Store, calls: Path, tmp_path: Path
) -> None:
    (calls / "a/good.json").write_text("{oops")
    tally = run_batch(store, plan(calls, tmp_path))
    assert (tally.audited, tally.failed) == (2, {"BadMetadata": 1})
    assert run_batch(store, plan(calls, tmp_path)).failed_before == 1
    (calls / "a/good.json").write_text("{}")
    assert run_batch(store, plan(calls, tmp_path)).audited == 1


def test_missing_model_stops_before_anything_is_claimed(
    store: Store, calls: Path, tmp_path: Path
) -> None:
    with pytest.raises(InfrastructureError, match="没有模型"):
        run_batch(store, plan(calls, tmp_path, auditors={"model": False}))
    assert rows(store, schema.jobs) == 0


def test_model_that_breaks_on_the_way_stops_the_run_and_releases_its_claims(
    store: Store, calls: Path, tmp_path: Path
) -> None:
    write(calls / "a/zz.wav", "#NOMODEL\n")
    with pytest.raises(InfrastructureError, match="模型坏了"):
        run_batch(store, plan(calls, tmp_path))
    with store.reading() as connection:
        assert list_jobs(connection, [JobState.CLAIMED]) == []
        (run,) = list_runs(connection)
    assert run.outcome == "failed"
    (calls / "a/zz.wav").unlink()
    tally = run_batch(store, plan(calls, tmp_path))
    assert tally.audited + tally.already == 3
    assert len(verdicts(store)) == 3


def test_interruption_releases_what_was_being_done(
    store: Store, calls: Path, tmp_path: Path
) -> None:
    def stop(tally: Tally) -> None:
        if tally.audited == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(store, plan(calls, tmp_path), stop)
    with store.reading() as connection:
        assert list_jobs(connection, [JobState.CLAIMED]) == []
        assert list_runs(connection)[0].outcome == "stopped"
    tally = run_batch(store, plan(calls, tmp_path))
    assert (tally.audited, tally.already) == (2, 1)
    assert len(verdicts(store)) == 3


def test_growing_file_is_waited_for(
    store: Store, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing = write(calls / "a/growing.wav", "坐席 您好", age_s=0)
    words = [*"，热电集团，请问"]

    def grow(tally: Tally) -> None:
        if words:
            with growing.open("a", encoding="utf-8") as file:
                file.write(words.pop(0))

    monkeypatch.setattr(queue, "LOOK_AGAIN_S", 0.3)
    tally = run_batch(store, plan(calls, tmp_path), grow)
    assert tally.audited == 4
    assert words == []
    assert heard(tmp_path)["growing.wav"] == 1
    with store.reading() as connection:
        (call,) = [c for c in judged_calls(connection, CallFilter()) if c.call_id == "growing"]
        text = load_report(connection, call.set_id).timeline.utterances[0].text
    assert text == "您好，热电集团，请问"


def test_file_that_vanishes_is_counted(store: Store, calls: Path, tmp_path: Path) -> None:
    made = plan(calls, tmp_path)
    (calls / "a/good.wav").unlink()
    tally = run_batch(store, made)
    assert (tally.audited, tally.failed) == (2, {"Vanished": 1})


def test_limit(store: Store, calls: Path, tmp_path: Path) -> None:
    assert run_batch(store, plan(calls, tmp_path, limit=2)).audited == 2
    assert run_batch(store, plan(calls, tmp_path, limit=2)).audited == 1


def test_two_runs_at_once_share_the_work(store: Store, calls: Path, tmp_path: Path) -> None:
    for number in range(30):
        write(calls / f"more/{number}.wav", GOOD + f"静音 {number + 6}\n")
    other: list[Tally] = []

    def meanwhile(tally: Tally) -> None:
        if tally.audited == 1 and not other:
            other.append(Tally())
            other[0] = run_batch(store, plan(calls, tmp_path))

    first = run_batch(store, plan(calls, tmp_path, workers=2), meanwhile)
    assert first.audited + other[0].audited == 33
    assert other[0].audited > 0
    assert set(heard(tmp_path).values()) == {1}
    assert rows(store, schema.verdict_sets) == 33


def find(folder: Path, *patterns: str) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_recordings(folder, patterns)]


def test_recordings_are_found_below_a_folder_and_by_pattern(tmp_path: Path) -> None:
    for name in ["b/2.WAV", "b/1.mp3", "a.amr", "a.json", ".hidden.wav", ".git/x.wav", "c/n.txt"]:
        write(tmp_path / name, "")
    assert find(tmp_path) == ["a.amr", "b/1.mp3", "b/2.WAV"]
    assert find(tmp_path, "*.txt") == ["c/n.txt"]
    assert find(tmp_path, "b/*") == ["b/1.mp3", "b/2.WAV"]


def test_watch_sees_figures(store: Store, calls: Path, tmp_path: Path) -> None:
    seen: list[Callable[[], None] | float] = []
    run_batch(store, plan(calls, tmp_path), lambda tally: seen.append(tally.handled))
    assert seen[-1] == 3
