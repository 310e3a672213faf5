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
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from callaudit.calls import Role
from callaudit.errors import PhrasebookError, Problem
from callaudit.located_yaml import LocatedYaml, Location, read_yaml, validate
from callaudit.phrases.model import (
    Examples,
    Exceptions,
    Phrase,
    Phrasebook,
    Severity,
    Strictness,
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

SITE_FILE = "site.yaml"
_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VariantModel(_Strict):
    """A variant with options."""

    say: str = Field(min_length=1, description="说法，用变体写法")
    whole_utterance: bool = Field(False, description="只有整句话就是它时才算")
    before_break: bool = Field(False, description="只有后面停顿（标点）或说完时才算")
    inside: bool = Field(False, description="只有前面还说了别的话时才算")
    exact: bool = Field(False, description="只按字面找，不按读音找")


class ExceptionsModel(_Strict):
    """例外：上下文里有这些话时，不算说了这句话术。"""

    not_before: list[str] = Field([], description="后面紧跟着这些话时不算")
    not_after: list[str] = Field([], description="前面紧挨着这些话时不算")
    not_inside: list[str] = Field([], description="是这些话的一部分时不算")
    not_containing: list[str] = Field([], description="里面夹着这些话时不算")


class ExamplesModel(_Strict):
    """例句，测试时逐句检查。"""

    hit: list[str] = Field(min_length=1, description="应当找到的例句")
    miss: list[str] = Field([], description="不应当找到的例句")


class ThresholdsModel(_Strict):
    """代替默认门槛的分数，0 到 1。"""

    accept: float | None = Field(None, ge=0, le=1, description="读音相似度达到它就算说了")
    uncertain: float | None = Field(None, ge=0, le=1, description="读音相似度达到它就请人复核")
    acoustic: float | None = Field(None, ge=0, le=1, description="声学得分达到它就算说了")


class PhraseModel(_Strict):
    """一句话术。"""

    title: str = Field(min_length=1, description="中文名称")
    role: Literal["agent", "customer", "any"] = Field(description="谁说的：坐席、客户或任何人")
    clauses: list[str] = Field([], description="规范条款号")
    severity: Severity = Field("none", description="禁语的轻重")
    banned: bool = Field(False, description="是否禁语；禁语需要更强的依据")
    trigger: bool = Field(False, description="只用来判断场景或引出义务；存疑的不算")
    strictness: Strictness = Field("phonetic", description="最低要求：字面、读音或声学")
    prescribed: str = Field("", description="报告里给出的规范说法")
    variants: list[str | VariantModel] = Field(min_length=1, description="各种说法")
    exceptions: ExceptionsModel = Field(ExceptionsModel(), description="例外")
    examples: ExamplesModel = Field(description="例句")
    thresholds: ThresholdsModel = Field(ThresholdsModel(), description="门槛")
    verbatim: bool = Field(False, description="保留语气词和重复（用于口病语）")
    word_borders: bool = Field(False, description="只在词的边界上算")
    homophones: bool = Field(False, description="两个字的说法，同音即可")
    tells_role: float = Field(
        0.0, ge=0, le=5, description="说了它多大程度上表明说话人就是这个角色（对数几率）"
    )


class AdditionModel(_Strict):
    """给其他话术库里的话术增加说法。"""

    variants: list[str | VariantModel] = Field([], description="增加的说法")
    exceptions: ExceptionsModel = Field(ExceptionsModel(), description="增加的例外")
    examples: ExamplesModel | None = Field(None, description="增加的例句")


class PhrasebookModel(_Strict):
    """话术库文件。"""

    phrasebook: str = Field(min_length=1, description="话术库的名字")
    title: str = Field("", description="中文名称")
    exceptions: ExceptionsModel = Field(ExceptionsModel(), description="本库所有话术共同的例外")
    phrases: dict[str, PhraseModel] = Field({}, description="话术，键是编号")
    additions: dict[str, AdditionModel] = Field({}, description="给其他库的话术增加说法")


class StaffNumberModel(_Strict):
    """工号的位数。"""

    min_digits: int = Field(2, ge=1, le=12)
    max_digits: int = Field(8, ge=1, le=12)


class SiteModel(_Strict):
    """单位信息文件。"""

    company_names: list[str] = Field(min_length=1, description="单位名称的各种说法")
    staff_number: StaffNumberModel = Field(StaffNumberModel(), description="工号的位数")


def phrasebook_schema() -> dict[str, Any]:
    """JSON Schema (draft 7) of a phrasebook file, for editors."""
    schema: dict[str, Any] = PhrasebookModel.model_json_schema(ref_template="#/definitions/{model}")
    schema["definitions"] = schema.pop("$defs")
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema}


def phrasebook_files(paths: Sequence[Path], site: Path | None) -> tuple[tuple[Path, ...], Path | None]:
    """The phrasebook files behind files and folders, and the site file.

    A folder stands for its ``*.yaml`` files; its ``site.yaml`` is the site file unless one is given.

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
        raise PhrasebookError(f"{'、'.join(map(str, paths)) or '给定的路径'} 里没有话术库（*.yaml）")
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
    return Phrasebook(phrases, place, content_hash(files, site))


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
        return [
            self._phrase(phrase_id, model, common) for phrase_id, model in book.phrases.items()
        ]

    def add(self, book: PhrasebookModel, phrases: dict[str, Phrase]) -> None:
        """Applies the additions of a book to phrases of any book."""
        for phrase_id, model in book.additions.items():
            location: Location = ("additions", phrase_id)
            if phrase_id not in phrases:
                self._complain(location, f"没有话术 {phrase_id}，不能给它增加说法")
                continue
            phrase = phrases[phrase_id]
            examples = model.examples or ExamplesModel.model_construct(hit=[], miss=[])
            phrases[phrase_id] = replace(
                phrase,
                variants=phrase.variants + self._variants(model.variants, location),
                exceptions=phrase.exceptions
                + self._exceptions(model.exceptions, (*location, "exceptions")),
                examples=Examples(
                    phrase.examples.hit + tuple(examples.hit),
                    phrase.examples.miss + tuple(examples.miss),
                ),
            )

    def _phrase(self, phrase_id: str, model: PhraseModel, common: Exceptions) -> Phrase:
        location: Location = ("phrases", phrase_id)
        if not _ID.fullmatch(phrase_id):
            self._complain(location, f"编号 {phrase_id} 应当由小写字母、数字和连字符组成")
        if model.banned and model.severity == "none":
            self._complain((*location, "banned"), "禁语要写明轻重 severity：minor、major 或 serious")
        given = model.thresholds
        if given.accept is not None and given.uncertain is not None:
            if given.uncertain > given.accept:
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
            tells_role=model.tells_role,
            variants=self._variants(model.variants, location),
            exceptions=common + self._exceptions(model.exceptions, (*location, "exceptions")),
            examples=Examples(tuple(model.examples.hit), tuple(model.examples.miss)),
            accept=given.accept,
            uncertain=given.uncertain,
            acoustic=given.acoustic,
            place=f"{self.document.path}:{line}",
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
            exact=model.exact,
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
    """Phrasebooks, compiled (see `compile_phrasebooks`)."""
    return compile_phrasebooks(paths, site)
