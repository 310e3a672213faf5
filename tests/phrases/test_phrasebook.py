"""Phrasebooks are read with every mistake named, at its place, all at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from callaudit.calls import Role
from callaudit.errors import PhrasebookError
from callaudit.phrases.book_cache import read_book
from callaudit.phrases.examples import check_examples, say
from callaudit.phrases.matcher import Matcher
from callaudit.phrases.model import Phrasebook
from callaudit.phrases.phrasebook import (
    compile_phrasebooks,
    content_hash,
    load_phrasebooks,
    phrasebook_files,
)
from callaudit.phrases.schema import phrasebook_schema

ROOT = Path(__file__).resolve().parents[2]

GOOD = """\
phrasebook: test
phrases:
  greeting:
    title: 问候
    role: agent
    clauses: ["7.4.2"]
    prescribed: 您好
    variants: [您好, "{公司}您好"]
    examples: {hit: [您好。], miss: [再见。]}
"""


def test_a_phrasebook_becomes_phrases(book: Callable[..., Phrasebook]) -> None:
    compiled = book(GOOD, site="company_names: [光明热力]\n")
    phrase = compiled["greeting"]
    assert (phrase.title, phrase.role, phrase.clauses) == ("问候", Role.AGENT, ("7.4.2",))
    assert phrase.prescribed == "您好"
    assert compiled.site.company_names == ("光明热力",)
    assert "greeting" in compiled
    assert len(compiled) == 1


MISTAKES = """\
phrasebook: test
phrases:
  Greeting:
    title: 问候
    role: nobody
    variants: [您好]
    examples: {hit: [您好。]}
