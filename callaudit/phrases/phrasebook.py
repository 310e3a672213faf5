"""Phrasebooks (话术库): YAML in, `Phrasebook` out, every mistake with its place.

A phrasebook file::

    phrasebook: closing                  # name of the book
    title: 结束话术
    phrases:
      closing-offer:                     # id, kebab-case, never reused
        title: 询问是否还有需要
        role: agent                      # agent | customer | any
        clauses: ["7.4.12"]
        prescribed: 请问还有什么需要帮您？   # shown to users
        variants:                        # see `callaudit.phrases.notation`
          - 还有[什么|其他](需要|问题)
          - {say: (没了|没有了), whole_utterance: true}
        exceptions:
          not_after: [您说的]
        examples: {hit: [...], miss: [...]}
    additions:                           # more variants for phrases of other books
      greeting: {variants: [...]}

A site file (``site.yaml``) holds ``company_names`` and ``staff_number``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from callaudit.calls import Role
from callaudit.errors import PhrasebookError, Problem
from callaudit.located_yaml import LocatedYaml, Location, read_yaml, validate
from callaudit.phrases.book_cache import read_book, write_book
from callaudit.phrases.model import (
    Examples,
    Exceptions,
    Phrase,
    Phrasebook,
    Variant,
)
from callaudit.phrases.notation import (
    MAX_SIZE,
    NotationError,
    Site,
    has_open_end,
    may_be_empty,
    parse,
    regex,
    size,
)
from callaudit.phrases.schema import (
    ExamplesModel,
    ExceptionsModel,
    PhrasebookModel,
    PhraseModel,
    SiteModel,
    VariantModel,
)

SITE_FILE = "site.yaml"
_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def phrasebook_files(
    paths: Sequence[Path], site: Path | None
) -> tuple[tuple[Path, ...], Path | None]:
    """The phrasebook files behind files and folders, and the site file.

    A folder stands for its ``*.yaml`` files; its ``site.yaml`` is the site file unless one is
    given.

    Raises:
        PhrasebookError: A path does not exist, or nothing is found.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(file for file in path.glob("*.yaml") if file.name != SITE_FILE)
            if site is None and (path / SITE_FILE).is_file():
                site = path / SITE_FILE
        elif path.is_file():
            files.append(path)
        else:
            raise PhrasebookError(f"找不到话术库 {path}，请检查路径")
    if not files:
        raise PhrasebookError(
            f"{'、'.join(map(str, paths)) or '给定的路径'} 里没有话术库（*.yaml）"
        )
    return tuple(dict.fromkeys(files)), site


def content_hash(files: Sequence[Path], site: Path | None) -> str:
    """SHA-256 of the phrasebook files and the site file, in order."""
    digest = hashlib.sha256()
    for path in (*files, *([site] if site else [])):
        try:
            content = path.read_bytes()
        except OSError as cause:
            raise PhrasebookError(f"读不到文件 {path}：{cause.strerror or cause}") from None
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()


def compile_phrasebooks(paths: Sequence[Path], site: Path | None = None) -> Phrasebook:
    """Reads and compiles phrasebooks, without the cache.

    Args:
        paths: Files and folders (see `phrasebook_files`).
        site: Site file; ``None`` for the one in a folder, or the defaults.

    Raises:
        PhrasebookError: With all mistakes of all files, each with its place.
    """
    files, site = phrasebook_files(paths, site)
    problems: list[Problem] = []
    place = _read_site(site, problems)
    books: list[tuple[LocatedYaml, PhrasebookModel]] = []
    for file in files:
        try:
            document = read_yaml(file, PhrasebookError)
            books.append((document, validate(document, PhrasebookModel, PhrasebookError)))
        except PhrasebookError as error:
            problems += error.problems or (Problem(str(file), 1, 1, error.message),)
    phrases: dict[str, Phrase] = {}
    for document, book in books:
        for phrase in _Compiler(document, place, problems).phrases(book):
            if phrase.id in phrases:
                problems.append(
                    document.problem(
                        ("phrases", phrase.id),
                        f"话术 {phrase.id} 已经写在 {phrases[phrase.id].place}，编号不能重复",
                    )
                )
            phrases.setdefault(phrase.id, phrase)
    for document, book in books:
        _Compiler(document, place, problems).add(book, phrases)
    if problems:
        raise PhrasebookError(f"话术库有 {len(problems)} 处错误", tuple(sorted(set(problems))))
    ordinary = tuple(dict.fromkeys(text for _, book in books for text in book.ordinary))
    return Phrasebook(phrases, place, ordinary, content_hash(files, site))


