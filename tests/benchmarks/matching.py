"""How fast phrases are found in a transcript: ``python tests/benchmarks/matching.py``.

A transcript of 600 characters (hotline talk, with some phrases said and some misheard) is searched
for 100, 1,000 and 10,000 phrases of 4 to 12 characters, put together from jieba's commonest words.

- Exact search, against a bare pyahocorasick automaton of the same phrases.
- Phonetic search, against aligning every phrase with ``rapidfuzz.fuzz.partial_ratio_alignment`` on
  the same syllables (one character each, prepared beforehand: the cheapest way to use it).
- Both together with normalising, as `Matcher.find` does it, also with the shipped phrasebooks.

Times are the best of several runs that take turns, so that other work on the machine troubles all
alike. Nothing here has a time limit; ratios are what is compared.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path

import ahocorasick
import jieba
import numpy as np
from rapidfuzz import fuzz
from rich.console import Console
from rich.table import Table

from callaudit.calls import Role
from callaudit.phrases.examples import say
from callaudit.phrases.matcher import Matcher
from callaudit.phrases.model import Examples, Phrase, Phrasebook, Variant
from callaudit.phrases.notation import Site, parse
from callaudit.phrases.phonetic import Speech
from callaudit.phrases.phrasebook import compile_phrasebooks
from callaudit.phrases.sounds import surcharges
from callaudit.phrases.text import fold

ROOT = Path(__file__).resolve().parents[2]
LENGTH = 600
TALK = (
    "您好热电集团工号零二七请问有什么可以帮您我家的暖气片从昨天晚上开始就不热了"
    "请问您家住在哪个小区几号楼几单元阳光花园三号楼二单元五零一麻烦您先看一下入户的阀门"
    "是不是全都打开了我看过了阀门都是开着的明白了我这就给您登记维修师傅今天下午三点以前会跟您"
    "联系上门帮您检查今年的采暖费交到十月三十一号您可以在手机上交也可以到附近的银行网点去交"
    "对不起我再给您解释一下基本热费是按您家的面积算的占百分之三十用多用少都要交剩下的看表上的"
    "读数用得少就交得少能办交完费三天以内给您开阀现在都十一月了还能办吗去年十月份报停的"
    "恢复供暖要带上您的身份证和用热合同到营业厅签字再补交两百块钱的复热费谢谢您的电话再见"
)


def common_words() -> list[str]:
    """jieba's 20,000 commonest words of two to four characters."""
    jieba.setLogLevel("ERROR")
    jieba.initialize()
    counted = ((count, word) for word, count in jieba.dt.FREQ.items() if 2 <= len(word) <= 4)
    han = ((count, word) for count, word in counted if all("一" <= c <= "龥" for c in word))
    return [word for _, word in sorted(han, reverse=True)[:20_000]]


def make_phrases(count: int, words: list[str], chance: random.Random) -> list[str]:
    """Different phrases of 4 to 12 characters."""
    phrases: dict[str, None] = {}
    while len(phrases) < count:
        phrase = fold("".join(chance.sample(words, chance.randint(2, 3))))
        if 4 <= len(phrase) <= 12:
            phrases[phrase] = None
    return list(phrases)


def make_transcript(phrases: list[str], chance: random.Random) -> str:
    """Talk with five phrases as they are and five with a character misheard."""
    text = fold(TALK)
    pieces = [text[place : place + 50] for place in range(0, len(text), 50)]
    for number, phrase in enumerate(chance.sample(phrases, 10)):
        said = phrase
        if number % 2:
            place = chance.randrange(len(phrase))
            said = phrase[:place] + chance.choice("你好热电集团") + phrase[place + 1 :]
        pieces.insert(chance.randrange(len(pieces)), said)
    return ("".join(pieces) * 2)[:LENGTH]


