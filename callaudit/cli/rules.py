"""``callaudit rules``: rulebooks checked, tested, shown, compared, tried."""

from __future__ import annotations

import json
import sys
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callaudit.cli.chinese import ChineseCommand, group
from callaudit.cli.output import console, deliver, save, say
from callaudit.errors import ConfigError

if TYPE_CHECKING:
    from callaudit.calls import Verdict
    from callaudit.rulebook import Rulebook
    from callaudit.rulebook.coverage import CoverageRow
    from callaudit.rulebook.trial import Trial

rules = group("检查、测试、查看、比较和试用规则书。")

MISTAKES = 2
EXAMPLES_FAILED = 1

RulebookArgument = Annotated[
    Path | None, typer.Argument(metavar="规则书", help="规则书文件；不写则用随软件提供的")
]
RulebookChoice = Annotated[
    Path | None, typer.Option("--rulebook", metavar="文件", help="规则书；不写则用随软件提供的")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="文件", help="写到文件；不写则输出到屏幕")
]


class CoverageFormat(StrEnum):
    """How the matrix is shown."""

    TERMINAL = "terminal"
    HTML = "html"
    CSV = "csv"


class SchemaKind(StrEnum):
    """Which kind of file."""

    RULEBOOK = "rulebook"
    PHRASEBOOK = "phrasebook"


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(rules, name="rules")


@rules.command("lint", cls=ChineseCommand)
def lint(rulebook: RulebookArgument = None) -> int:
    """检查规则书和话术库，一次列出所有错误及其行列。"""
    from callaudit.rulebook.lint import lint as find_problems
    from callaudit.settings import load_settings

    problems = find_problems(load_settings(rulebook=rulebook).rulebook)
    for problem in problems:
        typer.echo(str(problem))
    if problems:
        say(f"共 {len(problems)} 处问题。")
        return MISTAKES
    loaded = _load(rulebook)
    typer.echo(f"{loaded.title}（{loaded.id} 第 {loaded.version} 版）：没有发现问题。")
    return 0


@rules.command("test", cls=ChineseCommand)
def test(
    rulebook: RulebookArgument = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="文件", help="把结果写成 JUnit XML")
    ] = None,
) -> int:
    """运行规则书里的示例，不符合预期的列出来。"""
    from callaudit.rulebook.examples import junit as junit_xml
    from callaudit.rulebook.examples import run_examples

    results = list(run_examples(_load(rulebook)))
    wrong = [result for result in results if result.problem is not None]
    for result in wrong:
        typer.echo(f"✗ {result.name}：{result.problem}")
        typer.echo(f"    {result.verdict.reason}")
    if junit is not None:
        save(junit, junit_xml(results))
    typer.echo(f"{len(results)} 个示例，{len(wrong)} 个不符。")
    return EXAMPLES_FAILED if wrong else 0


@rules.command("show", cls=ChineseCommand)
def show(
    rule: Annotated[
        str | None,
        typer.Argument(metavar="规则编号", help="如 hold-reassurance；不写则列出所有规则"),
    ] = None,
    rulebook: RulebookChoice = None,
) -> None:
    """显示一条规则的说明：条款、怎样检查、话术、示例。"""
    from callaudit.rulebook.manual import manual_page

    loaded = _load(rulebook)
    if rule is None:
        _print_rules(loaded)
        return
    if all(known.id != rule for known in loaded.rules):
        raise ConfigError(f"规则书里没有规则 {rule}；用 callaudit rules show 列出所有规则")
    typer.echo(manual_page(loaded, rule).rstrip())


@rules.command("coverage", cls=ChineseCommand)
def coverage(
    rulebook: RulebookArgument = None,
    to: Annotated[CoverageFormat, typer.Option("--format", "-f", help="形式")] = (
        CoverageFormat.TERMINAL
    ),
    output: OutputOption = None,
) -> None:
    """条款、规则、检查方式和示例数的对照表，列出没有规则的条款。"""
    from callaudit.rulebook.coverage import coverage as matrix
    from callaudit.rulebook.coverage import coverage_csv, coverage_html, uncovered

    loaded = _load(rulebook)
    rows = matrix(loaded)
    match to:
        case CoverageFormat.CSV:
            deliver("\ufeff" + coverage_csv(rows), output)
        case CoverageFormat.HTML:
            deliver(coverage_html(loaded, rows), output)
        case CoverageFormat.TERMINAL:
            if output is not None:
                raise ConfigError("写到文件请用 --format html 或 --format csv")
            _print_coverage(rows)
    missing = uncovered(rows)
    say(f"没有规则的条款：{'、'.join(missing)}" if missing else "可以从录音检查的条款都有规则。")


