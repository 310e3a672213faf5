from __future__ import annotations

import base64
import hashlib
import io
import re
import wave
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import pytest
from example_calls import METADATA, A, make_report, make_transcript

from callaudit.calls import CallMetadata, CallReport, Evidence, Scorecard
from callaudit.errors import RecordingError
from callaudit.report.embedded_audio import Muted, audio_data_uri, muted_spans
from callaudit.report.html import render_call
from callaudit.report.masking import mask_report
from callaudit.report.wording import RuleNotes

ATTACK = "</title></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'{{7*7}}"


class Page(HTMLParser):
    """Tags with their attributes, and the visible text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.inside: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.inside):
            self.text += data


def attacked() -> CallReport:
    """A report into every open field of which somebody wrote a script."""
    report = make_report(
        transcript=make_transcript([(A, 0, 5000, ATTACK, None)], path=ATTACK),
        metadata=CallMetadata(agent_id=ATTACK, team=ATTACK, business_type=ATTACK),
        call_id=ATTACK,
    )
    wrong = replace(
        report.verdicts[3],
        title=ATTACK,
        reason=ATTACK,
        evidence=(Evidence(0, 5000, A, ATTACK, "p", "exact", 1.0, ATTACK),),
    )
    transcript = replace(report.timeline.transcript, warnings=(ATTACK,))
    return replace(
        report, verdicts=(wrong,), timeline=replace(report.timeline, transcript=transcript)
    )


def test_scripts_in_data_are_text() -> None:
    notes = RuleNotes(
        categories={"forbidden": ATTACK},
        clauses={"7.5.4": ATTACK},
        coaching={"forbidden-blame": ATTACK},
    )
    page = Page(render_call(attacked(), notes))
    names = [tag for tag, _ in page.tags]
    assert names.count("script") == 1
    assert "img" not in names
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert page.text.count("alert(1)") >= 10
    assert "{{7*7}}" in page.text


def test_only_its_own_script_and_style_may_run() -> None:
    html = render_call(make_report())
    policy = next(
        attrs["content"]
        for tag, attrs in Page(html).tags
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.S)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content.group(1).encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert "style=" not in re.sub(r"<(script|style)>.*?</\1>", "", html, flags=re.S)


def test_nothing_is_loaded_from_anywhere() -> None:
    html = render_call(make_report(), audio="data:audio/ogg;base64,AAAA")
    for tag, attrs in Page(html).tags:
        for name in ("src", "href", "data", "action", "poster"):
            value = attrs.get(name) or ""
            assert not value or value.startswith(("data:", "#")), (tag, value)
    assert "http:" not in html
    assert "https:" not in html


def test_what_a_team_lead_needs_is_there(call_report: CallReport) -> None:
    notes = RuleNotes(clauses={"7.5.4": "不得推卸责任"}, coaching={"forbidden-blame": "先致歉"})
    page = Page(render_call(call_report, notes, audio="data:audio/ogg;base64,AAAA"))
    for needed in [
        "不合格", "55.0%", "11 / 20 分", "违规 2 项", "待复核 1 项", "2026-01-12 09:30",
        "等待 23.4 秒未回应", "对不起，请再稍等一下！", "−4 / 6 分", "读音相近 0.94",
        "不得推卸责任", "先致歉", "无人说话 23.4 秒", "右声道声音很小", "6 条规则的判定",
    ]:  # fmt: skip
        assert needed in page.text, needed
    assert page.text.count("我家住阳光小区") == 1


def test_violations_utterances_and_timeline_seek(call_report: CallReport) -> None:
    tags = Page(render_call(call_report)).tags
    seek = {
        kind: [
            int(attrs["data-seek"] or -1)
            for tag, attrs in tags
            if kind in (attrs.get("class") or "").split() and "data-seek" in attrs
        ]
        for kind in ("play", "words", "mark", "k-agent", "k-hold")
    }
    assert seek["play"] == [21_000, 44_400, 48_000]
    assert seek["words"] == [item.start_ms for item in call_report.timeline.utterances]
    assert seek["mark"] == [0 + place for place in (21_000, 44_400, 48_000)]
    assert seek["k-agent"] == [1040, 18_300, 44_400, 51_500]
    assert seek["k-hold"] == [21_000]


def test_quoted_words_are_marked_where_they_were_said(call_report: CallReport) -> None:
    html = render_call(call_report)
    assert re.findall(r"<mark>(.*?)</mark>", html) == ["我也没办法"]


def test_a_call_without_anything() -> None:
    report = make_report(
        transcript=replace(make_transcript([]), events=(), warnings=()),
        metadata=CallMetadata(),
        verdicts=(),
        scorecard=Scorecard(0, 0, None, None, (), (), {}),
    )
    text = Page(render_call(report)).text
    assert "无法评分" in text
    assert "没有听到说话" in text
    assert "没有可以判定的规则" in text


# --- the sound --------------------------------------------------------------------------------


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two seconds at 8 kHz: a tone on the left, another one on the right."""
    time = np.arange(16_000) / 8000
    left, right = np.sin(2 * np.pi * 440 * time), np.sin(2 * np.pi * 1000 * time)
    path = tmp_path / "tones.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((np.stack([left, right], 1) * 12_000).astype("<i2").tobytes())
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def heard(uri: str) -> np.ndarray:
    """Decodes a data address to [channels, n] at 16 kHz."""
    head, _, data = uri.partition(",")
    assert head == "data:audio/ogg;base64"
    container = av.open(io.BytesIO(base64.b64decode(data)))
    resampler = av.AudioResampler("fltp", "stereo", 16_000)
    frames = [
        piece.to_ndarray()
        for frame in container.decode(audio=0)
        for piece in resampler.resample(frame)
    ]
    return np.concatenate(frames, axis=1)


