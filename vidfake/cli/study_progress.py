"""Progress of a study: bars of its preparation, and one of all runs with the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from vidfake.study.pace import StudyProgress

SAY_SECONDS = 60.0  # how often a line is written where no bar can be drawn


class Stages:
    """``report(stage, done, total)`` on one set of bars."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int | None = None, *, note: str = "") -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total, note=note)
        self._bars.update(self._tasks[stage], completed=done, total=total, note=note)


@contextmanager
def study_bars() -> Iterator[tuple[Stages, Callable[[StudyProgress], None]]]:
    """Bars of the preparation, and one of all runs with the time left; off a terminal a line a minute."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from vidfake.cli import display

    said = time.monotonic()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        console=display.stderr,
        disable=not display.stderr.is_terminal,
    ) as bars:
        report = Stages(bars)

        def watch(now: StudyProgress) -> None:
            nonlocal said
            report("runs", now.done, now.total, note=_left(now))
            if not display.stderr.is_terminal and time.monotonic() - said > SAY_SECONDS:
                said = time.monotonic()
                display.say(f"{now.done} of {now.total} runs, {_left(now)}")

        yield report, watch


def _left(now: StudyProgress) -> str:
    failed = f"{now.failed} failed, " if now.failed else ""
    if now.seconds_left is None:
        return f"{failed}time left not known yet"
    minutes = now.seconds_left / 60
    return f"{failed}about {minutes:.0f} min left" if minutes >= 1 else f"{failed}under a minute left"
