"""Collects what is wrong with a score file, so that one message gives every kind of problem with its count."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vidfake.errors import ScoreFileError

MAX_SHOWN = 80


def shown(value: object) -> str:
    """A value for a message: quoted, escaped and cut."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


@dataclass
class _Kind:
    count: int
    where: str
    example: str
    advice: str


class Problems:
    """What was found wrong, by kind; `raise_any` turns it into one ScoreFileError."""

    def __init__(self, path: Path | str) -> None:
        self.path = path
        self._kinds: dict[str, _Kind] = {}

    def add(self, kind: str, where: int | str, example: object, advice: str) -> None:
        """One case. `where` is a line number, or ``""``; only the first of a kind is shown."""
        if kind in self._kinds:
            self._kinds[kind].count += 1
        else:
            self._kinds[kind] = _Kind(1, f":{where}" if where != "" else "", shown(example), advice)

    def raise_any(self) -> None:
        """Raise ScoreFileError if anything was added."""
        if self._kinds:
            lines = [
                f"{self.path}{k.where}: {k.count} {kind}, first {k.example}. {k.advice}"
                for kind, k in self._kinds.items()
            ]
            raise ScoreFileError("\n".join(lines))
