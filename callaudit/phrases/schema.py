"""The YAML language of phrasebooks as pydantic models; descriptions are shown by editors."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from callaudit.phrases.model import Severity, Strictness


def _described(description: str) -> ConfigDict:
    return ConfigDict(json_schema_extra={"description": description})


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VariantModel(_Strict):
    """A variant with options."""

    model_config = _described("一种说法和它的选项")

    say: str = Field(min_length=1, description="说法，用变体写法")
    whole_utterance: bool = Field(default=False, description="只有整句话就是它时才算")
    before_break: bool = Field(default=False, description="只有后面停顿（标点）或说完时才算")
    inside: bool = Field(default=False, description="只有前面还说了别的话时才算")
    exact: bool = Field(default=False, description="只按字面找，不按读音找")
    weak: bool = Field(
        default=False, description="可能是用自己的话说的：只按字面找，只请人复核（义务类话术可用）"
    )
    fallback: bool = Field(
        default=False, description="只按字面找，而且只在别的说法按字面、按读音都不能确定时才用"
    )


class ExceptionsModel(_Strict):
    """Contexts in which a wording does not count."""

    model_config = _described(
        "例外：上下文里有这些话时，不算说了这句话术。义务类话术的例外只在同一句话里找（句号、问号、叹号为界，"
        "换一段话也为界），只有一个字的要紧挨着；禁语和触发语的例外在前后 24 个字里找"
    )

    not_before: list[str] = Field(default=[], description="后面紧跟着这些话时不算")
    not_after: list[str] = Field(default=[], description="前面紧挨着这些话时不算")
    not_inside: list[str] = Field(default=[], description="是这些话的一部分时不算")
    not_containing: list[str] = Field(default=[], description="里面夹着这些话时不算")


class ExamplesModel(_Strict):
    """Sentences that are tested."""

    model_config = _described("例句，测试时逐句检查")

    hit: list[str] = Field(min_length=1, description="应当找到的例句")
    maybe: list[str] = Field(default=[], description="应当存疑、请人复核的例句")
    miss: list[str] = Field(default=[], description="不应当找到的例句")


class ThresholdsModel(_Strict):
    """Scores that replace the defaults."""

    model_config = _described("代替默认门槛的分数，0 到 1")

    accept: float | None = Field(default=None, ge=0, le=1, description="读音相似度达到它就算说了")
    uncertain: float | None = Field(
        default=None, ge=0, le=1, description="读音相似度达到它就请人复核"
    )
    acoustic: float | None = Field(default=None, ge=0, le=1, description="声学得分达到它就算说了")


class PhraseModel(_Strict):
    """One thing that can be said."""

    model_config = _described("一句话术")

    title: str = Field(min_length=1, description="中文名称")
    role: Literal["agent", "customer", "any"] = Field(description="谁说的：坐席、客户或任何人")
    clauses: list[str] = Field(default=[], description="规范条款号")
    severity: Severity = Field(default="none", description="禁语的轻重")
    banned: bool = Field(default=False, description="是否禁语；禁语需要更强的依据")
    trigger: bool = Field(default=False, description="只用来判断场景或引出义务；存疑的不算")
    strictness: Strictness = Field(default="phonetic", description="最低要求：字面、读音或声学")
    prescribed: str = Field(default="", description="报告里给出的规范说法")
    variants: list[str | VariantModel] = Field(min_length=1, description="各种说法")
    exceptions: ExceptionsModel = Field(default=ExceptionsModel(), description="例外")
    examples: ExamplesModel = Field(description="例句")
    thresholds: ThresholdsModel = Field(default=ThresholdsModel(), description="门槛")
    guess: bool = Field(
        default=True, description="禁语：没有写进来、但措辞与它相像的话，是否请人复核"
    )
    verbatim: bool = Field(default=False, description="保留语气词和重复（用于口病语）")
    word_borders: bool = Field(default=False, description="只在词的边界上算")
    homophones: bool = Field(default=False, description="两个字的说法，同音即可")
    tells_role: float = Field(
        default=0.0, ge=0, le=5, description="多大程度上表明说话人就是这个角色（对数几率）"
    )


class AdditionModel(_Strict):
    """More of a phrase of another book."""

    model_config = _described("给其他话术库里的话术增加说法")

    variants: list[str | VariantModel] = Field(default=[], description="增加的说法")
    exceptions: ExceptionsModel = Field(default=ExceptionsModel(), description="增加的例外")
    examples: ExamplesModel | None = Field(default=None, description="增加的例句")


class PhrasebookModel(_Strict):
    """A phrasebook file."""

    model_config = _described("话术库文件")

    phrasebook: str = Field(min_length=1, description="话术库的名字")
    title: str = Field(default="", description="中文名称")
    exceptions: ExceptionsModel = Field(
        default=ExceptionsModel(), description="本库所有话术共同的例外"
    )
    phrases: dict[str, PhraseModel] = Field(default={}, description="话术，键是编号")
    additions: dict[str, AdditionModel] = Field(default={}, description="给其他库的话术增加说法")
    ordinary: list[str] = Field(
        default=[], description="平常的话，不算禁语；用来分辨措辞像禁语的话，误报的句子加在这里"
    )


class StaffNumberModel(_Strict):
    """How many digits a staff number has."""

    model_config = _described("工号的位数")

    min_digits: int = Field(default=2, ge=1, le=12)
    max_digits: int = Field(default=8, ge=1, le=12)


class SiteModel(_Strict):
    """A site file."""

    model_config = _described("单位信息文件")

    company_names: list[str] = Field(min_length=1, description="单位名称的各种说法")
    staff_number: StaffNumberModel = Field(default=StaffNumberModel(), description="工号的位数")


def phrasebook_schema() -> dict[str, Any]:
    """JSON Schema (draft 7) of a phrasebook file, for editors."""
    schema: dict[str, Any] = PhrasebookModel.model_json_schema(ref_template="#/definitions/{model}")
    schema["definitions"] = schema.pop("$defs")
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
