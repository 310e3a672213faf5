"""What a batch costs, measured: ``PYTHONPATH=tests python tests/benchmarks/scaling.py [calls]``.

With 0 calls Whisper is left out. Recognition with 1 and 2 workers on both engines (real recordings,
Whisper), then what the driver and the database do per call (two-minute calls that nobody has to
recognise). `scaling_model` turns these figures into a cluster for a million calls a night.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import pickle
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from deaf_auditor import Deaf
from postgres_server import PostgresServer
from rescoring import two_minutes
from sqlalchemy import event

from callaudit.audit import AuditOptions, Auditor
from callaudit.batch.engine import EngineFactory
from callaudit.batch.pool import Pool
from callaudit.batch.ray_engine import RayEngine
from callaudit.batch.run import Plan, run_batch
from callaudit.batch.sources import Known, paths_of
from callaudit.batch.tally import Tally
from callaudit.batch.worker import AuditorFactory, LocalAuditor
from callaudit.calls import CallMetadata, ModelInfo
from callaudit.rulebook import Rulebook, load_rulebook
from callaudit.settings import load_settings
from callaudit.speech.models import find_model
from callaudit.store.connection import Store
from callaudit.store.judgements import RulebookRecord

SAMPLES = Path(__file__).parents[2] / "samples" / "calls"
CALL_BYTES = 1_920_000
"""Two minutes of G.711 in stereo."""


def audited(
    paths: Sequence[Path],
    rulebook: Rulebook,
    make_auditor: AuditorFactory,
    make_engine: EngineFactory,
    workers: int,
    url: str,
) -> Tally:
    """One batch into a store of its own."""
    store = Store.open(url)
    try:
        return run_batch(
            store,
            Plan(
                source="benchmark",
                paths=paths_of(paths),
                metadata_of=Known(),
                rulebook=RulebookRecord.of(rulebook),
                options=AuditOptions(),
                model_sha256="0" * 64,
                make_auditor=make_auditor,
                make_engine=make_engine,
                workers=workers,
            ),
        )
    finally:
        store.close()


def recognition(calls: int, folder: Path) -> None:
    """Real recordings, 1 and 2 workers, both engines."""
    settings = load_settings()
    rulebook = load_rulebook()
    found = find_model(settings.model, settings.cache)
    auditor = LocalAuditor(rulebook, AuditOptions(threads=1), settings.cache)
    paths = list(itertools.islice(_recordings(), calls))
    numbers = itertools.count()
    print("| engine | workers | calls | audio s | wall s | calls/h | RTF | CPU s per audio s |")
    print("|---|---|---|---|---|---|---|---|")
    for name, workers in itertools.product(("local", "ray"), (1, 2)):
        engine: EngineFactory = Pool if name == "local" else RayEngine(None, found.sha256)
        before = _children_s()
        url = f"sqlite:///{folder / f'{next(numbers)}.sqlite'}"
        tally = audited(paths, rulebook, auditor, engine, workers, url)
        audio_s = tally.audio_ms / 1000
        cpu = f"{(_children_s() - before) / audio_s:.3f}" if name == "local" else ""
        print(
            f"| {name} | {workers} | {tally.audited} | {audio_s:.0f} | {tally.seconds:.1f} "
            f"| {tally.calls_per_hour:.0f} | {tally.real_time_factor:.4f} | {cpu} |",
            flush=True,
        )


def _recordings() -> Iterator[Path]:
    names = ("curt-hold.wav", "good-repair.wav", "good-hold.ogg", "swearing.wav")
    yield from (SAMPLES / name for name in names)
    yield from (path for path in sorted(SAMPLES.glob("*.ogg")) if path.name not in names)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def driver(calls: int, folder: Path) -> None:
    """What the process does that claims and stores, and what the database is asked."""
    rulebook = load_rulebook()
    auditor = Auditor(rulebook, AuditOptions(), load_settings().cache)
    heard = replace(two_minutes(), model=ModelInfo("none", "0" * 64, "text"))
    report = auditor.judge(heard, CallMetadata(ring_count=2), "x")
    paths = []
    for number in range(calls):
        paths.append(folder / f"{number}.wav")
        paths[-1].write_bytes(number.to_bytes(4, "big") * (CALL_BYTES // 4))
        os.utime(paths[-1], (time.time() - 3600,) * 2)
    print(f"\nA report on the wire: {len(pickle.dumps(report)) / 1024:.0f} kB\n")
    server = PostgresServer()
    server.start()
    print("| engine | store | calls/s | driver CPU ms per call | statements | commits |")
    print("|---|---|---|---|---|---|")
    ray = RayEngine(None, "0" * 64)
    try:
        for name, engine, url in (
            ("local", Pool, f"sqlite:///{folder / 'deaf.sqlite'}"),
            ("local", Pool, server.new_database()),
            ("ray", ray, server.new_database()),
        ):
            # The first call makes the tables; what follows is counted.
            audited(paths[:1], rulebook, Deaf(report), Pool, 1, url)
            with _counted() as counts:
                before = time.process_time()
                tally = audited(paths[1:], rulebook, Deaf(report), engine, 1, url)
                cpu_ms = (time.process_time() - before) * 1000 / tally.audited
            print(
                f"| {name} | {url.partition(':')[0]} "
                f"| {tally.audited / tally.seconds:.0f} | {cpu_ms:.1f} "
                f"| {counts['statements'] / tally.audited:.1f} "
                f"| {counts['commits'] / tally.audited:.1f} |"
            )
        stored = (folder / "deaf.sqlite").stat().st_size / calls
        print(f"\nStored per call: {stored / 1024:.0f} kB")
        print(f"Hashing: {CALL_BYTES / _hash_s(paths[0]) / 1e6:.0f} MB/s")
    finally:
        server.remove()


@contextmanager
def _counted() -> Iterator[dict[str, int]]:
    from sqlalchemy import Engine

    counts = {"statements": 0, "commits": 0}

    def statement(*_: Any) -> None:
        counts["statements"] += 1

    def commit(*_: Any) -> None:
        counts["commits"] += 1

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)
    try:
        yield counts
    finally:
        event.remove(Engine, "before_cursor_execute", statement)
        event.remove(Engine, "commit", commit)


def _hash_s(path: Path) -> float:
    data = path.read_bytes()
    start = time.perf_counter()
    for _ in range(20):
        hashlib.sha256(data).digest()
    return (time.perf_counter() - start) / 20


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    with tempfile.TemporaryDirectory() as name:
        if calls:
            recognition(calls, Path(name))
        driver(200, Path(name))


if __name__ == "__main__":
    main()
