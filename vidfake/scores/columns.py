"""Turning what a caller or a file hands in into checked numpy columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from vidfake.types import Status

StrArray = npt.NDArray[np.object_]
IntArray = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]
AnyArray = npt.NDArray[Any]

UNKNOWN_LABEL = -1
MISSING = "missing"
"""Status of a listed video of which a foreign score file has no row."""

SCORE_STATUSES: tuple[str, ...] = (*get_args(Status), MISSING)


def strings(values: Iterable[Any] | str, size: int, name: str) -> StrArray:
    """(size,) object array of `str`; one string stands for all rows. Equal texts share one object."""
    column = np.empty(size, dtype=object)
    if isinstance(values, str):
        column[:] = values
        return column
    items = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if len(items) != size:
        raise ValueError(f"{name} has {len(items)} entries; {size} are needed, one per video")
    if not set(map(type, items)) <= {str}:
        wrong = next(i for i, item in enumerate(items) if type(item) is not str)
        raise ValueError(f"{name}[{wrong}] is {items[wrong]!r}; a string is needed")
    shared: dict[str, str] = {}
    column[:] = [shared.setdefault(item, item) for item in items]
    return column


def integers(values: Any, size: int | None, name: str) -> IntArray:
    """(size,) int64; refuses anything that is not whole numbers."""
    array = np.asarray(values)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be a list of whole numbers, got {_describe(array)}")
    return _sized(array.astype(np.int64), size, name)


def floats(values: Any, size: int | None, name: str, *, finite: bool = True) -> Float64Array:
    """(size,) float64; refuses text, None, nesting and, unless told otherwise, NaN and infinity."""
    array = np.asarray(values)
    if array.size == 0:
        array = array.astype(np.float64)
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise ValueError(f"{name} must be a list of numbers, got {_describe(array)}")
    array = _sized(array.astype(np.float64), size, name)
    if finite and not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array))
        raise ValueError(f"{name} has {len(bad)} of {len(array)} values that are not finite, the first at {bad[0]}")
    return array


def _sized(array: npt.NDArray[Any], size: int | None, name: str) -> npt.NDArray[Any]:
    if size is not None and len(array) != size:
        raise ValueError(f"{name} has {len(array)} entries; {size} are needed")
    return array


def _describe(array: npt.NDArray[Any]) -> str:
    return f"shape {array.shape} of {array.dtype.name}"


def first_duplicates(values: Sequence[str] | StrArray, limit: int = 3) -> tuple[int, list[str]]:
    """How many entries repeat an earlier one, and the first few of them."""
    seen: set[str] = set()
    repeated = [value for value in values if value in seen or seen.add(value)]  # type: ignore[func-returns-value]
    return len(repeated), list(dict.fromkeys(repeated))[:limit]
