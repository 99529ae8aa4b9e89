"""The samplers by name. What each loss needs of a batch is in `losses.base.LossNeeds`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from vidfake.data.items import SamplingTable
from vidfake.data.sampler_base import SAMPLERS, By, Card, ClipSampler, Deck, build_sampler, members, steps_of
from vidfake.data.sampler_paired import SourcePairedSampler
from vidfake.data.sampler_pk import PKSampler
from vidfake.errors import SamplerError

__all__ = [
    "SAMPLERS",
    "BalancedSampler",
    "ClipSampler",
    "PKSampler",
    "SequentialSampler",
    "ShuffledSampler",
    "SourcePairedSampler",
    "build_sampler",
]

Over = Literal["label", "method", "class"]
_OURS = "vidfake"


@SAMPLERS.register("sequential", source=_OURS)
class SequentialSampler(ClipSampler):
    """Every clip once, in order; the last batch may be short."""

    def plan(self, epoch: int) -> Iterator[list[Card]]:
        """The same batches in every epoch."""
        for start in range(0, len(self.table), self.batch_size):
            yield [(i, -1) for i in range(start, min(start + self.batch_size, len(self.table)))]

    def __len__(self) -> int:
        return -(-len(self.table) // self.batch_size)


@SAMPLERS.register("shuffled", source=_OURS)
class ShuffledSampler(ClipSampler):
    """Every clip once, in random order; the clips that fill no whole batch are left out (others each epoch)."""

    def __init__(
        self, *, table: SamplingTable, batch_size: int, seed: int = 0, rank: int = 0, world_size: int = 1
    ) -> None:
        super().__init__(table=table, batch_size=batch_size, seed=seed, rank=rank, world_size=world_size)
        self.check_share(batch_size, "clips")
        if len(table) < batch_size:
            raise SamplerError(
                f"batch_size is {batch_size}, but there are {len(table)} clips. Choose a smaller batch."
            )

    def plan(self, epoch: int) -> Iterator[list[Card]]:
        """Batches of one permutation."""
        order = self.random(epoch).permutation(len(self.table))
        for batch in order[: len(self) * self.batch_size].reshape(-1, self.batch_size):
            yield [(int(i), -1) for i in batch[np.argsort(self.table.class_labels[batch], kind="stable")]]

    def __len__(self) -> int:
        return len(self.table) // self.batch_size


@SAMPLERS.register("balanced", source=_OURS)
class BalancedSampler(ClipSampler):
    """Real and fake in a fixed share in every batch, or all classes alike.

    Args:
        over: ``label``: `fake_share` of fakes, drawn alike from all fake clips; ``method``: the same share, but the
            fakes alike from each manipulation; ``class``: real and each manipulation alike.
        fake_share: in (0, 1).
        steps: batches per epoch; default: each real clip comes about once.
        repeat_clips: allow a clip twice in one batch, for groups smaller than their share.
    """

    def __init__(
        self,
        *,
        table: SamplingTable,
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        over: Over = "label",
        fake_share: float = 0.5,
        steps: int | None = None,
        repeat_clips: bool = False,
    ) -> None:
        super().__init__(table=table, batch_size=batch_size, seed=seed, rank=rank, world_size=world_size)
        self.check_share(batch_size, "clips")
        if over not in ("label", "method", "class"):
            raise SamplerError(f"over is {over!r}. It takes 'label', 'method' or 'class'.")
        if not 0 < fake_share < 1:
            raise SamplerError(f"fake_share is {fake_share}; it must lie between 0 and 1.")
        self._over, self._repeat_clips = over, repeat_clips
        self._groups = members(table.labels if over == "label" else table.class_labels)
        self._num_fakes = min(batch_size - 1, max(1, round(batch_size * fake_share)))
        self._check()
        reals = batch_size / len(self._groups) if over == "class" else batch_size - self._num_fakes
        self._steps = steps_of(table, reals, steps)

    def _check(self) -> None:
        fakes = len(self._groups) - (0 in self._groups)
        if 0 not in self._groups or fakes == 0:
            raise SamplerError(
                f"balanced batches need real and fake clips; there are {int((self.table.labels == 0).sum())} real "
                f"and {int((self.table.labels == 1).sum())} fake. Add videos, or makers (data.makers)."
            )
        if self.batch_size < 2:
            raise SamplerError("balanced batches need a batch size of at least 2.")
        for group, clips in self._groups.items():
            most = max(self._quotas(step)[group] for step in range(len(self._groups)))
            if most > len(clips) and not self._repeat_clips:
                raise SamplerError(
                    f"a batch of {self.batch_size} needs {most} clips of '{self._title(group)}', but there are "
                    f"{len(clips)}. Choose a smaller batch, or set repeat_clips=true."
                )

    def _title(self, group: int) -> str:
        return ("real", "fake")[group] if self._over == "label" else self.table.class_names[group]

    def _quotas(self, step: int) -> dict[int, int]:
        """Clips of each group in the batch of that step; what does not divide goes round."""
        if self._over == "class":
            return _dealt(self.batch_size, list(self._groups), step)
        fakes = [group for group in self._groups if group != 0]
        return {0: self.batch_size - self._num_fakes, **_dealt(self._num_fakes, fakes, step)}

    def plan(self, epoch: int) -> Iterator[list[Card]]:
        """Batches in order of class."""
        decks = {group: Deck(clips, self.random(epoch, group)) for group, clips in self._groups.items()}
        for step in range(self._steps):
            batch: list[int] = []
            for group, quota in self._quotas(step).items():
                for _ in range(quota):
                    item = decks[group].take(lambda i: i not in batch)  # noqa: B023
                    if item is None:  # a group smaller than its share, where repeats are allowed
                        item = decks[group].take(lambda i: True)
                    if item is not None:
                        batch.append(item)
            batch.sort(key=lambda i: int(self.table.class_labels[i]))
            yield [(i, -1) for i in batch]

    def supplies(self, by: By) -> tuple[int, int]:
        """What the quotas of every step hold at least; fakes that are drawn alike may all be of one class."""
        if by == "class" and self._over == "label" and self.num_classes > 2:
            return 2, 1
        rounds = [self._quotas(step) for step in range(len(self._groups))]
        if by == "label":
            rounds = [{0: quotas[0], 1: self.batch_size - quotas[0]} for quotas in rounds]
        held = [[quota for quota in quotas.values() if quota] for quotas in rounds]
        return min(map(len, held)), min(map(min, held))

    def __len__(self) -> int:
        return self._steps


def _dealt(total: int, groups: list[int], step: int) -> dict[int, int]:
    """`total` dealt to the groups, the remainder to others at each step."""
    share, rest = divmod(total, len(groups))
    return {group: share + ((i - step * rest) % len(groups) < rest) for i, group in enumerate(groups)}
