"""Recordings in an S3 store: a real server on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from calls import GOOD, RUDE, plan, rows, verdicts, write
from moto.server import ThreadedMotoServer

from callaudit.audio.decode import AudioLimits
from callaudit.batch import remote
from callaudit.batch.discover import observe
from callaudit.batch.keys import content_key
from callaudit.batch.locate import Locator
from callaudit.batch.remote import RemotePath, find_objects, local_copy, remote_path
from callaudit.batch.retranscribe import still_there
from callaudit.batch.run import Plan, run_batch
from callaudit.batch.sources import Known, folder_source
from callaudit.errors import ConfigError, InfrastructureError, TooLong, UnreadableAudio
from callaudit.store import schema
from callaudit.store.connection import Store
from callaudit.store.jobs import JobState, list_jobs
from callaudit.store.queries import CallFilter, judged_calls
from callaudit.store.records import load_report
from callaudit.store.rejudging import heard_by_others


@dataclass(frozen=True)
class Bucket:
    """A bucket of the server, empty for every test."""

    files: Any
    name: str

    def put(self, key: str, content: str | bytes) -> None:
        data = content.encode() if isinstance(content, str) else content
        self.files.pipe_file(f"{self.name}/{key}", data)

    def url(self, key: str = "") -> RemotePath:
        path = remote_path(f"s3://{self.name}/{key}")
        assert path is not None
        return path


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    made = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    made.start()
    host, port = made.get_host_and_port()
    yield f"http://{host}:{port}"
    made.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    import fsspec

    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    files = fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True)
    name = f"calls-{uuid.uuid4().hex}"
    files.mkdir(name)
    return Bucket(files, name)


def batch(url: RemotePath, marks: Path, **changes: Any) -> Plan:
    """A batch of all below a URL."""
    source = folder_source(url, (), Known())
    made = plan(marks, marks, **changes)
    return replace(made, source=source.name, paths=source.paths, metadata_of=source.metadata_of)


def test_objects_are_audited_as_the_same_files_would_be(
    bucket: Bucket, store: Store, tmp_path: Path
) -> None:
    for name, text in {"a/good.wav": GOOD, "a/rude.wav": RUDE, "b/empty.wav": "#EMPTY"}.items():
        bucket.put(f"night/{name}", text)
    bucket.put("night/a/rude.json", json.dumps({"agent_id": "027"}))
    bucket.put("other/c.wav", GOOD)
    tally = run_batch(store, batch(bucket.url("night"), tmp_path, workers=2))
    assert (tally.found, tally.audited, tally.failed) == (3, 2, {"EmptyAudio": 1})
    with store.reading() as connection:
        (rude,) = judged_calls(connection, CallFilter(agent="027"))
        report = load_report(connection, rude.set_id)
        (failed,) = list_jobs(connection, [JobState.FAILED])
    assert report.timeline.transcript.recording.path == f"s3://{bucket.name}/night/a/rude.wav"
    assert failed.error == f"s3://{bucket.name}/night/b/empty.wav：文件是空的"

    local = tmp_path / "local"
    write(local / "calls/good.wav", GOOD)
    write(local / "calls/rude.wav", RUDE)
    write(local / "calls/rude.json", json.dumps({"agent_id": "027"}))
    other = Store.open(f"sqlite:///{local / 'store.sqlite'}")
    run_batch(other, plan(local / "calls", local))
    assert verdicts(store) == verdicts(other)
    other.close()


def test_content_names_an_object_wherever_it_lies(
    bucket: Bucket, store: Store, tmp_path: Path
) -> None:
    bucket.put("a/1.wav", GOOD)
    run_batch(store, batch(bucket.url(), tmp_path))
    with store.reading() as connection:
        unheard = heard_by_others(connection, CallFilter(), "0" * 64)
    assert still_there(unheard).paths == (bucket.url("a/1.wav"),)
    bucket.put("b/moved.wav", GOOD)
    write(tmp_path / "calls/here.wav", GOOD)
    assert run_batch(store, batch(bucket.url(), tmp_path)).already == 2
    assert run_batch(store, plan(tmp_path / "calls", tmp_path)).already == 1
    assert rows(store, schema.verdict_sets) == 1
    bucket.put("a/1.wav", RUDE)
    assert run_batch(store, batch(bucket.url(), tmp_path)).audited == 1


def test_an_object_is_looked_at_and_read_in_two_requests(
    bucket: Bucket, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "FRESH_S", 600)
    bucket.put("a.wav", GOOD)
    url = bucket.url("a.wav")
    with caplog.at_level("INFO", logger="werkzeug"):
        caplog.clear()
        candidate = observe(url)
        assert candidate.size_bytes == len(GOOD.encode())
        assert content_key(candidate) == (hashlib.sha256(GOOD.encode()).hexdigest(), True)
    asked = [record.getMessage() for record in caplog.records]
    assert [request for message in asked for request in re.findall("HEAD|GET", message)] == [
        "HEAD",
        "GET",
    ]


def test_objects_are_listed_by_suffix_or_pattern(bucket: Bucket) -> None:
    for key in ["n/b/2.WAV", "n/a.amr", "n/a.json", "n/.x/h.wav", "n//odd.wav", "north/z.wav"]:
        bucket.put(key, "x")

    def find(*patterns: str) -> list[str]:
        return [str(path).partition("/n/")[2] for path in find_objects(bucket.url("n"), patterns)]

    assert find() == ["a.amr", "b/2.WAV"]
    assert find("*.json") == ["a.json"]
    assert find("b/*") == ["b/2.WAV"]


def test_source_that_is_not_there(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="不存在，或里面没有文件"):
        list(find_objects(bucket.url("nothing")))
    with pytest.raises(ConfigError, match="不认识 nosuch://"):
        list(find_objects(RemotePath("nosuch://a/b")))


def test_copy_is_removed_and_capped(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(remote.tempfile, "tempdir", str(tmp_path))
    bucket.put("a.wav", b"x" * 3_000_000)
    with local_copy(bucket.url("a.wav")) as copy:
        assert copy.read_bytes() == b"x" * 3_000_000
        assert copy.suffix == ".wav"
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("callaudit.audio.decode.AudioLimits", lambda: SMALL)
    with pytest.raises(TooLong, match="超过上限 2 MB"), local_copy(bucket.url("a.wav")):
        pass
    with pytest.raises(UnreadableAudio, match="不存在"), local_copy(bucket.url("b.wav")):
        pass
    assert list(tmp_path.iterdir()) == []


SMALL = AudioLimits(max_file_bytes=2 << 20)


def test_copies_of_killed_processes_are_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(remote.tempfile, "tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for name in [f"callaudit-copy-{gone.pid}-x", f"callaudit-copy-{os.getpid()}-x", "other-1-x"]:
        write(tmp_path / name / "recording.wav", "x")
    remote.remove_stale_copies()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"callaudit-copy-{os.getpid()}-x",
        "other-1-x",
    ]


def test_store_that_cannot_be_reached_fails_no_recording(
    bucket: Bucket, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a.wav", GOOD)
    made = batch(bucket.url(), tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    bucket.files.clear_instance_cache()
    with pytest.raises(InfrastructureError, match="请检查网络和存储服务"):
        run_batch(store, made)
    assert rows(store, schema.jobs) == 0


def test_urls_and_what_only_looks_like_one() -> None:
    assert str(remote_path("s3://b/k/a.wav")) == "s3://b/k/a.wav"
    assert str(remote_path(str(Path("s3://b/k/a.wav")))) == "s3://b/k/a.wav"
    assert remote_path("/s3://b") is None
    assert remote_path("C:/calls") is None
    for bad in ["s3://b//k.wav", "s3://b/./k.wav", "file:///etc/passwd"]:
        with pytest.raises(ValueError):
            remote_path(bad)


def test_manifest_may_name_urls(tmp_path: Path) -> None:
    found = Locator(tmp_path / "list.csv").find("s3://b/k/a.wav")
    assert isinstance(found, RemotePath)
    assert str(found.absolute()) == "s3://b/k/a.wav"
