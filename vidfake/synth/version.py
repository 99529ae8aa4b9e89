"""What made fakes depend on besides their clips: the code of this package, and how each maker is set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np


@cache
def synth_version() -> str:
    """SHA-256 of the source files of `vidfake.synth` and the geometry under it: with another, a seed may give other
    pixels."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for path in [*sorted(here.glob("*.py")), here.parent / "geometry.py"]:
        data = path.read_bytes()
        digest.update(f"{path.name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


def describe_maker(maker: Callable[..., Any]) -> dict[str, Any]:
    """A maker as JSON: which function it is, and the options it was built with.

    Options are the values that the function's closure, or a `functools.partial`, holds. Makers inside of makers are
    described likewise. The code of a maker outside of this package is not looked at: give it another name, or an
    option, when it changes.
    """
    if isinstance(maker, partial):
        held: dict[str, Any] = {str(i): value for i, value in enumerate(maker.args)} | maker.keywords
        return {"function": describe_maker(maker.func), "options": _plain(held)}
    code = getattr(maker, "__code__", None)
    cells = getattr(maker, "__closure__", None) or ()
    names = code.co_freevars if code is not None else ()
    options = {name: _plain(cell.cell_contents) for name, cell in zip(names, cells, strict=True)}
    named = maker if code is not None else type(maker)
    return {"function": f"{named.__module__}.{named.__qualname__}", "options": options}


def _plain(value: Any) -> Any:
    """`value` as JSON, the same in every process: no memory addresses, arrays by their bytes."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in sorted(value.items(), key=lambda entry: str(entry[0]))}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value)
        return {
            "array": hashlib.sha256(data.tobytes()).hexdigest(),
            "shape": list(data.shape),
            "type": str(data.dtype),
        }
    if callable(value):
        return describe_maker(value)
    return f"{type(value).__module__}.{type(value).__qualname__}"
