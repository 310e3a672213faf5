"""``callaudit batch schedule`` and ``profiles``: what to copy into other files."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from callaudit.cli.chinese import ChineseCommand
from callaudit.cli.output import say
from callaudit.errors import ConfigError

NAME = "callaudit-batch"


def register(batch: typer.Typer) -> None:
    """Adds the commands."""
    passed_on = {"allow_extra_args": True, "ignore_unknown_options": True}
    batch.command("schedule", cls=ChineseCommand, context_settings=passed_on)(schedule)
    batch.command("profiles", cls=ChineseCommand)(profiles)


def schedule(
    context: typer.Context,
    at: Annotated[
        str, typer.Option("--at", metavar="时刻", help="每天几点开始，如 01:30")
    ] = "01:30",
) -> None:
    """打印每晚自动运行的 systemd 和 cron 配置；后面写 batch run 的来源和选项。"""
    time = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", at)
    if time is None:
        raise ConfigError(f"--at {at} 不是时刻，应当像 01:30")
    arguments = list(context.args)
    _check(context, arguments)
    command = [*_program(), "batch", "run", *arguments]
    typer.echo(_systemd(command, int(time[1]), int(time[2])))
    typer.echo(_cron(command, int(time[1]), int(time[2])))


def profiles(
    name: Annotated[
        str | None, typer.Argument(metavar="名称", help="打印这个导入配置，可复制后修改")
    ] = None,
) -> None:
    """列出随软件提供的导入配置，或打印其中一个。"""
    from callaudit.batch.profile import load_profile, shipped_profiles

    shipped = shipped_profiles()
    if name is None:
        for shipped_name in shipped:
            typer.echo(f"{shipped_name}  {load_profile(shipped_name).title}")
        say("查看：callaudit batch profiles 名称；使用：callaudit batch run 清单 --profile 名称")
        return
    if name not in shipped:
        raise ConfigError(f"没有导入配置 {name}，可用：{'、'.join(shipped)}")
    typer.echo(shipped[name].read_text(encoding="utf-8"), nl=False)


def _check(context: typer.Context, arguments: list[str]) -> None:
    """Lets ``batch run`` read its command line: a mistake must show now, not at night."""
    assert context.parent is not None
    group: Any = context.parent.command
    run = group.get_command(context.parent, "run")
    with run.make_context("run", list(arguments), parent=context.parent) as parsed:
        source = parsed.params["source"]
    if not Path(source).exists():
        say(f"注意：来源 {source} 现在不存在。")


def _program() -> list[str]:
    found = shutil.which("callaudit", path=str(Path(sys.executable).parent))
    found = found or shutil.which("callaudit")
    return [found] if found else [sys.executable, "-m", "callaudit"]


def _environment() -> tuple[dict[str, str], list[str]]:
    """Settings of this shell that the nightly run needs too; those with passwords by name only."""
    settings, secret = {}, []
    for name, value in sorted(os.environ.items()):
        if not name.startswith("CALLAUDIT_") or not value:
            continue
        if re.search(r"://[^/@:]*:[^/@]+@", value):
            secret.append(name)
        else:
            settings[name] = value
    return settings, secret


def _systemd(command: Sequence[str], hour: int, minute: int) -> str:
    settings, secret = _environment()
    lines = [
        f"# /etc/systemd/system/{NAME}.service",
        "[Unit]",
        "Description=callaudit nightly batch",
        "After=network-online.target",
        "Wants=network-online.target",
        "",
        "[Service]",
        "Type=oneshot",
        f"User={_user()}",
        f"WorkingDirectory={_unit_value(str(Path.cwd()))}",
        *(f"Environment={_unit_word(f'{name}={value}')}" for name, value in settings.items()),
        *(f"# {name} 含口令：写进 /etc/{NAME}.env（权限 600）" for name in secret),
        *([f"EnvironmentFile=/etc/{NAME}.env"] if secret else []),
        f"ExecStart={' '.join(_unit_word(word) for word in command)}",
        "# 1 有通话达到 --fail-on，3 有录音无法审核：批次本身是成功的",
        "SuccessExitStatus=1 3",
        "# 中断或出错后自动继续；用法有误（2）时不重试",
        "Restart=on-failure",
        "RestartSec=60",
        "RestartPreventExitStatus=2",
        "TimeoutStopSec=60",
        "Nice=10",
        "",
        f"# /etc/systemd/system/{NAME}.timer",
        "[Unit]",
        f"Description=callaudit nightly batch at {hour:02}:{minute:02}",
        "",
        "[Timer]",
        f"OnCalendar=*-*-* {hour:02}:{minute:02}:00",
        "# 到点时机器关着，开机后补做",
        "Persistent=true",
        "",
        "[Install]",
        "WantedBy=timers.target",
        "",
        f"# 启用：systemctl daemon-reload && systemctl enable --now {NAME}.timer",
        f"# 查看：systemctl list-timers {NAME}.timer；journalctl -u {NAME}",
        "",
    ]
    return "\n".join(lines)


def _cron(command: Sequence[str], hour: int, minute: int) -> str:
    settings, secret = _environment()
    words = [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
    line = f"cd {shlex.quote(str(Path.cwd()))} && {' '.join([*words, shlex.join(command)])}"
    line = line.replace("%", r"\%")  # a bare % ends the command in a crontab
    return "\n".join(
        [
            "# 没有 systemd 时，写进 crontab -e。@reboot 一行使夜里断电的批次开机后继续。",
            *(f"# {name} 含口令：请在 crontab 里另写一行设置它" for name in secret),
            f"{minute} {hour} * * * {line}",
            f"@reboot {line}",
        ]
    )


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "root"


def _unit_value(text: str) -> str:
    return text.replace("%", "%%")


def _unit_word(word: str) -> str:
    """A word of a unit file, quoted where systemd would take it apart or expand it."""
    word = word.replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[\w@%+=:,./$-]+", word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
