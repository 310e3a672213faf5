"""When words begin, as a person hears it."""

from __future__ import annotations

from callaudit.calls import Role, Utterance, Word
from callaudit.checks.talk import words_begin_ms


def heard(*words: Word, start_ms: int = 1000, end_ms: int = 6000) -> Utterance:
    text = "".join(word.text for word in words)
    return Utterance(0, Role.AGENT, 0, start_ms, end_ms, text, 0.8, words)


def test_words_begin_with_the_voice() -> None:
    assert words_begin_ms(heard(Word("这个", 1000, 1500), Word("情况", 1500, 2000))) == 1000


def test_a_first_word_is_not_drawn_out_over_what_leaked_in() -> None:
    assert words_begin_ms(heard(Word("这个", 1000, 3500), Word("情况", 3500, 4000))) == 2500


def test_without_words_the_voice_is_all_there_is() -> None:
    assert words_begin_ms(heard()) == 1000


def test_a_pause_before_the_first_word_is_no_word() -> None:
    assert words_begin_ms(heard(Word("您好", 2000, 2400))) == 2000
