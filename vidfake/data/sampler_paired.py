"""Each fake beside the real it was made from, so that identity, scene and codec tell the two apart by nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vidfake.data.items import IntArray, SamplingTable
from vidfake.data.sampler_base import SAMPLERS, By, Card, ClipSampler, Deck, members, steps_of
from vidfake.errors import SamplerError


@SAMPLERS.register("source_paired", source="vidfake")
class SourcePairedSampler(ClipSampler):
    """For every fake clip the real one of its source, sharing its sub-clip and augmentation.

    The real of a fake made on the fly is the clip it is made from. That of a stored fake is a real clip of the same
    `pair_id`, or else of the same `source_id`: of the same dataset and compression if there is one, nearest in
    time. Fakes without a real are left out (`num_unpaired`). A batch has as many reals as fakes, each real once.

    Args:
        steps: batches per epoch; default: each paired real clip comes about once.
    """

    def __init__(
        self,
        *,
        table: SamplingTable,
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        steps: int | None = None,
    ) -> None:
        super().__init__(table=table, batch_size=batch_size, seed=seed, rank=rank, world_size=world_size)
        self._pairs = batch_size // 2
        self.check_share(self._pairs, "pairs")
        self.real_of = real_of_fakes(table)
        self._fakes = np.flatnonzero(self.real_of >= 0)
        reals = len(np.unique(self.real_of[self._fakes]))
        if self._pairs < 1 or reals < self._pairs:
            raise SamplerError(
                f"a batch of {batch_size} needs {max(1, self._pairs)} different real clips with a fake of the same "
                f"pair_id or source_id, but there are {reals} (and {self.num_unpaired} fakes without a real). "
                "Choose a smaller batch of at least 2, fill in pair_id, or use makers (data.makers)."
            )
        self._steps = steps if steps is not None else max(1, round(reals / self._pairs))
        steps_of(table, 1, steps)

    @property
    def num_unpaired(self) -> int:
        """Fake clips that have no real and are never drawn."""
        return int(((self.table.labels == 1) & (self.real_of < 0)).sum())

    def plan(self, epoch: int) -> Iterator[list[Card]]:
        """Batches with the reals first, then their fakes in the same order."""
        deck = Deck(self._fakes, self.random(epoch))
        for _ in range(self._steps):
            reals: list[int] = []
            fakes: list[int] = []
            while len(fakes) < self._pairs:
                fake = deck.take(lambda f: int(self.real_of[f]) not in reals)  # noqa: B023
                if fake is None:
                    raise SamplerError("there are fewer pairs than a batch needs.")
                fakes.append(fake)
                reals.append(int(self.real_of[fake]))
            yield [(real, -1) for real in reals] + [(fake, real) for fake, real in zip(fakes, reals, strict=True)]

    def supplies(self, by: By) -> tuple[int, int]:
        """Half real, half fake; by class only where all fakes are of one."""
        return (2, self._pairs) if by == "label" or self.num_classes == 2 else (2, 1)

    def __len__(self) -> int:
        return self._steps


def real_of_fakes(table: SamplingTable) -> IntArray:
    """(N,) the real item of each fake, -1 for reals and for fakes without one."""
    real_of = table.made_from.copy()
    reals = np.flatnonzero(table.labels == 0)
    by_pair, by_source = members(table.pairs[reals]), members(table.sources[reals])
    for fake in np.flatnonzero((table.labels == 1) & (table.made_from < 0)):
        pair = int(table.pairs[fake])
        places = by_pair.get(pair) if pair >= 0 else None
        if places is None:
            places = by_source.get(int(table.sources[fake]))
        if places is not None:
            candidates = reals[places]
            other_domain = table.domains[candidates] != table.domains[fake]
            distance = np.abs(table.start_seconds[candidates] - table.start_seconds[fake])
            real_of[fake] = candidates[np.lexsort((candidates, distance, other_domain))[0]]
    return real_of
