"""YAML → `Rulebook`, with every mistake of every file at its place, all at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from callaudit.checks import Knowledge
from callaudit.checks.holds import HoldSettings
from callaudit.checks.parameters import phrase_ids_of
from callaudit.checks.scenario import ScenarioSettings
from callaudit.errors import PhrasebookError, Problem, RulebookError
from callaudit.located_yaml import LocatedYaml, Location, problems_of, read_yaml
from callaudit.phrases.model import Phrasebook
from callaudit.phrases.phrasebook import content_hash, load_phrasebooks, phrasebook_files
from callaudit.rulebook.dialogue import DialogueError, parse_dialogue
from callaudit.rulebook.model import (
    ClauseModel,
    ClausesModel,
    ExtensionModel,
    GradeModel,
    Rule,
    Rulebook,
    RulebookModel,
)
from callaudit.rulebook.resources import shipped_rulebook

MAX_EXTENDS = 5

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class _Draft:
    """A rulebook before its names have been looked up.

    Attributes:
        documents: Files read, base first.
        settings: Where holds and scenario are written, for complaints.
    """

    id: str
    version: str
    title: str
    documents: tuple[LocatedYaml, ...]
    phrasebooks: tuple[Path, ...]
    site: Path | None
    clauses: Path
    categories: dict[str, str]
    grades: tuple[GradeModel, ...]
    holds: HoldSettings
    scenario: ScenarioSettings
    rules: tuple[Rule, ...]


def load_rulebook(path: Path | None = None, cache: Path | None = None) -> Rulebook:
    """Loads a rulebook.

    Args:
        path: The file; ``None`` for the shipped one.
        cache: Folder in which compiled phrasebooks are kept for the next run; ``None`` for none.

    Raises:
        RulebookError: With all mistakes in the rulebook's files.
        PhrasebookError: With all mistakes in its phrasebooks.
    """
    return _Loader(cache).load(path or shipped_rulebook())


@lru_cache(maxsize=4)
def _compiled(
    paths: tuple[Path, ...], site: Path | None, content: str, cache: Path | None
) -> Phrasebook:
    """Phrasebooks by content: the rulebooks of one process mostly share them."""
    return load_phrasebooks(paths, site, cache)


class _Loader:
    def __init__(self, cache: Path | None = None) -> None:
        self.problems: list[Problem] = []
        self.cache = cache

    def load(self, path: Path) -> Rulebook:
        draft = self._draft(path, depth=0)
        if draft is None:
            raise self._error(path)
        clauses, clause_document = self._clauses(draft)
        phrasebook = self._phrasebook(draft)
        self._check_names(draft, clauses, phrasebook)
        if self.problems:
            raise self._error(path)
        files, site = phrasebook_files(draft.phrasebooks, draft.site)
        snapshot = _snapshot(
            [
                *((Path(document.path), document.text) for document in draft.documents),
                (Path(clause_document.path), clause_document.text),
                *(
                    (file, file.read_text("utf-8-sig"))
                    for file in (*files, *([site] if site else []))
                ),
            ]
        )
        return Rulebook(
            id=draft.id,
            version=draft.version,
            title=draft.title,
            sha256=hashlib.sha256(snapshot.encode()).hexdigest(),
            snapshot=snapshot,
            documents=draft.documents,
            phrasebook=phrasebook,
            phrasebook_paths=draft.phrasebooks,
            clauses=clauses,
            categories=draft.categories,
            grades=tuple(sorted(draft.grades, key=lambda grade: -grade.at_least)),
            knowledge=Knowledge(phrasebook.phrases, draft.holds, draft.scenario),
            rules=draft.rules,
        )

    def _error(self, path: Path) -> RulebookError:
        problems = tuple(sorted(set(self.problems)))
        return RulebookError(f"规则书 {path} 有 {len(problems)} 处错误，不能使用", problems)

    # --- reading ----------------------------------------------------------------------------

    def _draft(self, path: Path, depth: int) -> _Draft | None:
        document = self._read(path)
        if document is None:
            return None
        if isinstance(document.data, dict) and "extends" in document.data:
            return self._extension(document, depth)
        model = self._validate(document, RulebookModel)
        if model is None:
            return None
        folder = path.parent
        return _Draft(
            id=model.id,
            version=model.version,
            title=model.title,
            documents=(document,),
            phrasebooks=tuple(folder / name for name in model.phrasebooks),
            site=folder / model.site if model.site else None,
            clauses=folder / model.clauses,
            categories=dict(model.categories),
            grades=model.grades,
            holds=model.holds,
            scenario=model.scenario,
            rules=tuple(
                Rule(rule, document, ("rules", index)) for index, rule in enumerate(model.rules)
            ),
        )

    def _extension(self, document: LocatedYaml, depth: int) -> _Draft | None:
        model = self._validate(document, ExtensionModel)
        if model is None:
            return None
        if depth >= MAX_EXTENDS:
            self._complain(document, ("extends",), f"extends 超过 {MAX_EXTENDS} 层，是否互相引用？")
            return None
        folder = Path(document.path).parent
        try:
            base_path = (
                folder / model.extends
                if model.extends.endswith((".yaml", ".yml"))
                else shipped_rulebook(model.extends)
            )
        except RulebookError as error:
            self._complain(document, ("extends",), error.message)
            return None
        base = self._draft(base_path, depth + 1)
        if base is None:
            return None
        rules = self._changed(document, model, base.rules)
        rules += [Rule(rule, document, ("rules", index)) for index, rule in enumerate(model.rules)]
        return replace(
            base,
            id=model.id,
            version=model.version,
            title=model.title or base.title,
            documents=(*base.documents, document),
            phrasebooks=(*base.phrasebooks, *(folder / name for name in model.phrasebooks)),
            site=folder / model.site if model.site else base.site,
            categories={**base.categories, **model.categories},
            grades=model.grades or base.grades,
            holds=self._patched(document, ("holds",), base.holds, model.holds),
            scenario=self._patched(document, ("scenario",), base.scenario, model.scenario),
            rules=tuple(rules),
        )

    def _changed(
        self, document: LocatedYaml, model: ExtensionModel, rules: tuple[Rule, ...]
    ) -> list[Rule]:
        known = {placed.model.id for placed in rules}
        for rule_id in model.change:
            if rule_id not in known:
                self._complain(document, ("change", rule_id), f"没有规则 {rule_id}，不能修改")
        changed = []
        for placed in rules:
            patch = model.change.get(placed.model.id)
            if patch is None:
                changed.append(placed)
                continue
            location: Location = ("change", placed.model.id)
            if "id" in patch:
                self._complain(document, (*location, "id"), "规则的编号不能修改")
                continue
            new = self._patched(document, location, placed.model, patch)
            changed.append(Rule(new, document, location))
        return changed

    def _patched(
        self, document: LocatedYaml, location: Location, model: Model, patch: dict[str, Any]
    ) -> Model:
        """A model with some of its values replaced; the old one if the patch is wrong."""
        if not patch:
            return model
        data = _merge(model.model_dump(mode="python", exclude_unset=True), patch)
        try:
            return type(model).model_validate(data)
        except ValidationError as cause:
            self.problems += problems_of(document, cause, location)
            return model

    def _read(self, path: Path) -> LocatedYaml | None:
        try:
            return read_yaml(path, RulebookError)
        except RulebookError as error:
            self.problems += error.problems or (Problem(str(path), 1, 1, error.message),)
            return None

    def _validate(self, document: LocatedYaml, model: type[Model]) -> Model | None:
        try:
            return model.model_validate(document.data)
        except ValidationError as cause:
            self.problems += problems_of(document, cause)
            return None

    # --- looking up names -----------------------------------------------------------------------

    def _clauses(self, draft: _Draft) -> tuple[Mapping[str, ClauseModel], LocatedYaml]:
        document = self._read(draft.clauses)
        if document is None:
            raise self._error(draft.clauses)
        model = self._validate(document, ClausesModel)
        return (model.clauses if model is not None else {}), document

    def _phrasebook(self, draft: _Draft) -> Phrasebook:
        try:
            files, site = phrasebook_files(draft.phrasebooks, draft.site)
            return _compiled(files, site, content_hash(files, site), self.cache)
        except PhrasebookError as error:
            if self.problems:  # report the rulebook's own mistakes together with these
                self.problems += error.problems
                raise self._error(Path(draft.documents[-1].path)) from None
            raise

    def _check_names(
        self, draft: _Draft, clauses: Mapping[str, ClauseModel], phrasebook: Phrasebook
    ) -> None:
        seen: dict[str, Rule] = {}
        for placed in draft.rules:
            rule, document, location = placed.model, placed.document, placed.location
            if rule.id in seen:
                first = seen[rule.id].document.position(seen[rule.id].location)
                self._complain(
                    document, (*location, "id"), f"规则编号 {rule.id} 重复，第 {first[0]} 行已有"
                )
            seen[rule.id] = placed
            if rule.category not in draft.categories:
                known = "、".join(draft.categories)
                self._complain(
                    document, (*location, "category"), f"没有类别 {rule.category}，可用：{known}"
                )
            for index, clause in enumerate(rule.clauses):
                if clause not in clauses:
                    self._complain(
                        document, (*location, "clauses", index), f"条款表里没有条款 {clause}"
                    )
            if rule.auto_fail and not rule.check.may_auto_fail:
                self._complain(
                    document,
                    (*location, "auto_fail"),
                    f"{rule.check.kind} 类规则靠声音或统计判断，不能一票否决",
                )
            self._check_phrases(document, (*location, "check"), rule.check, phrasebook)
            self._check_examples(placed)
        for name, settings in (("holds", draft.holds), ("scenario", draft.scenario)):
            self._check_phrases(draft.documents[-1], (name,), settings, phrasebook)

    def _check_phrases(
        self, document: LocatedYaml, location: Location, model: BaseModel, phrasebook: Phrasebook
    ) -> None:
        for phrase in sorted(phrase_ids_of(model)):
            if phrase not in phrasebook:
                places = list(_places_of(document.data, location, phrase)) or [location]
                for place in places:
                    self._complain(document, place, f"话术库里没有话术 {phrase}")

    def _check_examples(self, placed: Rule) -> None:
        for index, example in enumerate(placed.model.examples):
            location: Location = (*placed.location, "examples", index, "dialogue")
            try:
                parse_dialogue(example.dialogue)
            except DialogueError as error:
                self._complain(placed.document, location, f"对话{error}")

    def _complain(self, document: LocatedYaml, location: Location, message: str) -> None:
        self.problems.append(document.problem(location, message))


def _merge(base: Any, patch: Any) -> Any:
    """Mappings are merged key by key; anything else is replaced."""
    if isinstance(base, dict) and isinstance(patch, dict):
        merged = dict(base)
        for key, value in patch.items():
            merged[key] = _merge(base.get(key), value)
        return merged
    return patch


def _places_of(data: Any, location: Location, wanted: str) -> Iterator[Location]:
    """Locations below ``location`` whose value is ``wanted``."""
    for part in location:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return
    yield from _walk(data, location, wanted)


def _walk(data: Any, location: Location, wanted: str) -> Iterator[Location]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _walk(value, (*location, key), wanted)
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _walk(value, (*location, index), wanted)
    elif data == wanted:
        yield location


def _snapshot(files: list[tuple[Path, str]]) -> str:
    """All files in one text; only names, not folders, so that it is the same on every machine."""
    return "\n".join(f"# ---- {path.name} ----\n{text.rstrip()}\n" for path, text in files)
