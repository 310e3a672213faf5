"""How fast stored calls are judged again: ``rescoring.py [CALLS [WORKERS]]``.

A store (SQLite, on disk) with two-minute calls is judged by three other rulebooks: points changed
(the phrases are those of before), the same as a dry run, and phrases changed (every transcript is
searched again). Beside it the least that any re-scoring must do: reading the stored transcripts and
decoding them, in one process.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from example_calls import words_of
from judging import CLOSING, MIDDLE, OPENING

from callaudit.audit import AuditOptions, Auditor
from callaudit.batch.rescore import Progress, Rescoring, rescore
from callaudit.calls import CallMetadata, Transcript
from callaudit.rulebook import Rulebook, load_rulebook
from callaudit.rulebook.dialogue import parse_dialogue
from callaudit.store.connection import Store
from callaudit.store.judgements import RulebookRecord, remember_rulebook
from callaudit.store.queries import CallFilter
from callaudit.store.records import save_call
from callaudit.store.rejudging import calls_to_judge, read_calls
from callaudit.transcript_file import load_transcript

MORE = """
坐席 您家供热面积是多少平方米？
客户 一百一十二平方米，去年十月份交的费，交了三千多块钱，家里有老人和孩子，冻得受不了。
坐席 您先别着急，我帮您登记报修，维修人员会在二十四小时之内上门检查。
客户 好吧，那你快一点，我们等着呢，今天晚上能不能来？
"""

NEW_POINTS = """schema: callaudit.rulebook/1
extends: heating_hotline
id: what-if
version: "1"
change:
  closing-thanks: {points: 4}
"""
NEW_PHRASES = NEW_POINTS.replace("what-if", "what-if-phrases") + "site: site.yaml\n"


def two_minutes() -> Transcript:
    """A repair call of two minutes with words, as the recogniser leaves it."""
    transcript = parse_dialogue(OPENING + MIDDLE + MORE + CLOSING)
    return replace(
        transcript,
        utterances=tuple(
            replace(one, confidence=0.8, words=words_of(one.text, one.start_ms, one.end_ms))
            for one in transcript.utterances
        ),
    )


def fill(store: Store, rulebook: Rulebook, calls: int, cache: Path) -> float:
    """Fills a store with audited calls; returns the seconds of one call."""
    auditor = Auditor(rulebook, AuditOptions(), cache)
    record = RulebookRecord.of(rulebook)
    transcript = two_minutes()
    report = auditor.judge(transcript, CallMetadata(ring_count=2), "x")
    with store.writing() as connection:
        remember_rulebook(connection, record)
        for number in range(calls):
            metadata = CallMetadata(ring_count=2, agent_id=f"{number % 8:03}", team="一班")
            recording = replace(transcript.recording, sha256=f"{number:064x}")
            timeline = replace(
                report.timeline,
                transcript=replace(transcript, recording=recording),
                metadata=metadata,
            )
            save_call(
                connection,
                replace(report, call_id=f"c{number}", timeline=timeline),
                "e" * 64,
                record,
            )
    return transcript.recording.duration_ms / 1000


def decoding_seconds(store: Store) -> float:
    """Seconds to read and decode all stored transcripts."""
    start = time.perf_counter()
    for call in stored(store):
        load_transcript(call)
    return time.perf_counter() - start


def stored(store: Store) -> Iterator[bytes]:
    """All stored transcripts."""
    with store.reading() as connection:
        ids = calls_to_judge(connection, CallFilter(), "none")
        for first in range(0, len(ids), 64):
            for call in read_calls(connection, ids[first : first + 64]):
                yield call.transcript.plain()


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store.open(f"sqlite:///{folder / 'store.sqlite'}")
        seconds = fill(store, load_rulebook(), calls, folder)
        (folder / "points.yaml").write_text(NEW_POINTS, "utf-8")
        (folder / "phrases.yaml").write_text(NEW_PHRASES, "utf-8")
        (folder / "site.yaml").write_text("company_names: [热电集团, 供热公司]\n", "utf-8")
        baseline = calls / decoding_seconds(store)
        print(f"{calls} 通电话，每通 {seconds:.0f} 秒，{workers} 个进程")
        print(f"基线：一个进程读出并解码全部转写 {baseline:.0f} 通/秒")
        everything, some = CallFilter(), CallFilter(agent="001")
        for label, file, wanted, dry in (
            ("改分值，只看变化", "points.yaml", everything, True),
            ("改分值，写入", "points.yaml", everything, False),
            ("改话术，写入（重新查找话术）", "phrases.yaml", some, False),
        ):
            rulebook = load_rulebook(folder / file)
            measured(label, store, Rescoring(rulebook, folder, wanted, workers, dry), baseline)


def measured(label: str, store: Store, task: Rescoring, baseline: float) -> None:
    """Runs one re-scoring and prints its pace, with and without the start of the processes.

    CPU time is what it takes when other programs do not slow it down.
    """
    marks: list[tuple[float, float, int]] = []

    def note(progress: Progress) -> None:
        marks.append((time.perf_counter(), time.process_time(), progress.judged))

    start = time.perf_counter()
    progress, _ = rescore(store, task, note)
    seconds = time.perf_counter() - start
    started, last = marks[0], marks[-1]
    if last[0] <= started[0]:
        print(f"{label}：{progress.judged} 通一次报完，量不出速度，请多用些通话")
        return
    steady = (last[2] - started[2]) / (last[0] - started[0])
    print(
        f"{label}：{progress.judged} 通，{progress.judged / seconds:.0f} 通/秒；"
        f"进程启动 {started[0] - start:.1f} 秒，此后 {steady:.0f} 通/秒，"
        f"为基线的 {steady / baseline:.2f} 倍；重新查找 {progress.searched}，"
        f"失败 {len(progress.failed)}"
    )
    if task.workers == 1:
        cpu = (last[1] - started[1]) / (last[2] - started[2])
        print(f"  每通 CPU 时间 {1000 * cpu:.2f} 毫秒")


if __name__ == "__main__":
    main()
