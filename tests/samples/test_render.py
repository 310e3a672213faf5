"""From script to channels, with a sine in place of a voice (the layout is what is tested)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from synthesis.render import Rendered, metadata_of, render, truth_of, write_call
from synthesis.script import Script
from synthesis.telephone import Audio


def hum(text: str, voice: str, speed: float, seed: int) -> Audio:
    """A tone of 0.2 s per character; each voice has its own pitch."""
    pitch_hz = {"zm_yunxi": 600, "zf_xiaobei": 1_500}[voice]
    time = np.arange(int(0.2 * len(text) * 24_000 / speed)) / 24_000
    return (0.3 * np.sin(2 * np.pi * pitch_hz * time)).astype(np.float32)


def script(**changes: Any) -> Script:
    return Script.model_validate(
        {
            "description": "测试",
            "agent": {"voice": "zm_yunxi", "level_dbfs": -18},
            "customer": {"voice": "zf_xiaobei", "level_dbfs": -24},
            "noise_snr_db": 40,
            "metadata": {"ring_count": 2},
            "events": [
                {"agent": "您好热电集团"},
                {"customer": "你好"},
                {"agent": "慢一点", "speed": 0.5, "gain_db": 6},
            ],
            "expected": {"pass": ["opening-*"]},
            **changes,
        }
    )


def loud_ms(channel: Audio) -> list[int]:
    """First and last millisecond of what is louder than the noise."""
    loud = np.flatnonzero(np.abs(channel) > 0.02)
    return [int(loud[0]) // 8, int(loud[-1]) // 8]


def level_dbfs(rendered: Rendered, channel: int, line: int) -> float:
    placed = rendered.layout.lines[line]
    piece = rendered.channels[channel][placed.start_ms * 8 + 200 : placed.end_ms * 8 - 200]
    return float(10 * np.log10(np.mean(piece**2)))


def test_the_truth_has_the_times_of_the_voice_in_the_recording() -> None:
    rendered = render(script(), hum)
    agent, customer = rendered.channels
    lines = rendered.layout.lines
    assert loud_ms(agent) == pytest.approx([lines[0].start_ms, lines[2].end_ms], abs=10)
    assert loud_ms(customer) == pytest.approx([lines[1].start_ms, lines[1].end_ms], abs=10)


def test_speakers_keep_their_levels_and_lines_their_gain() -> None:
    rendered = render(script(), hum)
    assert level_dbfs(rendered, 0, 0) == pytest.approx(-18, abs=0.5)
    assert level_dbfs(rendered, 1, 1) == pytest.approx(-24, abs=0.5)
    assert level_dbfs(rendered, 0, 2) == pytest.approx(-12, abs=0.5)


def test_a_slower_line_lasts_longer() -> None:
    first, _, slow = render(script(), hum).layout.lines
    assert first.end_ms - first.start_ms == pytest.approx(1_200, abs=2)
    assert slow.end_ms - slow.start_ms == pytest.approx(1_200, abs=2)  # half as much text


def test_the_agent_is_on_the_channel_that_the_script_says() -> None:
    left = render(script(agent_channel="left"), hum)
    right = render(script(agent_channel="right"), hum)
    assert loud_ms(left.channels[0]) == loud_ms(right.channels[1])


def test_a_dead_channel_has_no_sample_at_all() -> None:
    rendered = render(script(output={"layout": "dead-customer"}), hum)
    assert not rendered.channels[1].any()
    assert rendered.channels[0].any()


def test_mono_has_both_sides_in_one_channel() -> None:
    (channel,) = render(script(output={"layout": "mono"}), hum).channels
    lines = render(script(), hum).layout.lines
    for placed in lines:
        assert np.abs(channel[placed.start_ms * 8 : placed.end_ms * 8]).max() > 0.05


def test_a_leak_is_the_other_side_but_weaker() -> None:
    rendered = render(script(leak_db=-20, noise_snr_db=None), hum)
    assert level_dbfs(rendered, 1, 0) == pytest.approx(-38, abs=0.5)


def test_metadata_name_the_channel_only_when_told_to_and_true() -> None:
    assert metadata_of("a", script())["agent_channel"] == "left"
    assert "agent_channel" not in metadata_of("a", script(tell_channel=False))
    assert "agent_channel" not in metadata_of("a", script(output={"layout": "mono"}))
    assert metadata_of("a", script()) == {"call_id": "a", "ring_count": 2, "agent_channel": "left"}


def test_the_truth_says_that_the_call_is_synthetic() -> None:
    rendered = render(script(), hum)
    truth = truth_of(script(), rendered.layout)
    assert truth["synthetic"] is True
    assert [said["text"] for said in truth["utterances"]] == ["您好热电集团", "你好", "慢一点"]


@pytest.mark.parametrize("kind", ["wav-mulaw", "wav-alaw", "mp3", "ogg", "m4a"])
def test_stereo_formats_keep_channels_and_length(tmp_path: Path, kind: str) -> None:
    call = script(output={"format": kind})
    rendered = render(call, hum)
    path = write_call("call", call, rendered, tmp_path)
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.channels == 2
        samples = sum(
            frame.samples * 8_000 // frame.sample_rate for frame in container.decode(audio=0)
        )
    assert samples / 8 == pytest.approx(rendered.layout.duration_ms, abs=300)  # codec delay


def test_amr_is_mono(tmp_path: Path) -> None:
    call = script(output={"format": "amr", "layout": "mono"})
    path = write_call("call", call, render(call, hum), tmp_path)
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.name.startswith("amr")


@pytest.mark.parametrize("kind", ["wav-mulaw", "mp3", "ogg", "m4a"])
def test_the_same_script_gives_the_same_bytes(tmp_path: Path, kind: str) -> None:
    call = script(output={"format": kind})
    files = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        folder.mkdir()
        files.append(write_call("call", call, render(call, hum), folder).read_bytes())
    assert files[0] == files[1]