def _read_site(path: Path | None, problems: list[Problem]) -> Site:
    if path is None:
        return Site()
    try:
        document = read_yaml(path, PhrasebookError)
        model = validate(document, SiteModel, PhrasebookError)
    except PhrasebookError as error:
        problems += error.problems or (Problem(str(path), 1, 1, error.message),)
        return Site()
    low, high = model.staff_number.min_digits, model.staff_number.max_digits
    if low > high:
        problems.append(document.problem(("staff_number",), "max_digits 不能小于 min_digits"))
    for index, name in enumerate(model.company_names):
        if not name.strip():
            problems.append(document.problem(("company_names", index), "单位名称不能为空"))
    return Site(tuple(model.company_names), (low, high))


class _Compiler:
    """Compiles one file; mistakes are collected."""

    def __init__(self, document: LocatedYaml, site: Site, problems: list[Problem]) -> None:
        self.document = document
        self.site = site
        self.problems = problems

    def phrases(self, book: PhrasebookModel) -> list[Phrase]:
        common = self._exceptions(book.exceptions, ("exceptions",))
        return [self._phrase(phrase_id, model, common) for phrase_id, model in book.phrases.items()]

    def add(self, book: PhrasebookModel, phrases: dict[str, Phrase]) -> None:
        """Applies the additions of a book to phrases of any book."""
        for phrase_id, model in book.additions.items():
            location: Location = ("additions", phrase_id)
            if phrase_id not in phrases:
                self._complain(location, f"没有话术 {phrase_id}，不能给它增加说法")
                continue
            phrase = phrases[phrase_id]
            self._check_weak(model.variants, location, not phrase.is_duty)
            examples = model.examples or ExamplesModel.model_construct(hit=[])
            phrases[phrase_id] = replace(
                phrase,
                variants=phrase.variants + self._variants(model.variants, location),
                exceptions=phrase.exceptions
                + self._exceptions(model.exceptions, (*location, "exceptions")),
                examples=Examples(
                    phrase.examples.hit + tuple(examples.hit),
                    phrase.examples.maybe + tuple(examples.maybe),
                    phrase.examples.miss + tuple(examples.miss),
                ),
            )

    def _phrase(self, phrase_id: str, model: PhraseModel, common: Exceptions) -> Phrase:
        location: Location = ("phrases", phrase_id)
        if not _ID.fullmatch(phrase_id):
            self._complain(location, f"编号 {phrase_id} 应当由小写字母、数字和连字符组成")
        if model.banned and model.severity == "none":
            self._complain(
                (*location, "banned"), "禁语要写明轻重 severity：minor、major 或 serious"
            )
        self._check_weak(model.variants, location, model.banned or model.trigger)
        given = model.thresholds
        if (given.uncertain or 0.0) > (1.0 if given.accept is None else given.accept):
            self._complain((*location, "thresholds"), "uncertain 不能大于 accept")
        line, _ = self.document.position(location)
        return Phrase(
            id=phrase_id,
            title=model.title,
            prescribed=model.prescribed,
            role=None if model.role == "any" else Role(model.role),
            clauses=tuple(model.clauses),
            severity=model.severity,
            banned=model.banned,
            trigger=model.trigger,
            strictness=model.strictness,
            verbatim=model.verbatim,
            word_borders=model.word_borders,
            homophones=model.homophones,
            guess=model.banned and model.guess,
            tells_role=model.tells_role,
            variants=self._variants(model.variants, location),
            exceptions=common + self._exceptions(model.exceptions, (*location, "exceptions")),
            examples=Examples(
                tuple(model.examples.hit),
                tuple(model.examples.maybe),
                tuple(model.examples.miss),
            ),
            accept=given.accept,
            uncertain=given.uncertain,
            acoustic=given.acoustic,
            place=f"{self.document.path}:{line}",
        )

    def _check_weak(
        self, models: Sequence[str | VariantModel], location: Location, refused: bool
    ) -> None:
        """An accusation, or what makes a duty arise, must not rest on what only may be it."""
        for index, model in enumerate(models):
            if refused and isinstance(model, VariantModel) and model.weak:
                self._complain(
                    (*location, "variants", index), "禁语和触发语不能有 weak（存疑）的说法"
                )

    def _variants(
        self, models: Sequence[str | VariantModel], location: Location
    ) -> tuple[Variant, ...]:
        variants: list[Variant] = []
        for index, model in enumerate(models):
            place: Location = (*location, "variants", index)
            if isinstance(model, str):
                variant = self._variant(VariantModel.model_construct(say=model), place)
            else:
                variant = self._variant(model, (*place, "say"))
            if variant is not None:
                variants.append(variant)
        return tuple(variants)

    def _variant(self, model: VariantModel, location: Location) -> Variant | None:
        text = model.say
        try:
            sequence = parse(text, self.site)
            if may_be_empty(sequence):
                raise NotationError("有一种说法里没有固定的字，会在任何地方找到", 0)
            if has_open_end(sequence):
                raise NotationError("间隔 … 不能在开头或结尾", 0)
            if size(sequence) > MAX_SIZE:
                raise NotationError(f"这个变体超过 {MAX_SIZE} 个字，请拆成几行", 0)
        except NotationError as error:
            self._complain(location, f"变体 {text}：{error}", text, error.offset)
            return None
        return Variant(
            text=text,
            sequence=sequence,
            whole_utterance=model.whole_utterance,
            before_break=model.before_break,
            inside=model.inside,
            exact=model.exact or model.fallback,
            weak=model.weak,
            fallback=model.fallback,
        )

    def _exceptions(self, model: ExceptionsModel, location: Location) -> Exceptions:
        return Exceptions(
            self._patterns(model.not_before, (*location, "not_before")),
            self._patterns(model.not_after, (*location, "not_after")),
            self._patterns(model.not_inside, (*location, "not_inside")),
            self._patterns(model.not_containing, (*location, "not_containing")),
        )

    def _patterns(self, texts: Sequence[str], location: Location) -> tuple[str, ...]:
        patterns: list[str] = []
        for index, text in enumerate(texts):
            try:
                sequence = parse(text, self.site)
                if may_be_empty(sequence):
                    raise NotationError("例外里要有固定的字", 0)
                patterns.append(regex(sequence))
            except NotationError as error:
                self._complain((*location, index), f"例外 {text}：{error}", text, error.offset)
        return tuple(patterns)

    def _complain(self, location: Location, message: str, text: str = "", offset: int = 0) -> None:
        """Adds a problem; with the text of a variant, the column points at its character."""
        line, column = self.document.position(location)
        if text:
            lines = self.document.text.splitlines()
            found = lines[line - 1].find(text, column - 1) if line <= len(lines) else -1
            if found >= 0:
                column = found + 1 + offset
        self.problems.append(Problem(self.document.path, line, column, message))


def load_phrasebooks(
    paths: Sequence[Path], site: Path | None = None, cache: Path | None = None
) -> Phrasebook:
    """Phrasebooks, compiled; from the cache when nothing has changed.

    Args:
        paths: Files and folders (see `phrasebook_files`).
        site: Site file; ``None`` for the one in a folder, or the defaults.
        cache: Folder for compiled phrasebooks; ``None`` for none.

    Raises:
        PhrasebookError: With all mistakes of all files, each with its place.
    """
    if cache is None:
        return compile_phrasebooks(paths, site)
    files, site = phrasebook_files(paths, site)
    kept = read_book(cache, content_hash(files, site), files)
    if kept is not None:
        return kept
    book = compile_phrasebooks(paths, site)
    write_book(cache, book, files)
    return book
