"""A registry: name -> factory, with a summary and a source, so that a catalogue prints itself."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from vidfake.errors import ConfigError, UnknownNameError

T = TypeVar("T")


def nearest(name: str, known: list[str]) -> str:
    """`` Did you mean 'x'?`` for the closest known name, or an empty string."""
    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


@dataclass(frozen=True)
class Row(Generic[T]):
    """One entry of a registry.

    `status` is ``""`` or a word that must be visible wherever the row is listed (``reconstruction``).
    `details` holds facts that belong to the entry (family, search space …), never behaviour.
    """

    name: str
    factory: Callable[..., T]
    summary: str
    source: str
    status: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    def options(self) -> dict[str, inspect.Parameter]:
        """Keyword options of the factory, declared once: in its own signature."""
        return {
            name: parameter
            for name, parameter in inspect.signature(self.factory).parameters.items()
            if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD) and name != "self"
        }


class Registry(Generic[T]):
    """Rows by name. A taken name is an error; an unknown name or option names the nearest known one."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._rows: dict[str, Row[T]] = {}

    def register(
        self, name: str, *, source: str, summary: str = "", status: str = "", **details: Any
    ) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Decorator. Without `summary`, the first line of the docstring is used."""

        def decorate(factory: Callable[..., T]) -> Callable[..., T]:
            line = summary or (inspect.getdoc(factory) or "").split("\n")[0]
            if not line:
                raise ValueError(f"{self.kind} '{name}' has neither a summary nor a docstring")
            if name in self._rows:
                raise ValueError(f"{self.kind} '{name}' is already registered; choose another name")
            self._rows[name] = Row(name, factory, line, source, status, details)
            return factory

        return decorate

    def names(self) -> list[str]:
        """Known names, in the order of registration."""
        return list(self._rows)

    def row(self, name: str) -> Row[T]:
        """The row of that name. Raises UnknownNameError with the nearest known name."""
        if name not in self._rows:
            known = self.names()
            raise UnknownNameError(
                f"Unknown {self.kind} '{name}'. Known: {', '.join(known)}.{nearest(name, known)}"
            )
        return self._rows[name]

    def build(self, name: str, /, **options: Any) -> T:
        """Build the row's object. An unknown or missing option is an error that lists the accepted ones."""
        row = self.row(name)
        accepted = row.options()
        open_ended = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(row.factory).parameters.values())
        for option in options:
            if option not in accepted and not open_ended:
                known = sorted(accepted)
                raise ConfigError(
                    f"{self.kind} '{name}' takes no option '{option}'. It takes: {', '.join(known) or 'none'}."
                    f"{nearest(option, known)}"
                )
        return row.factory(**options)

    def __iter__(self) -> Iterator[Row[T]]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        return name in self._rows
