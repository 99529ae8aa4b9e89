"""Parts of a data set to look at by themselves: manipulations, origins, pairs, face sizes, light, faces at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vidfake.metrics.segments import Float64Array
from vidfake.scores.columns import StrArray
from vidfake.scores.table import ScoreTable
from vidfake.types import FAKE, REAL, BoolArray

FACE_PIXEL_EDGES = (64.0, 128.0, 256.0)
IMAGE_STATISTICS = {"brightness": "face brightness", "sharpness": "face sharpness"}
"""Attributes that are cut into thirds of the data at hand, and what they are called."""

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
    yield from _by_name(table.compression, table, "compression")


def origin_group(origin: str) -> str:
    """Where a video comes from, without the file: what stands before the first colon, of an address its host.

    ``owner/repository:folder/file.mp4`` gives ``owner/repository``, ``https://site.org/a/b.mp4`` ``site.org``.
    """
    scheme, slashes, rest = origin.partition("://")
    if slashes and scheme.isalnum():
        return rest.partition("/")[0].strip()
    return origin.partition(":")[0].strip()


def by_origin(table: ScoreTable) -> Iterator[Group]:
    """Each origin, if there are several."""
    yield from _by_name([origin_group(str(text)) for text in table.origin], table, "origin")


def by_dataset(table: ScoreTable) -> Iterator[Group]:
    """Each data set that the table names, if there are several."""
    yield from _by_name(table.dataset, table, "data set")


def _by_name(names: Sequence[str] | StrArray, table: ScoreTable, kind: str) -> Iterator[Group]:
    values = np.asarray(names, dtype=object)
    different = sorted(set(values[table.labelled]))
    if len(different) > 1:
        for name in different:
            yield Group(kind, name or "(not named)", table.labelled & (values == name))


def by_image_statistics(table: ScoreTable) -> Iterator[Group]:
    """Size of the face in fixed bins, and its brightness and sharpness in thirds of the data at hand.

    They stand in for groups of people where no such labels exist: light and camera differ between people.
    """
    if "face_pixels" in table.attributes:
        yield from by_attribute(table, "face_pixels", FACE_PIXEL_EDGES, kind="face size", unit=" px")
    for name, kind in IMAGE_STATISTICS.items():
        if name in table.attributes:
            yield from by_attribute(table, name, thirds(table.attributes[name]), kind=kind)


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
    groups += by_image_statistics(table)
    if "quality" in table.attributes:
        groups += by_attribute(table, "quality", thirds(table.attributes["quality"]), kind="face quality")
    for name, kind in (("num_faces", "faces at once"),):
        if name in table.attributes:
            groups += by_attribute(table, name, COUNT_EDGES, kind=kind, names=COUNT_NAMES)
    return groups
