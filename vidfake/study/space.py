"""Hyper-parameters of a search: points of [0, 1)^d to values, the same number of dimensions for every loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np

from vidfake.errors import ConfigError
from vidfake.seeding import derived_seed


@dataclass(frozen=True)
class Dimension:
    """One hyper-parameter: a list of `choices`, or a number from `low` to `high`, uniform in its logarithm.

    `name` is the setting: ``loss.scale``, ``loss.weight`` (of a regulariser in its sum), ``optim.weight_decay``;
    a name that ends in ``_factor`` multiplies the setting of the rest of the name.
    """

    name: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0

    def __post_init__(self) -> None:
        if not self.choices and not 0 < self.low < self.high:
            raise ConfigError(
                f"the search space of '{self.name}' is empty: neither choices nor 0 < low < high "
                f"({self.low} to {self.high}). List at least one value."
            )

    def value(self, u: float) -> Any:
        """The value at `u` in [0, 1)."""
        if not 0 <= u < 1:
            raise ValueError(f"{self.name}: a search point is {u}; it lies in [0, 1)")
        if self.choices:
            return self.choices[int(u * len(self.choices))]
        value = math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))
        return float(f"{value:.4g}")  # what a table can show is what was run

    def at_bound(self, u: float) -> str:
        """``low`` or ``high`` for an end of an ordered range, or the outer 5 % of a logarithmic one, else empty."""
        if self.choices:
            ordered = len(self.choices) > 2 and all(
                isinstance(c, int | float) and not isinstance(c, bool) for c in self.choices
            )
            place = int(u * len(self.choices))
            ends = {0: "low", len(self.choices) - 1: "high"}
            return ends.get(place, "") if ordered else ""
        return "low" if u < 0.05 else "high" if u >= 0.95 else ""

    def to_json(self) -> dict[str, Any]:
        """For ``study.json``."""
        found = asdict(self)
        return {"name": self.name, "choices": list(self.choices)} if self.choices else {**found, "choices": []}


# What a loss with few hyper-parameters of its own searches too, so that every budget is spent in as many
# dimensions: the rate of its class weights, where it has any, the rate of everything else, then weight decay.
HEAD_RATE = Dimension("optim.head_learning_rate_factor", low=0.1, high=100.0)
RATE = Dimension("optim.learning_rate_factor", low=0.3, high=3.0)
DECAY = Dimension("optim.weight_decay", low=1e-4, high=0.3)


def completed(own: Sequence[Dimension], *, has_parameters: bool, dimensions: int) -> tuple[Dimension, ...]:
    """A loss's own dimensions, up to `dimensions` with the common ones; one with more of its own keeps them all."""
    common = [HEAD_RATE, RATE, DECAY] if has_parameters else [RATE, DECAY]
    taken = {d.name.removesuffix("_factor") for d in own}
    free = [d for d in common if d.name.removesuffix("_factor") not in taken]
    return (*own, *free[: max(0, dimensions - len(own))])


def settings_at(dimensions: Sequence[Dimension], point: Sequence[float]) -> dict[str, Any]:
    """Values by name at a point."""
    return {d.name: d.value(u) for d, u in zip(dimensions, point, strict=True)}


def bounds_at(dimensions: Sequence[Dimension], point: Sequence[float]) -> dict[str, str]:
    """The dimensions that lie at an end."""
    found = {d.name: d.at_bound(u) for d, u in zip(dimensions, point, strict=True)}
    return {name: end for name, end in found.items() if end}


def sobol_points(count: int, dimensions: int, seed: int) -> list[list[float]]:
    """The first `count` points of a scrambled Sobol sequence (Sobol 1967, Owen 1998).

    The same for every loss of as many dimensions; more trials add points and change none.
    """
    from scipy.stats import qmc

    if dimensions == 0:
        return [[] for _ in range(count)]
    rng = np.random.default_rng(derived_seed(seed, "sobol", dimensions))
    sequence = qmc.Sobol(dimensions, scramble=True, rng=rng)
    points = sequence.random_base2(max(1, math.ceil(math.log2(max(2, count)))))
    return [[min(float(u), math.nextafter(1.0, 0.0)) for u in point] for point in points[:count]]


def grid_points(dimensions: Sequence[Dimension], count: int, who: str) -> list[list[float]]:
    """Every combination of choices. Raises ConfigError unless there are exactly `count`: budgets must be equal."""
    for dimension in dimensions:
        if not dimension.choices:
            raise ConfigError(f"{who}: a grid needs a list of values for '{dimension.name}' (spaces).")
    sizes = [len(d.choices) for d in dimensions]
    if math.prod(sizes) != count:
        raise ConfigError(
            f"{who}: its grid has {' x '.join(map(str, sizes))} = {math.prod(sizes)} points, but trials is {count} "
            "and every loss must spend the same. Change spaces or trials."
        )
    return [[(i + 0.5) / n for i, n in zip(place, sizes, strict=True)] for place in product(*map(range, sizes))]
