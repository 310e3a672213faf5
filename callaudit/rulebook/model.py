"""What a rulebook file may contain, and the `Rulebook` that comes out of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Field

from callaudit.calls import CallMetadata, CallTimeline, Outcome, Verdict
from callaudit.checks import Case, Check, Finding, Knowledge, kinds
from callaudit.checks.holds import HoldSettings
from callaudit.checks.parameters import Parameters
from callaudit.checks.scenario import ScenarioSettings
from callaudit.located_yaml import LocatedYaml, Location
from callaudit.phrases.model import Phrasebook

logger = logging.getLogger(__name__)

SCHEMA = "callaudit.rulebook/1"

if TYPE_CHECKING:
    AnyCheck = Check
else:
    AnyCheck = Annotated[Union[tuple(kinds().values())], Field(discriminator="kind")]  # noqa: UP007

RuleId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]


class PerOccurrence(Parameters):
    """Points deducted for each occurrence, up to a cap."""

    points: float = Field(gt=0, description="每次扣的分")
    cap: float | None = Field(default=None, gt=0, description="最多扣的分；不写为本条的全部分值")


def _known_fields(value: object) -> object:
    """Refuses metadata that nobody would ever read."""
    if isinstance(value, dict):
        known = CallMetadata.__dataclass_fields__
        unknown = [str(name) for name in value if name not in known]
        if unknown:
            raise ValueError(f"没有元数据字段 {'、'.join(unknown)}，可用：{'、'.join(known)}")
    return value


class Example(Parameters):
    """A tiny dialogue with the verdict that it must get."""

    name: str = Field(default="", description="说明")
    expect: Literal["pass", "fail", "not_applicable", "uncertain"] = Field(description="应有的判定")
    dialogue: str = Field(min_length=1, description="对话，每行一句，坐席/客户开头")
    metadata: Annotated[CallMetadata, BeforeValidator(_known_fields)] = Field(
        default=CallMetadata(), description="通话元数据"
    )
    at: str | None = Field(
        default=None,
        pattern=r"^[\d:.]+-[\d:.]+$",
        description="依据所在的时段，如 00:31-00:54；容差半秒",
    )
    points_lost: float | None = Field(default=None, ge=0, description="应扣的分")


class RuleModel(Parameters):
    """One rule as written."""

    id: RuleId = Field(description="编号，出现在报告和申诉里，永不改作他用")
    title: str = Field(min_length=1, description="中文名称")
    clauses: tuple[str, ...] = Field(min_length=1, description="规范条款号，要加引号")
    category: str = Field(description="类别编号")
    points: float = Field(ge=0, description="分值")
    auto_fail: bool = Field(default=False, description="一票否决")
    status: Literal["active", "experimental", "off"] = Field(
        default="active", description="active 启用；experimental 只显示不计分；off 停用"
    )
    per_occurrence: PerOccurrence | None = Field(default=None, description="按次扣分")
    rationale: str = Field(default="", description="为什么有这条规则")
    tip: str = Field(default="", description="辅导提示：应当怎样说、怎样做")
    check: AnyCheck = Field(description="怎样检查")
    examples: tuple[Example, ...] = Field(default=(), description="合格与不合格的小对话")


class GradeModel(Parameters):
    """A grade and the percentage from which it is given."""

    name: str = Field(min_length=1, description="等级名称")
    at_least: float = Field(ge=0, le=100, description="得分率不低于多少")


class RulebookModel(Parameters):
    """A complete rulebook file."""

    schema_: Literal["callaudit.rulebook/1"] = Field(alias="schema", description="文件格式")
    id: str = Field(min_length=1, description="规则书编号")
    version: str = Field(min_length=1, description="版本，要加引号")
    title: str = Field(min_length=1, description="名称")
    phrasebooks: tuple[str, ...] = Field(min_length=1, description="话术库文件或文件夹")
    site: str | None = Field(default=None, description="单位信息文件")
    clauses: str = Field(description="条款表文件")
    categories: dict[str, str] = Field(min_length=1, description="类别编号与名称")
    grades: tuple[GradeModel, ...] = Field(min_length=1, description="等级")
    holds: HoldSettings = Field(default=HoldSettings(), description="怎样认出等待")
    scenario: ScenarioSettings = Field(default=ScenarioSettings(), description="怎样认出来电类型")
    rules: tuple[RuleModel, ...] = Field(min_length=1, description="规则")


class ExtensionModel(Parameters):
    """A file with a site's changes to another rulebook."""

    schema_: Literal["callaudit.rulebook/1"] = Field(alias="schema", description="文件格式")
    extends: str = Field(min_length=1, description="在哪本规则书上修改：随软件的名称或文件路径")
    id: str = Field(min_length=1, description="规则书编号")
    version: str = Field(min_length=1, description="版本，要加引号")
    title: str | None = Field(default=None, description="名称")
    phrasebooks: tuple[str, ...] = Field(default=(), description="另外的话术库")
    site: str | None = Field(default=None, description="单位信息文件，代替原来的")
    categories: dict[str, str] = Field(default_factory=dict, description="增改的类别")
    grades: tuple[GradeModel, ...] | None = Field(default=None, description="代替原来的等级")
    holds: dict[str, Any] = Field(default_factory=dict, description="修改的等待设置")
    scenario: dict[str, Any] = Field(default_factory=dict, description="修改的来电类型设置")
    change: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="按编号修改规则：分值、状态、check 的参数 …"
    )
    rules: tuple[RuleModel, ...] = Field(default=(), description="另外的规则")