"""
MORE_MISTAKES = """\
phrasebook: test
phrases:
  bad-id-:
    title: 问候
    role: agent
    banned: true
    variants:
      - 您好(请问
      - {say: "{姓名}您好", whole_utterance: true}
      - …您好
      - "[您好]"
    exceptions:
      not_after: ["[请]"]
    thresholds: {accept: 0.5, uncertain: 0.9}
    examples: {hit: [您好。]}
additions:
  nowhere: {variants: [您好]}
"""


def test_all_mistakes_are_told_with_their_places(book: Callable[..., Phrasebook]) -> None:
    with pytest.raises(PhrasebookError) as raised:
        book(MISTAKES, MORE_MISTAKES)
    told = {
        (Path(problem.path).name, problem.line, problem.column): problem.message
        for problem in raised.value.problems
    }
    expected = {
        ("book0.yaml", 5, 5): "nobody",
        ("book1.yaml", 3, 3): "小写字母",
        ("book1.yaml", 6, 5): "severity",
        ("book1.yaml", 8, 11): "没有配对",
        ("book1.yaml", 9, 16): "没有插槽 {姓名}",
        ("book1.yaml", 10, 9): "开头或结尾",
        ("book1.yaml", 11, 10): "固定的字",
        ("book1.yaml", 13, 20): "固定的字",
        ("book1.yaml", 14, 5): "uncertain 不能大于 accept",
        ("book1.yaml", 17, 3): "没有话术 nowhere",
    }
    assert set(told) == set(expected)
    for place, words in expected.items():
        assert words in told[place]


def test_an_id_may_be_used_once(book: Callable[..., Phrasebook]) -> None:
    with pytest.raises(PhrasebookError, match="编号不能重复"):
        book(GOOD, GOOD)


def test_a_variant_has_a_greatest_size(book: Callable[..., Phrasebook]) -> None:
    long = GOOD.replace("您好, ", f"({'|'.join(['您好吗'] * 150)}), ")
    with pytest.raises(PhrasebookError, match="请拆成几行"):
        book(long)


def test_other_books_may_add_variants(book: Callable[..., Phrasebook]) -> None:
    addition = "phrasebook: site\nadditions:\n  greeting: {variants: [晨安]}\n"
    compiled = book(GOOD, addition)
    assert [variant.text for variant in compiled["greeting"].variants][-1] == "晨安"


@pytest.mark.parametrize(
    ("paths", "message"), [(["missing"], "找不到话术库"), (["empty"], "没有话术库")]
)
def test_missing_phrasebooks(tmp_path: Path, paths: list[str], message: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PhrasebookError, match=message):
        phrasebook_files([tmp_path / path for path in paths], None)


def test_what_is_loaded_from_the_cache_is_what_was_compiled(
    tmp_path: Path, shipped: Phrasebook
) -> None:
    folder = ROOT / "phrasebooks"
    first = load_phrasebooks([folder], cache=tmp_path)
    files, site = phrasebook_files([folder], None)
    kept = read_book(tmp_path, content_hash(files, site), files)
    assert first == kept == load_phrasebooks([folder], cache=tmp_path)
    assert first.phrases == shipped.phrases


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1, 2", b'{"site": 1, "phrases": []}'])
def test_a_damaged_cache_is_no_cache(tmp_path: Path, damage: bytes) -> None:
    folder, cache = tmp_path / "books", tmp_path / "cache"
    folder.mkdir()
    (folder / "book.yaml").write_text(GOOD, encoding="utf-8")
    first = load_phrasebooks([folder], cache=cache)
    for file in cache.iterdir():
        file.write_bytes(damage)
    assert load_phrasebooks([folder], cache=cache) == first


def test_a_changed_phrasebook_is_compiled_again(tmp_path: Path) -> None:
    file, cache = tmp_path / "book.yaml", tmp_path / "cache"
    file.write_text(GOOD, encoding="utf-8")
    load_phrasebooks([file], cache=cache)
    file.write_text(GOOD.replace("title: 问候", "title: 招呼"), encoding="utf-8")
    assert load_phrasebooks([file], cache=cache)["greeting"].title == "招呼"


def test_an_unwritable_cache_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "book.yaml"
    file.write_text(GOOD, encoding="utf-8")
    assert len(load_phrasebooks([file], cache=file / "under-a-file")) == 1


def _plain(path: Path) -> Any:
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(path.read_text("utf-8"))))


@pytest.mark.parametrize(
    "path", [p for p in sorted((ROOT / "phrasebooks").glob("*.yaml")) if p.name != "site.yaml"]
)
def test_shipped_phrasebooks_satisfy_the_published_schema(path: Path) -> None:
    schema = phrasebook_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(_plain(path), schema, cls=jsonschema.Draft7Validator)


def test_the_schema_refuses_unknown_keys() -> None:
    wrong = {"phrasebook": "x", "phrases": {"a": {"title": "t", "role": "agent", "variant": []}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, phrasebook_schema(), cls=jsonschema.Draft7Validator)


def test_every_example_of_the_shipped_phrasebooks_holds(matcher: Matcher) -> None:
    assert [str(failure) for failure in check_examples(matcher)] == []


def test_every_shipped_phrase_has_examples_both_ways(shipped: Phrasebook) -> None:
    assert [phrase.id for phrase in shipped if not phrase.examples.miss] == []


def test_every_agent_phrase_that_is_judged_names_its_clause(shipped: Phrasebook) -> None:
    judged = [phrase for phrase in shipped if phrase.banned or phrase.prescribed]
    without = [phrase.id for phrase in judged if not phrase.clauses]
    assert set(without) == {"line-check", "rating-request"}


def test_a_wrong_example_is_reported(book: Callable[..., Phrasebook]) -> None:
    wrong = GOOD.replace("hit: [您好。], miss: [再见。]", "hit: [再见。], miss: [您好。]")
    failures = [str(failure) for failure in check_examples(Matcher(book(wrong)))]
    assert len(failures) == 2
    assert "没有找到" in failures[0]
    assert "不该" in failures[1]


def test_compiling_is_repeatable() -> None:
    folder = [ROOT / "phrasebooks"]
    assert compile_phrasebooks(folder) == compile_phrasebooks(folder)


def test_sounds_from_the_cache_find_the_same(tmp_path: Path, shipped: Phrasebook) -> None:
    utterance = say("您好，这电集团，公号零二七，请问有什么可以当您", Role.AGENT)
    fresh = Matcher(shipped).find([utterance], candidates=True)
    assert Matcher(shipped, tmp_path).find([utterance], candidates=True) == fresh
    assert list(tmp_path.glob("sounds-*"))
    assert Matcher(shipped, tmp_path).find([utterance], candidates=True) == fresh
    for file in tmp_path.iterdir():
        file.write_bytes(b"PK damaged")
    assert Matcher(shipped, tmp_path).find([utterance], candidates=True) == fresh


OWN_WORDS = """\
phrasebook: test
phrases:
  offer:
    title: 询问
    role: agent
    variants: [还有什么可以帮您, {say: "还有…{6}(帮|办)", weak: true}]
    examples: {hit: [还有什么可以帮您？], maybe: [您还有哪件事要我办？], miss: [还有两户没热。]}
"""


def test_own_words_are_for_a_person_to_judge(book: Callable[..., Phrasebook]) -> None:
    matcher = Matcher(book(OWN_WORDS))
    assert not check_examples(matcher)

    def found(text: str) -> list[tuple[str, str, bool]]:
        hits = matcher.find([say(text, Role.AGENT)]).hits
        return [(hit.quote, hit.method, hit.certain) for hit in hits]

    assert found("您还有哪件事要我办？") == [("还有哪件事要我办", "exact", False)]
    assert found("还有什么可以帮您？") == [("还有什么可以帮您", "exact", True)]
    # What is misheard of the phrase itself counts before the words that only may be it.
    assert [one[1:] for one in found("还有什么可以帮林？")] == [("phonetic", True)]
    assert not found("还有哪件事要我斑？"), "own words are never matched by their sound"
    # The sound may still decide that the phrase itself was said where own words were heard.
    matches = matcher.find([say("还有什么科技办脸？", Role.AGENT)], candidates=True)
    assert [hit.certain for hit in matches.hits] == [False]
    assert [candidate.phrase for candidate in matches.candidates] == ["offer"]


def test_an_example_that_is_certain_is_no_maybe(book: Callable[..., Phrasebook]) -> None:
    certain = OWN_WORDS.replace("maybe: [您还有哪件事要我办？]", "maybe: [还有什么可以帮您？]")
    (failure,) = check_examples(Matcher(book(certain)))
    assert "只该存疑地" in str(failure)
    absent = OWN_WORDS.replace("maybe: [您还有哪件事要我办？]", "maybe: [再见。]")
    (failure,) = check_examples(Matcher(book(absent)))
    assert "没有找到" in str(failure)


@pytest.mark.parametrize("kind", ["banned: true\n    severity: minor", "trigger: true"])
def test_no_accusation_rests_on_own_words(book: Callable[..., Phrasebook], kind: str) -> None:
    with pytest.raises(PhrasebookError, match="weak") as caught:
        book(OWN_WORDS.replace("role: agent", f"role: agent\n    {kind}"))
    assert len(caught.value.problems) == 1