def level(samples: np.ndarray, start_ms: int, end_ms: int) -> float:
    return float(np.sqrt(np.mean(samples[start_ms * 16 : end_ms * 16] ** 2)))


def test_sound_is_the_recording(recording: Path) -> None:
    samples = heard(audio_data_uri(recording, digest(recording)))
    assert samples.shape[1] / 16_000 == pytest.approx(2.0, abs=0.1)
    for channel, pitch in enumerate((440, 1000)):
        spectrum = np.abs(np.fft.rfft(samples[channel, 8000:24_000]))
        assert int(spectrum.argmax()) == pytest.approx(pitch, abs=5)


def test_muted_stretch_is_silent_on_its_channel_only(recording: Path) -> None:
    samples = heard(audio_data_uri(recording, digest(recording), [Muted(0, 500, 1000)]))
    assert level(samples[0], 560, 940) < 0.02
    assert level(samples[1], 560, 940) > 0.2
    assert level(samples[0], 1100, 1900) > 0.2


def test_another_file_under_the_same_name_is_refused(recording: Path) -> None:
    with pytest.raises(RecordingError, match="不是同一个文件"):
        audio_data_uri(recording, "0" * 64)


def test_what_masking_hides_is_not_audible_either() -> None:
    masked = mask_report(make_report(metadata=METADATA)).timeline.transcript
    hidden = muted_spans(masked)
    assert {span.channel for span in hidden} == {1}
    name = next(word for word in masked.utterances[2].words if word.text == "*")
    assert any(span.start_ms < name.start_ms and span.end_ms > name.end_ms for span in hidden)


def test_without_word_times_the_whole_utterance_is_muted() -> None:
    masked = mask_report(
        make_report(
            transcript=replace(
                make_transcript(),
                utterances=tuple(replace(u, words=()) for u in make_transcript().utterances),
            )
        )
    )
    assert Muted(1, 12_500, 17_900) in muted_spans(masked.timeline.transcript)
