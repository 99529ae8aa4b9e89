"""What a section of a study's page is made of: parts with drawings and a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup


@dataclass(frozen=True)
class Table:
    """A table; columns named in `left` are texts, those in `wraps` long ones."""

    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    left: Sequence[str] = ("verdict", "chosen (* at a bound)", "reason", "status", "chosen")
    wraps: Sequence[str] = ("reason", "chosen")


@dataclass(frozen=True)
class Part:
    """A part of a task's section: drawings (`wide`, then `plots` side by side), then a table; `closed` folds it."""

    title: str
    note: str = ""
    wide: Sequence[Markup] = field(default=())
    plots: Sequence[Markup] = field(default=())
    table: Table | None = None
    closed: bool = False


def drawn(svgs: Iterable[str]) -> list[Markup]:
    """Drawings as they go into the page; empty ones are left out."""
    return [Markup(svg) for svg in svgs if svg]  # made by svg.Plot, which escapes every label
