"""``callaudit rules``: rulebooks checked, tested, shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from callaudit.cli.chinese import ChineseCommand, group

rules = group("检查、测试和查看规则书。")

RulebookArgument = Annotated[
    Path | None, typer.Argument(metavar="规则书", help="规则书文件；不写则用随软件提供的")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(rules, name="rules")


@rules.command("lint", cls=ChineseCommand)
def lint(rulebook: RulebookArgument = None) -> None:
    """检查规则书和话术库，一次列出所有错误及其行列。"""
    from callaudit.rulebook import load_rulebook
    from callaudit.settings import load_settings

    loaded = load_rulebook(load_settings(rulebook=rulebook).rulebook)
    typer.echo(f"{loaded.title}：{len(loaded.rules)} 条规则，没有发现错误。")
