"""What is worded like a banned phrase goes to a person, and accuses nobody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from callaudit.calls import PhraseHit, Role, Utterance
from callaudit.phrases.examples import say
from callaudit.phrases.manner import LIKELY, Manner
from callaudit.phrases.manner_cache import read_manner, write_manner
from callaudit.phrases.matcher import Matcher
from callaudit.phrases.model import Phrasebook

BOOK = """
phrasebook: test
ordinary: [您家几口人？, 师傅明天上午去您家, 我再跟您说一遍, 这个是收费的, 您别着急]
phrases:
  told-you:
    title: 嫌客户又问
    role: agent
    banned: true
    severity: major
    %s
    variants: [刚才不是跟你说了吗, 怎么还问, 都说了几遍了, 跟你说了多少遍了还问, 你怎么又问]
    examples: {hit: [刚才不是跟你说了吗, 你怎么又问], miss: [您刚才问的是费用吗]}
  helped:
    title: 说明
    role: agent
    variants: [请您记一下电话, 明天给您回复]
    examples: {hit: [明天给您回复]}
"""
RUDE = "跟你说了几遍了，你怎么还问"
UNKNOWN = "几遍了都白说又问什么"


def guesses(matcher: Matcher, *utterances: Utterance) -> list[PhraseHit]:
    return [hit for hit in matcher.find(utterances).hits if hit.method == "text"]


@pytest.fixture
def small(book: Callable[..., Phrasebook]) -> Matcher:
    return Matcher(book(BOOK % ""))


def test_what_is_worded_like_a_banned_phrase_is_a_doubtful_hit(small: Matcher) -> None:
    (hit,) = guesses(small, say(f"您好。{UNKNOWN}？", Role.AGENT))
    assert (hit.phrase, hit.quote, hit.certain) == ("told-you", UNKNOWN, False)


@pytest.mark.parametrize(
    "text", ["师傅明天上午去您家。", "您家几口人？", "我再跟您说一遍，这个是收费的。", "嗯。", ""]
)
def test_ordinary_talk_is_not(small: Matcher, text: str) -> None:
    assert not guesses(small, say(text, Role.AGENT))


def test_a_sentence_that_has_a_wording_of_the_phrasebook_needs_no_guess(small: Matcher) -> None:
    assert not guesses(small, say(RUDE, Role.AGENT))


def test_the_customer_is_not_accused(small: Matcher) -> None:
    assert not guesses(small, say(UNKNOWN, Role.CUSTOMER))


def test_what_was_heard_badly_is_not_judged_by_its_words(small: Matcher) -> None:
    heard = say(UNKNOWN, Role.AGENT)
    assert not guesses(small, replace(heard, confidence=0.5))
    assert guesses(small, replace(heard, confidence=0.9))


def test_a_phrase_can_be_left_out(book: Callable[..., Phrasebook]) -> None:
    assert not guesses(Matcher(book(BOOK % "guess: false")), say(UNKNOWN, Role.AGENT))


def test_a_sentence_is_ordinary_once_it_is_listed(book: Callable[..., Phrasebook]) -> None:
    text = (BOOK % "").replace("ordinary: [", f"ordinary: [{UNKNOWN}, ")
    assert not guesses(Matcher(book(text)), say(UNKNOWN, Role.AGENT))


def test_the_end_of_a_long_sentence_is_looked_at_too(
    small: Matcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []
    scores = Manner.scores

    def listen(self: Manner, sentences: Sequence[str]) -> NDArray[np.float64]:
        looked_at.extend(sentences)
        return scores(self, sentences)

    monkeypatch.setattr(Manner, "scores", listen)
    text = "师傅明天上午去您家里看一下然后再给您回个电话好吧这样行不行"
    guesses(small, say(text, Role.AGENT))
    assert looked_at[0].startswith("师傅明天")
    assert looked_at[-1].endswith("这样行不行")


def test_a_book_with_nothing_to_tell_offences_from_marks_nothing(
    book: Callable[..., Phrasebook],
) -> None:
    text = """
phrasebook: test
phrases:
  told-you:
    title: 嫌客户又问
    role: agent
    banned: true
    severity: major
    variants: [刚才不是跟你说了吗, 怎么还问]
    examples: {hit: [怎么还问]}
"""
    assert not guesses(Matcher(book(text)), say("师傅明天上午去您家。", Role.AGENT))


def test_what_was_learned_is_kept(small: Matcher, tmp_path: Path) -> None:
    learned = Manner.of(small.phrases, small.phrasebook.ordinary)
    write_manner(tmp_path, "a" * 64, learned)
    kept = read_manner(tmp_path, "a" * 64)
    assert kept is not None
    assert (kept.scores([UNKNOWN]) == learned.scores([UNKNOWN])).all()
    assert kept.name(UNKNOWN) == learned.name(UNKNOWN)
    assert read_manner(tmp_path, "b" * 64) is None


def test_a_broken_file_is_as_good_as_none(tmp_path: Path, small: Matcher) -> None:
    write_manner(tmp_path, "a" * 64, small.manner)
    (file,) = tmp_path.glob("manner-*")
    for length in (200, 0):
        file.write_bytes(file.read_bytes()[:length])
        assert read_manner(tmp_path, "a" * 64) is None


def test_ordinary_sentences_of_the_shipped_phrasebooks_are_no_offence(shipped: Phrasebook) -> None:
    manner = Matcher(shipped).manner
    from callaudit.phrases.text import fold

    scores = manner.scores([fold(text) for text in shipped.ordinary])
    assert (scores >= LIKELY).mean() < 0.002
