"""Where ``callaudit batch run`` takes its recordings from, as the command line says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callaudit.cli.output import say
from callaudit.errors import ConfigError

if TYPE_CHECKING:
    from callaudit.batch.remote import RemotePath
    from callaudit.batch.sources import Source

MOST_BAD_ROWS_SHOWN = 20

SourceArgument = Annotated[
    Path,
    typer.Argument(
        metavar="来源",
        help="录音文件夹（含子文件夹）或网址（s3://桶/前缀），或清单、话单导出（.csv、.tsv、.jsonl）",
    ),
]
PatternOption = Annotated[
    list[str] | None,
    typer.Option("--pattern", metavar="通配符", help="文件夹里只要名称或相对路径相符的，可多次"),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="名称或文件",
        help="清单各列的含义：generic、huawei_aicc、asterisk、freeswitch 或自己的 YAML 文件",
    ),
]
RecordingsOption = Annotated[
    Path | None,
    typer.Option(
        "--recordings", metavar="文件夹", help="清单里的录音放在哪里；不写则按清单所写的路径"
    ),
]
NamePatternOption = Annotated[
    str | None,
    typer.Option(
        "--filename-pattern",
        metavar="正则表达式",
        help="从文件名取元数据，如 (?P<agent_id>[0-9]+)_(?P<started_at>[0-9]{14})_.*",
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="日期",
        help="只要这时以后的通话（不知道通话时间的看文件日期），如 2026-01-12；2d 为昨天和今天",
    ),
]


@dataclass(frozen=True)
class SourceOptions:
    """The options above."""

    place: Path
    patterns: tuple[str, ...]
    profile: str | None
    recordings: Path | None
    name_pattern: str | None
    since: str | None

    def open(self) -> Source:
        """The recordings; rows that cannot be used are said.

        Raises:
            ConfigError: The source cannot be used.
        """
        from callaudit.batch.sources import since
        from callaudit.cli.report import moment_of

        start = None if self.since is None else moment_of(self.since, "--since")
        source = self._all()
        _say_problems(source.problems)
        return source if start is None else since(source, start)

    def _all(self) -> Source:
        from callaudit.batch.profile import load_profile
        from callaudit.batch.sources import (
            Known,
            NamePattern,
            folder_source,
            is_manifest,
            manifest_source,
        )

        names = None if self.name_pattern is None else NamePattern(self.name_pattern)
        known = Known(names=names, tell=say)
        if (url := self._url()) is not None:
            return folder_source(url, self.patterns, known)
        if not self.place.exists():
            raise ConfigError(f"来源 {self.place} 不存在")
        if is_manifest(self.place):
            if self.patterns:
                raise ConfigError("--pattern 只用于文件夹，不用于清单")
            profile = load_profile(self.profile or "generic")
            return manifest_source(self.place, profile, self._recordings(), known)
        if self.place.is_file():
            raise ConfigError(
                f"来源 {self.place} 不是文件夹，也不是 .csv、.tsv、.jsonl 清单；"
                "单个录音用 callaudit check"
            )
        if self.profile is not None or self.recordings is not None:
            raise ConfigError("--profile 和 --recordings 只用于清单，不用于文件夹")
        return folder_source(self.place, self.patterns, known)

    def _url(self) -> RemotePath | None:
        from callaudit.batch.remote import remote_path

        try:
            url = remote_path(str(self.place))
        except ValueError as cause:
            raise ConfigError(str(cause)) from None
        if url is not None and (self.profile is not None or self.recordings is not None):
            raise ConfigError("--profile 和 --recordings 只用于清单，不用于网址")
        return url

    def _recordings(self) -> Path | None:
        if self.recordings is not None and not self.recordings.is_dir():
            raise ConfigError(f"--recordings {self.recordings} 不是文件夹")
        return self.recordings


def _say_problems(problems: tuple[str, ...]) -> None:
    for problem in problems[:MOST_BAD_ROWS_SHOWN]:
        say(problem)
    if len(problems) > MOST_BAD_ROWS_SHOWN:
        say(f"……还有 {len(problems) - MOST_BAD_ROWS_SHOWN} 行不能用（--log 文件里有全部）")
