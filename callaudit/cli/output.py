"""Where data and messages go: stdout or a file written whole; progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from callaudit.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

FILE_WIDTH = 100
"""Columns of a terminal report that is written to a file."""


def say(sentence: str) -> None:
    """A message to the user, on stderr, without control characters."""
    typer.echo("".join(char for char in sentence if char == "\n" or char.isprintable()), err=True)


def emit(text: str) -> None:
    """Data to stdout, at once: whoever reads along sees each call as it is done."""
    sys.stdout.write(text)
    sys.stdout.flush()


def save(path: Path, content: str | bytes) -> None:
    """Data to a file, whole or not at all.

    Raises:
        ConfigError: The file cannot be written.
    """
    from callaudit.files import write_atomically

    try:
        write_atomically(path, content)
    except OSError as cause:
        raise ConfigError(f"写不了文件 {path}：{cause.strerror or cause}") from None


def deliver(text: str, output: Path | None) -> None:
    """Data to a file if one is named, else to stdout."""
    if output is None:
        emit(text)
    else:
        save(output, text)


def console() -> Console:
    """The terminal on stdout, as wide as it is; 80 columns in a pipe."""
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False)


def rendered(draw: Callable[[Console], None]) -> str:
    """What a report would print, as plain text for a file."""
    import io

    from rich.console import Console

    file = io.StringIO()
    draw(Console(file=file, width=FILE_WIDTH, highlight=False, color_system=None))
    return "".join(line.rstrip() + "\n" for line in file.getvalue().splitlines())


@contextmanager
def progress_of(name: str, number: int, of: int) -> Iterator[Callable[[float], None]]:
    """Shows how far one recording has got, while it is worked on; nothing in a pipe.

    Yields:
        To be called with the share that is done, 0–1.
    """
    if not sys.stderr.isatty():
        yield lambda share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.text import Text

    label = Text(name if of == 1 else f"[{number}/{of}] {name}")
    bar = Progress(
        TextColumn("{task.fields[label]}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f}%"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=1.0, label=label.markup)
        yield lambda share: bar.update(task, completed=share)
