"""Help pages and usage errors of the command line, in Chinese."""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

HELP_OPTION = "显示这份说明"


def _translate_panels() -> None:
    from typer import rich_utils

    rich_utils.ARGUMENTS_PANEL_TITLE = "参数"
    rich_utils.OPTIONS_PANEL_TITLE = "选项"
    rich_utils.COMMANDS_PANEL_TITLE = "命令"
    rich_utils.DEFAULT_STRING = "[默认：{}]"
    rich_utils.ENVVAR_STRING = "[环境变量：{}]"
    rich_utils.REQUIRED_LONG_STRING = "[必填]"


class ChineseCommand(TyperCommand):
    """A command whose help page is in Chinese."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the help page."""
        _translate_panels()
        super().format_help(ctx, formatter)

    def get_help_option(self, ctx: Any) -> Any:
        """``--help`` with its explanation."""
        return _explained(super().get_help_option(ctx))


class ChineseGroup(TyperGroup):
    """A group of commands whose help page is in Chinese."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the help page."""
        _translate_panels()
        super().format_help(ctx, formatter)

    def get_help_option(self, ctx: Any) -> Any:
        """``--help`` with its explanation."""
        return _explained(super().get_help_option(ctx))


def _explained(option: Any) -> Any:
    if option is not None:
        option.help = HELP_OPTION
    return option


def group(help_text: str) -> typer.Typer:
    """A group of commands such as ``callaudit batch``."""
    return typer.Typer(cls=ChineseGroup, no_args_is_help=True, help=help_text)


def usage_sentence(error: Exception) -> str | None:
    """A mistake in the command line as a sentence; ``None`` for any other exception.

    Exceptions are told apart by name: Typer carries the classes under different modules in
    different releases.
    """
    if not (hasattr(error, "format_message") and hasattr(error, "ctx")):
        return None
    context: Any = error.ctx
    command = getattr(context, "command_path", "callaudit")
    kind = type(error).__name__
    if kind == "NoArgsIsHelpError":
        return str(error.format_message())
    return f"{_what_is_wrong(kind, error)}。用 {command} --help 查看用法。"


def _what_is_wrong(kind: str, error: Any) -> str:
    match kind:
        case "NoSuchOption":
            similar = "、".join(getattr(error, "possibilities", None) or ())
            return f"没有选项 {error.option_name}" + (f"，是不是 {similar}" if similar else "")
        case "MissingParameter":
            return f"缺少参数 {_name(error.param)}"
        case "BadParameter":
            return f"{_name(error.param)} 的值不能用：{_reason(error)}"
        case "BadOptionUsage":
            return f"选项 {error.option_name} 用法不对，可能缺少它的值"
    message = str(error.format_message())
    if "No such command" in message:
        return f"没有命令 {message.partition('command')[2].strip(' .').split('.')[0]}"
    if "Missing command" in message:
        return "缺少命令"
    if "extra argument" in message:
        return f"多余的参数：{message.rpartition('(')[2].rstrip(').')}"
    return message.rstrip("。.")


def _name(parameter: Any) -> str:
    if parameter is None:
        return "参数"
    options = [name for name in getattr(parameter, "opts", []) if name.startswith("--")]
    return options[0] if options else str(parameter.metavar or parameter.name)


def _reason(error: Any) -> str:
    """What is wrong with a value; the wordings are those of Click and of pydantic."""
    message = str(error.message).removeprefix("Value error, ")
    _, is_choice, choices = message.partition(" is not one of ")
    if is_choice:
        return "只能是 " + "、".join(re.findall(r"'([^']*)'", choices))
    bounds = re.search(r"(greater|less) than or equal to (\S+)|in the range (\S+)", message)
    if bounds:
        sign = {"greater": "不小于", "less": "不大于"}.get(bounds[1] or "", "范围 ")
        return f"应当{sign} {bounds[2] or bounds[3]}".rstrip(".").replace("范围  ", "在范围 ")
    if "valid integer" in message or "valid int" in message:
        return "应当是整数"
    return message.rstrip(".")
