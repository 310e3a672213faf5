"""The notation of variants: what it stands for, and what is said about mistakes in it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callaudit.phrases.exact import anchors
from callaudit.phrases.graph import build_graph
from callaudit.phrases.notation import (
    NotationError,
    Site,
    count,
    is_fixed,
    longest,
    parse,
    regex,
    wordings,
)
from callaudit.phrases.phonetics import SyllableTable, build_table
from callaudit.phrases.text import fold

SITE = Site(company_names=("热电集团", "热力公司"), staff_digits=(2, 4))


@pytest.fixture(scope="module")
def table() -> SyllableTable:
    return build_table()


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ("您好", {"你好"}),
        ("(早上|下午)好", {"早上好", "下午好"}),
        ("[请问]您好", {"请问你好", "你好"}),
        (
            "有什么[可以|能](帮|帮助)您",
            {f"有什么{a}{b}你" for a in ("", "可以", "能") for b in ("帮", "帮助")},
        ),
        ("还(有[什么|其他]|要)", {"还有", "还有什么", "还有其他", "还要"}),
        ("（您|你）好", {"你好"}),
        ("<还>有", {"还有"}),
        ("{公司}客服", {"热电集团客服", "热力公司客服"}),
        ("工号，是", {"工号是"}),
    ],
)
def test_wordings(variant: str, said: set[str]) -> None:
    sequence = parse(variant, SITE)
    assert set(wordings(sequence)) == said
    pattern = re.compile(regex(sequence))
    assert all(pattern.fullmatch(wording) for wording in said)


@pytest.mark.parametrize(
    ("variant", "hits", "misses"),
    [
        ("工号[是]{工号}", ["工号027", "工号是二十七"], ["工号", "工号7", "工号是我"]),
        ("还有…{3}帮", ["还有帮", "还有什么帮"], ["还有什么可以帮"]),
        ("大声点...听不清", ["大声点我真的听不清"], ["大声点我这边真的是一直听不清"]),
        ("[{称呼}]请讲", ["王先生请讲", "请讲"], []),
    ],
)
def test_gaps_and_slots(variant: str, hits: list[str], misses: list[str]) -> None:
    pattern = re.compile(regex(parse(variant, SITE)))
    assert all(pattern.fullmatch(text) for text in hits)
    assert not any(pattern.fullmatch(text) for text in misses)


@pytest.mark.parametrize(
    ("variant", "offset", "word"),
    [
        ("您好(请问", 2, "配对"),
        ("您好)", 2, "配对"),
        ("(您好]", 3, "结束"),
        ("(您好|)", 0, "空的选项"),
        ("{姓名}", 0, "称呼"),
        ("工号{工号", 2, "配对"),
        ("还…{99}有", 1, "1 到 20"),
        ("<还有", 0, "配对"),
        ("<(还)>", 0, "文字"),
        ("您好【热电", 2, "配对"),
        ("【】热电", 0, "空的"),
    ],
)
def test_mistakes_have_a_place(variant: str, offset: int, word: str) -> None:
    with pytest.raises(NotationError, match=word) as raised:
        parse(variant, SITE)
    assert raised.value.offset == offset


literals = st.text(st.sampled_from("请您问还有什么可以帮好的不再稍等"), min_size=1, max_size=4)
variants = st.recursive(
    literals,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: f"好[{'|'.join(parts)}]"),
        st.lists(inner, min_size=2, max_size=3).map("".join),
    ),
    max_leaves=8,
)


@given(variants)
def test_every_wording_matches_and_contains_an_anchor(variant: str) -> None:
    sequence = parse(variant, SITE)
    assert is_fixed(sequence)
    said = list(wordings(sequence))
    assert len(said) == count(sequence)
    assert max(map(len, said)) == longest(sequence)
    pattern = re.compile(regex(sequence))
    found = anchors(sequence)
    for wording in said:
        assert pattern.fullmatch(wording)
        assert any(anchor in wording for anchor in found)


@given(variant=variants)
def test_the_graph_has_the_wordings_of_the_notation(variant: str, table: SyllableTable) -> None:
    sequence = parse(variant, SITE)
    graph = build_graph(sequence, table)
    said: list[set[str]] = [{""}, *(set() for _ in graph.nodes)]
    for number, node in enumerate(graph.nodes, 1):
        if node.before >= 0:
            said[number] = {before + node.text for before in said[node.before]}
        if node.join:
            assert node.join > number
            said[node.join] |= said[number]
    assert {fold(wording) for wording in said[-1]} == set(wordings(sequence))
    assert graph.shortest == min(map(len, said[-1]))
    assert graph.longest == max(map(len, said[-1]))
