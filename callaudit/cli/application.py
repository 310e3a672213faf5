"""All commands together, and the one place that turns exceptions into sentences and exit codes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer

from callaudit.cli.batch import register as register_batch
from callaudit.cli.check import register as register_check
from callaudit.cli.chinese import ChineseGroup, usage_sentence
from callaudit.cli.doctor import register as register_doctor
from callaudit.cli.phrases import register as register_phrases
from callaudit.cli.report import register as register_report
from callaudit.cli.rescore import register as register_rescore
from callaudit.cli.rules import register as register_rules
from callaudit.cli.transcribe import register as register_transcribe
from callaudit.errors import CallAuditError

INTERRUPTED = 130
INTERNAL = 4
BROKEN_PIPE = 141

app = typer.Typer(
    name="callaudit",
    cls=ChineseGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="按服务规范审核热线通话录音，给出评分和依据。",
    epilog="退出码：0 全部审核且没有达到 --fail-on 的通话；1 有通话达到；2 用法、设置或规则书有误；"
    "3 有录音无法审核；4 模型、审核库或机器的问题；130 被中断。",
)
register_check(app)
register_transcribe(app)
register_batch(app)
register_report(app)
register_rescore(app)
register_rules(app)
register_phrases(app)
register_doctor(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from callaudit import __version__

        typer.echo(f"callaudit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="显示版本", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Options before any command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: Without the program's name; default those of the process.

    Returns:
        The exit code. Bad input never shows a traceback; with ``CALLAUDIT_DEBUG=1`` a mistake
        of the program does.
    """
    for stream in (sys.stdout, sys.stderr):
        # A file name that is not text must not stop a report.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, _interrupt)
    command = typer.main.get_command(app)
    try:
        result = command.main(
            args=None if arguments is None else list(arguments),
            prog_name="callaudit",
            standalone_mode=False,
        )
        sys.stdout.flush()
        if result == INTERRUPTED:  # recent Typer releases return it instead of raising
            raise KeyboardInterrupt
    except CallAuditError as error:
        _complain(str(error))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        _complain("已中断。")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not flush into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        sentence = usage_sentence(error)
        if sentence is not None:
            _complain(sentence)
            return 2
        if os.environ.get("CALLAUDIT_DEBUG"):
            raise
        _complain(_internal(error))
        return INTERNAL
    return result if isinstance(result, int) else 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _internal(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f"：{error.filename}" if error.filename else ""
        return f"读写文件失败{where}（{error.strerror}）"
    return (
        f"程序内部错误（{type(error).__name__}：{error}）。"
        "请设置环境变量 CALLAUDIT_DEBUG=1 再运行一次，把输出发给维护者。"
    )


def _complain(sentence: str) -> None:
    typer.echo(sentence, err=True)
