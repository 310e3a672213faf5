"""No recording is trusted: every awful file is refused with one sentence, and that is all."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from awful import Awful, build
from sounds import pcm16, silent_flac, speech_like, tone, wav

from callaudit.audio import decode
from callaudit.audio.containers import Container
from callaudit.audio.decode import AudioLimits, escaped, read_recording
from callaudit.audio.samples import Audio
from callaudit.errors import (
    CallAuditError,
    InfrastructureError,
    RecordingError,
    TooLong,
    UnreadableAudio,
)
from callaudit.speech.mono import mix_down


@pytest.fixture(scope="module")
def awful_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Awful]:
    return {awful.name: awful for awful in build(tmp_path_factory.mktemp("awful"))}


def awful_names() -> list[str]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return [awful.name for awful in build(Path(folder))]


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    path = tmp_path / "voice.wav"
    path.write_bytes(wav(pcm16(speech_like(2.0)[::2])))
    return path


def refusal(path: Path, **options: object) -> CallAuditError:
    with pytest.raises(CallAuditError) as caught:
        read_recording(path, **options)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize("name", awful_names())
def test_an_awful_file_is_refused_with_one_clear_sentence(
    name: str, awful_files: dict[str, Awful]
) -> None:
    awful = awful_files[name]
    with pytest.raises(RecordingError) as caught:
        read_recording(awful.path, expected_ms=awful.expected_ms)
    error = caught.value
    assert type(error) is awful.raises, error.message
    assert awful.says in error.message
    assert error.message.startswith(escaped(str(awful.path)))
    assert error.message.isprintable()  # one line, nothing that moves the cursor
    assert error.exit_code == 3


class TestNothingElseIsOpened:
    """Even when a playlist reaches FFmpeg's playlist demuxer, it can open nothing."""

    @pytest.mark.parametrize("demuxer", ["hls", "concat", "dash", "sdp", "image2", "lavfi", "tee"])
    def test_no_file_and_no_socket(
        self, demuxer: str, tmp_path: Path, voice: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)
            url = f"http://127.0.0.1:{server.getsockname()[1]}/a.wav"
            lines = {
                "hls": f"#EXTM3U\n#EXTINF:1,\n{url}\n#EXTINF:1,\n{voice}\n#EXT-X-ENDLIST\n",
                "concat": f"ffconcat version 1.0\nfile {voice}\nfile '{url}'\n",
            }
            path = tmp_path / "playlist.wav"
            path.write_text(lines.get(demuxer, f"{url}\n{voice}\n"))
            monkeypatch.setattr(decode, "recognise", lambda fd: Container(demuxer, "WAV"))
            assert isinstance(refusal(path), UnreadableAudio)
            with pytest.raises(BlockingIOError):  # nobody called
                server.accept()

    def test_the_decoder_has_given_up_files_and_sockets(self) -> None:
        program = (
            "import runpy, sys, socket\n"
            f"run = runpy.run_path({str(decode._PROGRAM)!r})\n"
            "run['give_up_privileges'](1 << 30, 60, 1 << 20)\n"
            "for attempt in (lambda: open('/etc/passwd'), socket.socket):\n"
            "    try:\n"
            "        attempt()\n"
            "        print('opened')\n"
            "    except OSError as error:\n"
            "        print(error.errno)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
        assert done.stdout.split() == [b"24", b"24"]  # EMFILE

    def test_the_environment_is_not_handed_on(
        self, voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = tmp_path / "seen"
        monkeypatch.setenv("CALLAUDIT_STORE", "postgresql://user:secret@db/callaudit")
        pretend(monkeypatch, tmp_path, f"open({str(seen)!r}, 'w').write(str(dict(os.environ)))")
        refusal(voice)
        assert "secret" not in seen.read_text()


def pretend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str) -> None:
    """Puts another program in the decoder's place."""
    program = tmp_path / "decoder.py"
    program.write_text(f"import os, signal, sys, time\nsys.stdin.readline()\n{body}\n")
    monkeypatch.setattr(decode, "_PROGRAM", program)


class TestTheDecoderDies:
    @pytest.mark.parametrize(
        ("body", "says"),
        [
            ("os.kill(os.getpid(), signal.SIGSEGV)", "信号 11"),
            ("os.kill(os.getpid(), signal.SIGKILL)", "信号 9"),
            ("os.kill(os.getpid(), signal.SIGXCPU)", "处理器时间"),
            ("sys.exit(3)", "代码 3"),
            ("sys.exit(0)", "代码 0"),
            ("print('{\"frames\": 16')", "答复"),
            ("time.sleep(600)", "0.2 秒仍未完成"),
            ("print('x' * 10_000_000)", "0.2 秒仍未完成"),
        ],
    )
    def test_it_costs_this_recording_only(
        self, body: str, says: str, voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pretend(monkeypatch, tmp_path, body)
        waits = "0.2" in says
        error = refusal(voice, limits=AudioLimits(timeout_s=0.2 if waits else 60))
        assert isinstance(error, UnreadableAudio)
        assert says in error.message

    def test_a_broken_installation_is_not_blamed_on_the_recording(
        self, voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pretend(monkeypatch, tmp_path, "sys.exit(78)")
        assert isinstance(refusal(voice), InfrastructureError)

    def test_no_process_is_left_behind(
        self, voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started: list[subprocess.Popen[bytes]] = []

        class Watched(subprocess.Popen[bytes]):
            def __init__(self, *arguments: Any, **options: Any) -> None:
                super().__init__(*arguments, **options)
                started.append(self)

        monkeypatch.setattr(subprocess, "Popen", Watched)
        pretend(monkeypatch, tmp_path, "time.sleep(600)")
        refusal(voice, limits=AudioLimits(timeout_s=0.1))
        assert [process.returncode for process in started] == [-signal.SIGKILL]


class TestLimits:
    def test_a_bomb_ends_at_the_limit_of_length(self, tmp_path: Path) -> None:
        bomb = tmp_path / "bomb.flac"
        bomb.write_bytes(silent_flac(36_000))
        error = refusal(bomb, limits=AudioLimits(max_seconds=600))
        assert isinstance(error, TooLong)
        assert "10 分钟" in error.message

    def test_memory_stays_small_whatever_the_bomb_unpacks_to(self, tmp_path: Path) -> None:
        bomb = tmp_path / "bomb.flac"
        bomb.write_bytes(silent_flac(36_000))
        program = (
            "import resource, pathlib, sys\n"
            "from callaudit.audio.decode import read_recording\n"
            "from callaudit.errors import TooLong\n"
            "try:\n    read_recording(pathlib.Path(sys.argv[1]))\n"
            "except TooLong:\n"
            "    status = pathlib.Path('/proc/self/status').read_text()\n"
            "    print(status.split('VmHWM:')[1].split()[0])\n"
            "    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, bomb], capture_output=True, check=True
        )
        parent_kb, child_kb = map(int, done.stdout.split())
        assert parent_kb < 100_000
        assert child_kb < 150_000

    def test_the_limit_of_memory_is_the_kernels(self, voice: Path) -> None:
        error = refusal(voice, limits=AudioLimits(memory_bytes=1 << 20))
        assert isinstance(error, UnreadableAudio)
        assert "内存" in error.message

    def test_the_limit_of_file_size_is_checked_before_reading(self, voice: Path) -> None:
        error = refusal(voice, limits=AudioLimits(max_file_bytes=10_000))
        assert isinstance(error, TooLong)
        assert "MB" in error.message

    def test_exactly_the_limit_of_length_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        path.write_bytes(wav(pcm16(tone(300, 2.0, rate_hz=8000))))
        assert read_recording(path, AudioLimits(max_seconds=2)).duration_ms == 2000
        assert isinstance(refusal(path, limits=AudioLimits(max_seconds=1)), TooLong)

    def test_no_room_for_the_samples_is_not_the_recordings_fault(
        self, voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pretend(monkeypatch, tmp_path, 'print(\'{"fault": "disk_full"}\')')
        assert isinstance(refusal(voice), InfrastructureError)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
        assert isinstance(refusal(voice), InfrastructureError)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
    def test_no_room_for_the_two_channels_in_one_is_said(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        audio = Audio.from_samples(np.stack([tone(300, 1.0), tone(400, 1.0)]))
        with Path("/dev/full").open("wb") as full:
            monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full)
            with pytest.raises(InfrastructureError, match="临时文件夹已满"):
                mix_down(audio)


class TestTheFileChanges:
    @pytest.mark.parametrize(
        "change",
        [
            lambda path: path.write_bytes(path.read_bytes() + bytes(1600)),
            lambda path: path.write_bytes(path.read_bytes()[:-1600]),
            lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x7f"),
        ],
        ids=["grows", "shrinks", "changes"],
    )
    def test_while_it_is_read(
        self, change: Callable[[Path], int], voice: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = decode._run_decoder

        def run_and_change(*arguments: object) -> object:
            change(voice)
            return run(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(decode, "_run_decoder", run_and_change)
        assert "发生了变化" in refusal(voice).message

    def test_replaced_by_a_pipe_between_look_and_open(
        self, voice: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real_open = os.open

        def swap_and_open(path: Path, flags: int) -> int:
            voice.unlink()
            os.mkfifo(voice)
            return real_open(path, flags)

        monkeypatch.setattr(os, "open", swap_and_open)
        assert "换成了别的东西" in refusal(voice).message
