"""Explanations of phrases for a terminal: scores, and syllable under syllable what was heard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from callaudit.report.phrase_explained import Explained, Explanation, Likeness, State, Syllable
from callaudit.report.wording import ROLES, clock, precise_clock

_STATES: dict[State, str] = {"said": "听到", "unsure": "疑似", "missing": "最接近"}
_STYLES: dict[State, str] = {"said": "green", "unsure": "yellow", "missing": "red"}
LEGEND = "读音对照：( ) 里的音节相近，[ ] 里的不同，[-] 是没有听到"
_MARKS: dict[Likeness, tuple[str, str]] = {
    "same": ("{}", ""),
    "near": ("({})", "yellow"),
    "other": ("[{}]", "bold red"),
}


@dataclass(frozen=True)
class Explaining:
    """One phrase: its wording, what was heard, the scores, and the alignment."""

    explained: Explained

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        one = self.explained
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True, style="dim")
        table.add_column(overflow="fold")
        wording = f"「{one.hit.variant}」" if one.hit and one.hit.variant else ""
        table.add_row("话术", f"{one.title}{wording}")
        if one.hit is not None:
            table.add_row(_STATES[one.state], _heard(one))
        else:
            table.add_row("范围", _times(one))
        table.add_row("依据", one.reason)
        if one.syllables:
            label = max(cell_len(name) for name in (*_STATES.values(), "话术"))
            room = options.max_width - label - 1
            for line in _alignment(one.syllables, room):
                table.add_row(*line)
        yield table


def other_phrases(why: Explanation) -> RenderableType:
    """The phrases that were found besides those of the violations, by time."""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for one in why.others:
        if one.hit is None:
            continue
        rest = f"  用于：{'、'.join(one.rules)}" if one.rules else ""
        time = clock(one.window.start_ms)
        if one.syllables:
            content: RenderableType = Explaining(one)
            if rest:
                content = Group(content, Text(rest.strip(), style="dim"))
        else:
            content = Text.assemble(
                one.title,
                (f"「{one.hit.quote}」", _STYLES[one.state]),
                f" {ROLES[one.hit.role]}  {one.reason}",
                (rest, "dim"),
            )
        table.add_row(time, content)
    return Group(Text(f"找到的其他话术 {len(why.others)} 处", style="bold"), table, Text())


def _heard(one: Explained) -> Text:
    assert one.hit is not None
    heard = Text(f"「{one.hit.quote}」", style=_STYLES[one.state])
    heard.append(f" {ROLES[one.hit.role]} {_times(one)}", style="dim")
    return heard


def _times(one: Explained) -> str:
    span = one.hit.span if one.hit is not None else one.window
    return f"{precise_clock(span.start_ms)}–{precise_clock(span.end_ms)}"


def _alignment(
    syllables: Sequence[Syllable], room: int
) -> Iterator[tuple[RenderableType, RenderableType]]:
    """Two rows for each line of syllables that fits: the phrase's, and what was heard."""
    expected, heard = Text(), Text()
    for one in syllables:
        form, style = _MARKS[one.likeness]
        said = form.format(one.heard or "-")
        width = max(cell_len(one.expected), cell_len(said)) + 1
        if expected and cell_len(expected.plain) + width > room:
            yield from _rows(expected, heard)
            expected, heard = Text(), Text()
        expected.append(one.expected + " " * (width - cell_len(one.expected)))
        heard.append(said + " " * (width - cell_len(said)), style=style)
    yield from _rows(expected, heard)


def _rows(expected: Text, heard: Text) -> Iterator[tuple[RenderableType, RenderableType]]:
    expected.rstrip()
    heard.rstrip()
    yield "应读", expected
    yield "听成", heard