class ClauseModel(Parameters):
    """One clause of the regulation."""

    text: str = Field(min_length=1, description="条款摘要")
    how: tuple[Literal["auto", "meta", "human", "not_audible"], ...] = Field(
        min_length=1, description="录音能怎样检查"
    )
    note: str = Field(default="", description="说明")


class ClausesModel(Parameters):
    """The clause table."""

    source: str = Field(min_length=1, description="规范名称")
    clauses: dict[str, ClauseModel] = Field(min_length=1, description="条款")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that can judge.

    Attributes:
        model: As written (after a site's changes).
        document: The file in which it, or the last change of it, is written.
        location: Where in the file.
    """

    model: RuleModel
    document: LocatedYaml
    location: Location

    @property
    def id(self) -> str:
        """The rule's id."""
        return self.model.id

    @property
    def place(self) -> str:
        """``file:line`` where it is written."""
        return f"{self.document.path}:{self.document.position(self.location)[0]}"

    @property
    def check(self) -> Check:
        """How it is checked."""
        return self.model.check

    def verdict(self, finding: Finding) -> Verdict:
        """Turns a finding into points."""
        rule = self.model
        experimental = rule.status == "experimental"
        return Verdict(
            rule=rule.id,
            title=rule.title,
            clauses=rule.clauses,
            category=rule.category,
            outcome=finding.outcome,
            points_lost=self._points_lost(finding),
            points_max=rule.points,
            reason=finding.reason,
            evidence=finding.evidence,
            auto_fail=rule.auto_fail and not experimental and finding.outcome == Outcome.FAIL,
            experimental=experimental,
        )

    def _points_lost(self, finding: Finding) -> float | None:
        rule = self.model
        if finding.outcome == Outcome.PASS:
            return 0.0
        if finding.outcome != Outcome.FAIL:
            return None
        if rule.per_occurrence is None:
            return round(rule.points * finding.share, 2)
        deduction = rule.per_occurrence
        cap = rule.points if deduction.cap is None else min(rule.points, deduction.cap)
        return round(min(cap, deduction.points * finding.occurrences * finding.share), 2)


@dataclass(frozen=True)
class Rulebook:
    """A loaded rulebook: immutable, hashable by ``sha256``, ready to judge.

    Attributes:
        sha256: Hash of ``snapshot``.
        snapshot: The text of every file that it was made from.
        documents: The rulebook's own files, a site's changes last.
        clauses: Regulation by clause id.
        categories: Category id → Chinese name, in order of display.
        grades: From best to worst.
        rules: In order; those that are switched off are kept, but never judge.
    """

    id: str
    version: str
    title: str
    sha256: str
    snapshot: str
    documents: tuple[LocatedYaml, ...]
    phrasebook: Phrasebook
    phrasebook_paths: tuple[Path, ...]
    clauses: Mapping[str, ClauseModel]
    categories: Mapping[str, str]
    grades: tuple[GradeModel, ...]
    knowledge: Knowledge
    rules: tuple[Rule, ...]

    def rule(self, rule_id: str) -> Rule:
        """A rule by its id.

        Raises:
            KeyError: There is none.
        """
        return self._by_id[rule_id]

    @cached_property
    def _by_id(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def _judging(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.model.status != "off")

    def judge(
        self, call: CallTimeline, kept: Mapping[str, Verdict] = MappingProxyType({})
    ) -> tuple[Verdict, ...]:
        """Judges a call by every rule that is not switched off, in the rulebook's order.

        A check that crashes gives the outcome ``error`` for its rule and leaves the others alone.

        Args:
            call: What was heard.
            kept: Verdicts that are known to hold, by rule; only the others are made.
        """
        case = Case(call, self.knowledge)
        return tuple(kept.get(rule.id) or self._verdict(rule, case) for rule in self._judging)

    def judge_rule(self, rule_id: str, call: CallTimeline) -> Verdict:
        """Judges a call by one rule, switched off or not."""
        return self._verdict(self.rule(rule_id), Case(call, self.knowledge))

    def _verdict(self, rule: Rule, case: Case) -> Verdict:
        try:
            finding = rule.check.judge(case)
        except Exception as cause:  # one broken check must not cost the other verdicts
            logger.exception("rule %s crashed", rule.id)
            finding = Finding(
                Outcome.ERROR, f"检查程序出错（{type(cause).__name__}：{cause}），本条没有判定"
            )
        return rule.verdict(finding)
