"""Options of losses: range checks that name the value, and signatures that list inherited options."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any, get_type_hints

from vidfake.errors import LossInputError


def check_range(
    loss: object,
    name: str,
    value: float,
    low: float,
    high: float = math.inf,
    *,
    open_low: bool = False,
    hint: str = "",
) -> float:
    """`value` if it lies in [low, high] (or (low, high] with `open_low`), else LossInputError with both."""
    inside = (low < value if open_low else low <= value) and value <= high and not math.isnan(value)
    if not inside:
        upper = f" to {high:g}" if math.isfinite(high) else " or more"
        accepted = f"above {low:g}{upper if math.isfinite(high) else ''}" if open_low else f"{low:g}{upper}"
        raise LossInputError(f"{type(loss).__name__}: {name} is {value:g}; it takes {accepted}. {hint}".rstrip())
    return float(value)


def check_choice(loss: object, name: str, value: str, known: Sequence[str]) -> str:
    """`value` if it is one of `known`, else LossInputError."""
    if value not in known:
        raise LossInputError(f"{type(loss).__name__}: {name} is {value!r}; it takes {', '.join(known)}.")
    return value


def check_per_class(loss: object, name: str, values: Sequence[float], num_classes: int) -> list[float]:
    """One positive number per class as a list, else LossInputError."""
    if len(values) != num_classes or not all(math.isfinite(v) and v > 0 for v in values):
        raise LossInputError(
            f"{type(loss).__name__}: {name} is {list(values)}; it takes {num_classes} numbers above 0, one per "
            "class."
        )
    return [float(v) for v in values]


def listed_signature(cls: type) -> inspect.Signature:
    """Signature of `cls` with the keys of an `**options: Unpack[SomeTypedDict]` listed by name.

    Types come from the typed dict, defaults from the base class that declares the option. So a loss declares
    only what is its own, and the registry still knows (and checks) every option it takes.
    """
    own = inspect.signature(cls.__init__)  # type: ignore[misc]
    parameters = [p for name, p in own.parameters.items() if name != "self" and p.kind is not p.VAR_KEYWORD]
    rest = [p for p in own.parameters.values() if p.kind is p.VAR_KEYWORD]
    if rest:
        hints = get_type_hints(cls.__init__)  # type: ignore[misc]
        table = hints[rest[0].name].__args__[0]
        taken = {p.name for p in parameters}
        parameters += [
            _inherited(cls, name, kind) for name, kind in get_type_hints(table).items() if name not in taken
        ]
    required = [p for p in parameters if p.default is p.empty]
    return inspect.Signature(required + [p for p in parameters if p.default is not p.empty])


def _inherited(cls: type, name: str, annotation: Any) -> inspect.Parameter:
    for base in cls.__mro__[1:]:
        declared = inspect.signature(base.__init__).parameters.get(name)  # type: ignore[misc]
        if declared is not None:
            return declared.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
    raise TypeError(f"{cls.__name__} takes option '{name}', which no base class declares")