@rules.command("schema", cls=ChineseCommand)
def schema(
    kind: Annotated[
        SchemaKind, typer.Argument(metavar="种类", help="rulebook 或 phrasebook")
    ] = SchemaKind.RULEBOOK,
    output: OutputOption = None,
) -> None:
    """输出规则书或话术库的 JSON Schema，供编辑器提示和检查。"""
    if kind == SchemaKind.RULEBOOK:
        from callaudit.rulebook.schema import rulebook_schema as make
    else:
        from callaudit.phrases.schema import phrasebook_schema as make
    deliver(json.dumps(make(), ensure_ascii=False, indent=2) + "\n", output)


@rules.command("try", cls=ChineseCommand)
def try_rules(
    dialogue: Annotated[
        Path | None,
        typer.Argument(metavar="对话", help="文本文件，每行一句，坐席或客户开头；不写则从键盘读"),
    ] = None,
    rulebook: RulebookChoice = None,
    metadata: Annotated[
        Path | None, typer.Option("--metadata", metavar="文件", help="通话元数据")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="也列出合格和不适用的规则")] = False,
) -> None:
    """粘贴一段对话，看各条规则怎样判定。"""
    from callaudit.metadata import read_sidecar
    from callaudit.rulebook.trial import try_dialogue

    loaded = _load(rulebook)
    known = read_sidecar(metadata).metadata if metadata is not None else None
    _print_trial(try_dialogue(loaded, _dialogue(dialogue), known), everything)


@rules.command("diff", cls=ChineseCommand)
def diff(
    old: Annotated[Path, typer.Argument(metavar="旧规则书", help="规则书文件")],
    new: Annotated[
        Path | None, typer.Argument(metavar="新规则书", help="不写则与随软件提供的比较")
    ] = None,
) -> None:
    """两本规则书在含义上的差别。"""
    from callaudit.rulebook import load_rulebook
    from callaudit.rulebook.diff import diff as changes

    found = changes(load_rulebook(old), load_rulebook(new))
    for change in found:
        typer.echo(str(change))
    if not found:
        typer.echo("含义没有差别。")


def _load(rulebook: Path | None) -> Rulebook:
    from callaudit.rulebook import load_rulebook
    from callaudit.settings import load_settings

    return load_rulebook(load_settings(rulebook=rulebook).rulebook)


def _dialogue(path: Path | None) -> str:
    if path is not None:
        try:
            return path.read_text(encoding="utf-8-sig")
        except OSError as cause:
            raise ConfigError(f"读不到对话 {path}：{cause.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"对话 {path} 不是 UTF-8 编码，请另存为 UTF-8") from None
    if sys.stdin.isatty():
        say("粘贴对话，每行一句，如「坐席 您好，热电集团」；结束按 Ctrl-D：")
    return sys.stdin.read()


def _print_rules(rulebook: Rulebook) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for name in ("编号", "名称", "条款", "类别", "分值"):
        table.add_column(name, overflow="fold")
    for rule in rulebook.rules:
        model = rule.model
        status = {"active": "", "experimental": "（试行）", "off": "（停用）"}[model.status]
        points = "一票否决" if model.auto_fail else ""
        table.add_row(
            rule.id,
            Text(model.title + status),
            "、".join(model.clauses),
            rulebook.categories.get(model.category, model.category),
            f"{model.points:g} {points}".rstrip(),
        )
    console().print(table)


def _print_coverage(rows: tuple[CoverageRow, ...]) -> None:
    from rich.table import Table
    from rich.text import Text

    from callaudit.rulebook.coverage import HEADER

    table = Table()
    for name in HEADER:
        table.add_column(name, overflow="fold")
    styles = {"missing": "red", "human": "yellow", "not_audible": "dim"}
    for row in rows:
        table.add_row(*(Text(cell) for cell in row.cells()), style=styles.get(row.status, ""))
    console().print(table)


def _print_trial(trial: Trial, everything: bool) -> None:
    from callaudit.calls import Outcome
    from callaudit.report.wording import OUTCOMES, clock

    facts = [name for name, answer in trial.facts.items() if answer.state]
    if facts:
        typer.echo(f"来电：{'、'.join(facts)}")
    for verdict in trial.verdicts:
        wanted = verdict.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)
        if wanted or everything:
            place = clock(verdict.evidence[0].start_ms) if verdict.evidence else "     "
            typer.echo(
                f"{_mark(verdict)} {place} {verdict.title}（{verdict.rule}）：{verdict.reason}"
            )
    counts = Counter(verdict.outcome for verdict in trial.verdicts)
    typer.echo(
        "，".join(
            f"{OUTCOMES[outcome]} {counts[outcome]}" for outcome in Outcome if counts[outcome]
        )
    )


def _mark(verdict: Verdict) -> str:
    return {"pass": "✓", "fail": "✗", "uncertain": "?", "error": "!"}.get(
        verdict.outcome.value, "-"
    )
