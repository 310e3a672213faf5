"""Scripts of synthetic calls: what may be written, and when things are heard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from synthesis.layout import Layout, Sound, lay_out
from synthesis.script import RULES, Expected, Script, read_script

from callaudit.errors import ConfigError

HEAD = """description: 测试
agent: {voice: zm_yunxi}
customer: {voice: zf_xiaobei}
expected: {pass: [ring-limit]}
events:
"""


def script(*events: dict[str, Any]) -> Script:
    return Script.model_validate(
        {
            "description": "测试",
            "agent": {"voice": "zm_yunxi"},
            "customer": {"voice": "zf_xiaobei"},
            "lead_ms": 500,
            "tail_ms": 1_000,
            "events": list(events),
            "expected": {"pass": ["ring-limit"]},
        }
    )


def times(layout: Layout) -> list[tuple[int, int]]:
    return [(placed.start_ms, placed.end_ms) for placed in layout.lines]


def test_lines_follow_each_other_with_their_pauses() -> None:
    layout = lay_out(
        script({"agent": "甲", "pause_ms": 100}, {"customer": "乙", "pause_ms": 300}),
        [1_000, 2_000],
    )
    assert times(layout) == [(600, 1_600), (1_900, 3_900)]
    assert layout.duration_ms == 4_900


def test_an_overlapping_line_starts_before_the_one_before_it_ends() -> None:
    layout = lay_out(
        script(
            {"customer": "甲", "pause_ms": 0},
            {"agent": "乙", "overlap_ms": 1_200},
            {"customer": "丙", "pause_ms": 0},
        ),
        [3_000, 800, 500],
    )
    assert times(layout) == [(500, 3_500), (2_300, 3_100), (3_500, 4_000)]


def test_pauses_that_are_not_given_come_from_the_seed() -> None:
    calls = [lay_out(script({"agent": "甲"}, {"customer": "乙"}), [500, 500]) for _ in range(2)]
    assert calls[0] == calls[1]
    assert 350 <= times(calls[0])[0][0] - 500 <= 900


def test_rings_are_one_second_every_five() -> None:
    layout = lay_out(script({"rings": 3}, {"agent": "甲", "pause_ms": 0}), [500])
    assert [(ring.start_ms, ring.end_ms) for ring in layout.sounds] == [
        (500, 1_500),
        (5_500, 6_500),
        (10_500, 11_500),
    ]
    assert times(layout) == [(12_700, 13_200)]


def test_a_hold_lasts_from_the_words_before_it_to_the_words_after_it() -> None:
    layout = lay_out(
        script(
            {"agent": "请稍等", "pause_ms": 0},
            {
                "hold": [{"agent": "请再稍等", "pause_ms": 8_000}, {"silence_ms": 5_000}],
                "music": True,
            },
            {"agent": "让您久等了", "pause_ms": 0},
        ),
        [1_000, 1_000, 1_000],
    )
    assert times(layout) == [(500, 1_500), (9_500, 10_500), (15_500, 16_500)]
    assert [(hold.start_ms, hold.end_ms) for hold in layout.holds] == [(1_500, 15_500)]
    assert layout.sounds == (Sound("music", 1_800, 9_300), Sound("music", 10_800, 15_300))


@pytest.mark.parametrize(
    ("event", "line", "complaint"),
    [
        ("- {agent: 甲, customer: 乙}", 6, "一方"),
        ("- {agent: 甲, pause_ms: 1, overlap_ms: 2}", 6, "不能同时"),
        ("- {agnet: 甲}", 6, ""),
        ("- {agent: 甲, speed: 9}", 6, "speed"),
        ("- {agent: 甲}\n- {rings: 0}", 7, "rings"),
    ],
)
def test_a_mistake_in_a_script_has_its_place(
    tmp_path: Path, event: str, line: int, complaint: str
) -> None:
    path = tmp_path / "call.yaml"
    path.write_text(HEAD + event + "\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        read_script(path)
    assert {problem.line for problem in caught.value.problems} == {line}
    assert complaint in str(caught.value)


def test_verdicts_cover_every_rule_and_names_beat_patterns() -> None:
    verdicts = Expected.model_validate(
        {"pass": ["forbidden-*"], "fail": ["forbidden-rude"], "uncertain": ["anonymity"]}
    ).verdicts()
    assert tuple(verdicts) == RULES
    assert verdicts["forbidden-curt"] == "pass"
    assert verdicts["forbidden-rude"] == "fail"
    assert verdicts["anonymity"] == "uncertain"
    assert verdicts["ring-limit"] == "not_applicable"


@pytest.mark.parametrize(
    "expected",
    [
        {"pass": ["no-such-rule"]},
        {"pass": ["ring-limit"], "fail": ["ring-limit"]},
        {"fail": ["x*"]},
    ],
)
def test_verdicts_of_unknown_rules_or_given_twice_are_refused(expected: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"规则|两次"):
        Expected.model_validate(expected)