def make_book(phrases: list[str]) -> Phrasebook:
    """A phrasebook with one wording for each phrase."""
    site = Site()
    made = [
        Phrase(
            id=f"p{number}",
            title=phrase,
            prescribed=phrase,
            role=None,
            clauses=(),
            severity="none",
            banned=False,
            trigger=False,
            strictness="phonetic",
            verbatim=False,
            word_borders=False,
            homophones=False,
            tells_role=0.0,
            variants=(Variant(phrase, parse(phrase, site)),),
            examples=Examples(),
        )
        for number, phrase in enumerate(phrases)
    ]
    return Phrasebook({phrase.id: phrase for phrase in made}, site)


def best_of(runs: int, *tasks: Callable[[], object]) -> list[float]:
    """Shortest time of each task in microseconds; the tasks take turns."""
    best = [float("inf")] * len(tasks)
    for _ in range(runs):
        for number, task in enumerate(tasks):
            start = time.perf_counter_ns()
            task()
            best[number] = min(best[number], (time.perf_counter_ns() - start) / 1000)
    return best


def bare(phrases: list[str]) -> ahocorasick.Automaton:
    automaton = ahocorasick.Automaton()
    for phrase in phrases:
        automaton.add_word(phrase, phrase)
    automaton.make_automaton()
    return automaton


def syllable_strings(matcher: Matcher, texts: list[str]) -> list[str]:
    """One character for each syllable."""
    sound_of = matcher.phonetic.table.sound_of
    return ["".join(chr(0xE000 + sound_of.get(one, 0)) for one in text) for text in texts]


def measure(count: int, words: list[str], runs: int) -> tuple[float, ...]:
    chance = random.Random(count)
    phrases = make_phrases(count, words, chance)
    text = make_transcript(phrases, chance)
    matcher = Matcher(make_book(phrases))
    index, automaton = matcher.exact_index, bare(phrases)
    assert len(index.search(text, lambda _: True)) == len(list(automaton.iter(text)))
    speech = Speech(
        text=text,
        wanted=np.ones((1, count), dtype=bool),
        speakers=np.zeros(len(text), dtype=np.int64),
        surcharge=surcharges(text),
    )
    heard, *written = syllable_strings(matcher, [text, *phrases])
    utterances = [
        say(text[at : at + 30], Role.AGENT, at // 30, at * 220) for at in range(0, 600, 30)
    ]
    fast = best_of(
        runs,
        lambda: list(automaton.iter(text)),
        lambda: index.search(text, lambda _: True),
        lambda: matcher.phonetic.search(speech),
        lambda: matcher.find(utterances),
    )
    slow = best_of(
        max(3, runs // 20),
        lambda: [fuzz.partial_ratio_alignment(phrase, heard) for phrase in written],
    )
    return (*fast, *slow)


def shipped(runs: int) -> float:
    """Microseconds of `Matcher.find` on the talk with the shipped phrasebooks."""
    matcher = Matcher(compile_phrasebooks([ROOT / "phrasebooks"]))
    text = (fold(TALK) * 2)[:LENGTH]
    utterances = [
        say(text[at : at + 30], Role.AGENT, at // 30, at * 220) for at in range(0, 600, 30)
    ]
    return best_of(runs, lambda: matcher.find(utterances))[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=60)
    runs = parser.parse_args().runs
    words = common_words()
    table = Table(title=f"{LENGTH} characters, microseconds (best of {runs})")
    for heading in ("phrases", "bare", "exact", "ratio", "rapidfuzz", "phonetic", "faster", "find"):
        table.add_column(heading, justify="right")
    phonetic: list[float] = []
    for count in (100, 1_000, 10_000):
        automaton, exact, sound, find, every = measure(count, words, runs)
        phonetic.append(sound)
        table.add_row(
            *(f"{count:,}", f"{automaton:,.0f}", f"{exact:,.0f}", f"{exact / automaton:.2f}"),
            *(f"{every:,.0f}", f"{sound:,.0f}", f"{every / sound:,.0f} x", f"{find:,.0f}"),
        )
    console = Console()
    console.print(table)
    console.print(f"phonetic, 10,000 phrases against 100: {phonetic[-1] / phonetic[0]:.2f} x")
    console.print(f"find with the shipped phrasebooks: {shipped(runs) / 1000:.2f} ms")


if __name__ == "__main__":
    main()
