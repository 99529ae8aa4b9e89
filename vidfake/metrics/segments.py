"""Arithmetic over ragged groups of rows, without a loop over groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Segments:
    """(n,) `values` sorted by group, ascending inside each group, with (G,) `starts` and `counts` (all > 0)."""

    values: Float64Array
    starts: IntArray
    counts: IntArray

    @staticmethod
    def of(values: Float64Array, groups: IntArray) -> tuple[Segments, IntArray]:
        """Segments of (n,) `values` by (n,) `groups`, and the (G,) group of each segment, ascending."""
        order = np.lexsort((values, groups))
        ordered = groups[order]
        first = np.concatenate(([True], ordered[1:] != ordered[:-1])) if len(ordered) else np.empty(0, bool)
        starts = np.flatnonzero(first)
        counts = np.diff(np.append(starts, len(ordered)))
        return Segments(values[order], starts, counts), ordered[starts]

    @property
    def position(self) -> IntArray:
        """(n,) place of each value inside its group, from 0 (the smallest)."""
        return np.arange(len(self.values)) - np.repeat(self.starts, self.counts)

    @property
    def size(self) -> IntArray:
        """(n,) number of values in each value's group."""
        return np.repeat(self.counts, self.counts)

    def sum(self, values: Float64Array) -> Float64Array:
        """(G,) sums of (n,) `values`, which are in the order of `self.values`."""
        return np.add.reduceat(values, self.starts) if len(self.starts) else np.empty(0)

    def mean(self) -> Float64Array:
        """(G,) means. Exactly the value itself for a group of equal values."""
        low = self.values[self.starts]
        return low + self.sum(self.values - np.repeat(low, self.counts)) / self.counts

    def mean_where(self, keep: npt.NDArray[np.bool_]) -> Float64Array:
        """(G,) means of the values that `keep` (n,) marks; NaN for a group without any."""
        number = self.sum(keep.astype(np.float64))
        total = self.sum(np.where(keep, self.values, 0.0))
        means = np.full(len(number), np.nan)
        np.divide(total, number, out=means, where=number > 0)
        return means
