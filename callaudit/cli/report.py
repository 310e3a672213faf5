"""``callaudit report``: many calls of the store in one report."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callaudit.cli.chinese import ChineseCommand, group
from callaudit.cli.options import StoreOption
from callaudit.cli.output import console, deliver, rendered, save
from callaudit.errors import ConfigError

if TYPE_CHECKING:
    from callaudit.store.queries import CallFilter
    from callaudit.summary.summarise import GroupBy, Summary

report = group("从审核库生成坐席、班组、每日报告。")


class SummaryFormat(StrEnum):
    """How a report on many calls is made."""

    TERMINAL = "terminal"
    JSON = "json"
    HTML = "html"
    XLSX = "xlsx"
    CSV = "csv"


FormatOption = Annotated[
    SummaryFormat, typer.Option("--format", "-f", help="报告形式；xlsx 要用 --output 指定文件")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="文件", help="写到文件；不写则输出到屏幕")
]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="日期", help="从这一天起，如 2026-01-12；7d 为最近 7 天"),
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="日期", help="到这一天为止（含）")
]
AgentOption = Annotated[str | None, typer.Option("--agent", metavar="工号", help="只看这个坐席")]
TeamOption = Annotated[str | None, typer.Option("--team", metavar="名称", help="只看这个班组")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(report, name="report")


@report.command("agent", cls=ChineseCommand)
def agent(
    to: FormatOption = SummaryFormat.TERMINAL,
    output: OutputOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    agent: AgentOption = None,
    team: TeamOption = None,
    store: StoreOption = None,
) -> None:
    """按坐席：平均分、合格率、违规、趋势，先复核哪些通话。"""
    _report("agent", to, output, period(since, until, agent, team), store)


@report.command("team", cls=ChineseCommand)
def team(
    to: FormatOption = SummaryFormat.TERMINAL,
    output: OutputOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    team: TeamOption = None,
    store: StoreOption = None,
) -> None:
    """按班组。"""
    _report("team", to, output, period(since, until, None, team), store)


@report.command("day", cls=ChineseCommand)
def day(
    to: FormatOption = SummaryFormat.TERMINAL,
    output: OutputOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    agent: AgentOption = None,
    team: TeamOption = None,
    store: StoreOption = None,
) -> None:
    """按日期。"""
    _report("day", to, output, period(since, until, agent, team), store)


def period(since: str | None, until: str | None, agent: str | None, team: str | None) -> CallFilter:
    """The filter that the options describe.

    Raises:
        ConfigError: A date that is none, or an end before the beginning.
    """
    from callaudit.store.queries import CallFilter

    start = None if since is None else moment_of(since, "--since")
    end = None if until is None else moment_of(until, "--until", end=True)
    if start is not None and end is not None and end <= start:
        raise ConfigError(f"--until {until} 在 --since {since} 之前")
    return CallFilter(since=start, until=end, agent=agent, team=team)


def moment_of(text: str, option: str, *, end: bool = False) -> datetime:
    """A date, a moment or ``7d`` as a moment; a date without time is a whole day of the hotline.

    Args:
        text: As written.
        option: Named in the error.
        end: Whether the end of the day is meant.

    Raises:
        ConfigError: It is none of these.
    """
    from callaudit.metadata import SHANGHAI

    ago = re.fullmatch(r"(\d{1,4})d", text.strip())
    today = datetime.now(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    if ago:
        return today - timedelta(days=int(ago[1]) - 1) + timedelta(days=1 if end else 0)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigError(
            f"{option} {text} 不是日期，应当像 2026-01-12、2026-01-12T18:00 或 7d"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=SHANGHAI)
    whole_day = re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", text.strip()) is not None
    return moment + timedelta(days=1) if end and whole_day else moment


def _report(
    by: GroupBy, to: SummaryFormat, output: Path | None, wanted: CallFilter, store: str | None
) -> None:
    from callaudit.settings import load_settings
    from callaudit.store.connection import Store
    from callaudit.store.queries import judged_calls, rule_titles
    from callaudit.summary.summarise import summarise

    if to == SummaryFormat.XLSX and output is None:
        raise ConfigError("xlsx 报告请用 --output 指定文件，如 --output 报告.xlsx")
    opened = Store.open_existing(load_settings(store=store).store)
    with opened.reading() as connection:
        titles = rule_titles(connection)
        summary = summarise(judged_calls(connection, wanted), by, titles)
    opened.close()
    _deliver(summary, to, output, wanted)


def _deliver(summary: Summary, to: SummaryFormat, output: Path | None, wanted: CallFilter) -> None:
    from datetime import UTC

    words = in_words(wanted)
    match to:
        case SummaryFormat.TERMINAL:
            from callaudit.report.summary_text import print_summary

            if output is None:
                print_summary(summary, console(), words)
            else:
                save(output, rendered(lambda terminal: print_summary(summary, terminal, words)))
        case SummaryFormat.JSON:
            from callaudit.report.summary_text import summary_object

            made = summary_object(summary, filter_object(wanted), datetime.now(UTC))
            deliver(json.dumps(made, ensure_ascii=False) + "\n", output)
        case SummaryFormat.CSV:
            from callaudit.report.summary_text import summary_csv

            deliver(summary_csv(summary), output)
        case SummaryFormat.XLSX:
            from callaudit.report.summary_xlsx import summary_xlsx

            assert output is not None
            save(output, summary_xlsx(summary, words))
        case SummaryFormat.HTML:
            from callaudit.report.summary_html import render_summary

            deliver(render_summary(summary, words), output)


def in_words(wanted: CallFilter) -> str:
    """Which calls a report is about, in Chinese."""
    from callaudit.metadata import SHANGHAI

    parts = []
    if wanted.since is not None or wanted.until is not None:
        start = wanted.since and wanted.since.astimezone(SHANGHAI).strftime("%Y-%m-%d")
        last = wanted.until and wanted.until - timedelta(microseconds=1)
        end = last and last.astimezone(SHANGHAI).strftime("%Y-%m-%d")
        parts.append(f"{start or '最早'} 至 {end or '最近'}")
    if wanted.team is not None:
        parts.append(f"班组 {wanted.team}")
    if wanted.agent is not None:
        parts.append(f"坐席 {wanted.agent}")
    return "，".join(parts) or "全部通话"


def filter_object(wanted: CallFilter) -> dict[str, str | None]:
    """A filter as plain data."""
    return {
        "since": None if wanted.since is None else wanted.since.isoformat(),
        "until": None if wanted.until is None else wanted.until.isoformat(),
        "agent": wanted.agent,
        "team": wanted.team,
    }
