"""Tables on stdout, progress and messages on stderr. Text that came from files is made harmless first."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

PIPED_WIDTH = 160  # a pipe has no width of its own; 80 columns would fold most tables
MOST_PIPED = 4096  # of a table in a pipe, where a name that is folded could not be searched for
stdout = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
stderr = Console(stderr=True, highlight=False)


def harmless(text: object) -> str:
    """Text for a terminal: control, bidirectional and other invisible characters become ``\\xNN`` escapes."""
    return "".join(
        c.encode("unicode_escape", "surrogatepass").decode("ascii") if _acts(c) else c for c in str(text)
    )


def _acts(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def _json_escape(character: str) -> str:
    """A character of a JSON text as an escape; outside of strings there is none that would need it."""
    return json.dumps(character)[1:-1]


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout. Columns whose name ends in ``>`` are aligned right."""
    table = Table(title=escape(harmless(title)), title_justify="left", header_style="bold")
    for column in columns:
        right = column.endswith(">")
        table.add_column(
            escape(harmless(column.rstrip(">"))),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=right,
        )
    for row in rows:
        table.add_row(*(escape(harmless(cell)) for cell in row))
    if not sys.stdout.isatty():
        wanted = Measurement.get(stdout, stdout.options.update(width=MOST_PIPED), table).maximum
        stdout.width = max(PIPED_WIDTH, wanted)
    stdout.print(table)


def print_json(value: Any) -> None:
    """One JSON object on one line of stdout; characters that act on a terminal are written as ``\\uNNNN``."""
    line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not line.isascii() or "\x7f" in line:
        line = "".join(_json_escape(c) if _acts(c) else c for c in line)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def say(message: str) -> None:
    """A line for people, on stderr."""
    stderr.print(escape(harmless(message)), soft_wrap=True)


class Reporter:
    """Progress of named stages; library code calls it as ``report(stage, done, total)``."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, Any] = {}

    def __call__(self, stage: str, done: int, total: int | None = None) -> None:
        name = escape(harmless(stage))
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(name, total=total)
        self._progress.update(self._tasks[stage], completed=done, total=total)


@contextmanager
def progress() -> Iterator[Reporter]:
    """Progress bars on stderr; on a stderr that is not a terminal nothing is drawn until the end."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=stderr,
        transient=not stderr.is_terminal,
        disable=not stderr.is_terminal,
    ) as bars:
        yield Reporter(bars)


def number(value: float | None, digits: int = 3) -> str:
    """A figure for a table; a missing one is a dash, never a number."""
    return "–" if value is None else f"{value:.{digits}f}"
