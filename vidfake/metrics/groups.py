"""Parts of a data set to look at by themselves: manipulations, compressions, pairs, face sizes, number of faces."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vidfake.metrics.segments import Float64Array
from vidfake.scores.table import ScoreTable
from vidfake.types import FAKE, REAL, BoolArray

FACE_PIXEL_EDGES = (64.0, 128.0, 256.0)
COUNT_EDGES = (2.0, 3.0)
COUNT_NAMES = ("one", "two", "three and more")


@dataclass(frozen=True, eq=False)
class Group:
    """`videos` (V,) marks the group's rows. `kind` is what it is grouped by; `against` says which reals are in."""

    kind: str
    name: str
    videos: BoolArray
    against: str = ""


def in_pairs(table: ScoreTable) -> BoolArray:
    """(V,) True for videos whose `pair_id` has both a real and a fake: same person, codec and resolution."""
    chosen = (table.pair_id != "") & table.labelled
    both = set(table.pair_id[chosen & (table.label == REAL)]) & set(table.pair_id[chosen & (table.label == FAKE)])
    paired: BoolArray = chosen & np.array([pair in both for pair in table.pair_id], dtype=bool)
    return paired


def by_manipulation(table: ScoreTable) -> Iterator[Group]:
    """Each manipulation twice: against the reals it was made from (by `source_id`), and against all reals.

    The groups share their reals, so their figures are correlated: they are not independent data sets.
    """
    reals = table.label == REAL
    for name in sorted(set(table.manipulation[table.label == FAKE])):
        fakes = (table.label == FAKE) & (table.manipulation == name)
        sources = set(table.source_id[fakes])
        own = reals & np.array([source in sources for source in table.source_id], dtype=bool)
        title = name or "(not named)"
        yield Group("manipulation", title, fakes | own, "its own reals")
        yield Group("manipulation", title, fakes | reals, "all reals")


def by_compression(table: ScoreTable) -> Iterator[Group]:
    """Each compression that the table names, if there are several."""
    names = sorted(set(table.compression))
    if len(names) > 1:
        for name in names:
            yield Group("compression", name or "(not named)", table.labelled & (table.compression == name))


def by_attribute(
    table: ScoreTable, name: str, edges: npt.ArrayLike, *, kind: str, unit: str = "", names: Sequence[str] = ()
) -> Iterator[Group]:
    """Bins of one of the table's `attributes`: below the first edge, between edges, at or above the last."""
    values = table.attributes[name]
    bounds = np.concatenate(([-np.inf], np.asarray(edges, dtype=np.float64), [np.inf]))
    known = ~np.isnan(values) & table.labelled
    for i, (low, high) in enumerate(itertools.pairwise(bounds)):
        videos = known & (values >= low) & (values < high)
        if videos.any():
            yield Group(kind, names[i] if names else _range_title(float(low), float(high), unit), videos)


def _range_title(low: float, high: float, unit: str) -> str:
    if np.isinf(low):
        return f"below {high:.3g}{unit}"
    if np.isinf(high):
        return f"{low:.3g}{unit} and above"
    return f"{low:.3g} to {high:.3g}{unit}"


def thirds(values: Float64Array) -> Float64Array:
    """The two edges that cut known `values` into thirds; fewer where values repeat."""
    known = values[~np.isnan(values)]
    return np.unique(np.quantile(known, [1 / 3, 2 / 3])) if len(known) else np.empty(0)


def all_groups(table: ScoreTable) -> list[Group]:
    """Every group that the table has the columns for."""
    groups = [*by_manipulation(table), *by_compression(table)]
    if "face_pixels" in table.attributes:
        groups += by_attribute(table, "face_pixels", FACE_PIXEL_EDGES, kind="face size", unit=" px")
    if "quality" in table.attributes:
        groups += by_attribute(table, "quality", thirds(table.attributes["quality"]), kind="face quality")
    for name, kind in (("num_faces", "faces at once"),):
        if name in table.attributes:
            groups += by_attribute(table, name, COUNT_EDGES, kind=kind, names=COUNT_NAMES)
    return groups
