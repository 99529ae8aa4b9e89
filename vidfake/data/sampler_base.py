"""What every sampler is: whole batches, the same for any number of processes, resumable at (epoch, step)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from torch.utils.data import Sampler

from vidfake.data.items import Draw, IntArray, SamplingTable
from vidfake.errors import SamplerError
from vidfake.registry import Registry
from vidfake.seeding import generator
from vidfake.settings import SamplerSettings

By = Literal["label", "class"]
Card = tuple[int, int]  # an item, and its twin or -1


class ClipSampler(Sampler[list[Draw]], ABC):
    """Batches of `Draw`s for a DataLoader's `batch_sampler`.

    A sampler plans an epoch's global batches from (seed, epoch) alone. Within a batch the draws are in order of
    class, and process `rank` of `world_size` takes every `world_size`-th of them: each gets its share of every
    class, and together they see what one process would.

    Args:
        table: of the dataset's items.
        batch_size: clips per batch over all processes.
        seed: of the order.
        rank, world_size: this process among all.
    """

    def __init__(
        self, *, table: SamplingTable, batch_size: int, seed: int = 0, rank: int = 0, world_size: int = 1
    ) -> None:
        if len(table) == 0:
            raise SamplerError("there are no clips to draw from.")
        if batch_size < 1:
            raise SamplerError(f"batch_size is {batch_size}; it must be at least 1.")
        if not 0 <= rank < world_size:
            raise SamplerError(f"rank {rank} of {world_size} processes; it takes 0 to {world_size - 1}.")
        self.table = table
        self.batch_size = batch_size
        self.seed, self.rank, self.world_size = seed, rank, world_size
        self.epoch, self.first_step = 0, 0

    def set_epoch(self, epoch: int, step: int = 0) -> None:
        """The next iteration gives that epoch's batches from `step` on."""
        self.epoch, self.first_step = epoch, step

    @abstractmethod
    def plan(self, epoch: int) -> Iterator[list[Card]]:
        """The global batches of an epoch."""

    @abstractmethod
    def __len__(self) -> int:
        """Batches per epoch."""

    @property
    def num_classes(self) -> int:
        """Classes that have clips."""
        return len(np.unique(self.table.class_labels))

    def supplies(self, by: By) -> tuple[int, int]:
        """(P, K): every batch holds at least P classes with at least K clips each, told apart by `by`."""
        return 1, 1

    def __iter__(self) -> Iterator[list[Draw]]:
        repeats: dict[int, int] = {}
        epoch, first = self.epoch, self.first_step
        for step, batch in enumerate(self.plan(epoch)):
            draws = []
            for item, twin in batch:
                repeat = repeats.get(item, 0)
                repeats[item] = repeat + 1
                draws.append(Draw(item, epoch, repeat, twin))
            mine = draws[self.rank :: self.world_size]
            if step >= first and mine:
                yield mine

    def require(self, *, classes_per_batch: int, clips_per_class: int, by: By = "class") -> None:
        """Raise SamplerError unless every batch holds what a loss needs: P classes with K clips each."""
        classes, clips = self.supplies(by)
        if classes < classes_per_batch or clips < clips_per_class:
            raise SamplerError(
                f"the loss needs batches of at least {classes_per_batch} {_KINDS[by]} with {clips_per_class} clips "
                f"each; the sampler '{_name(self)}' with batch size {self.batch_size} guarantees {classes} with "
                f"{clips} each. Use data.sampler.name=pk with classes_per_batch={classes_per_batch} and "
                f"clips_per_class={clips_per_class} or more, and a batch size of at least "
                f"{classes_per_batch * clips_per_class}."
            )

    def random(self, epoch: int, *parts: int | str) -> np.random.Generator:
        """The generator of a part of an epoch's plan."""
        return generator(self.seed, "sampler", epoch, *parts)

    def check_share(self, per_batch: int, what: str) -> None:
        """Refuse batches that cannot be dealt evenly to the processes."""
        if per_batch % self.world_size:
            raise SamplerError(
                f"{per_batch} {what} per batch cannot be shared evenly by {self.world_size} processes. Make the "
                f"batch size a multiple of {self.world_size}."
            )


_KINDS = {"label": "labels (real, fake)", "class": "classes"}
SAMPLERS: Registry[ClipSampler] = Registry("sampler")


def _name(sampler: ClipSampler) -> str:
    return next((row.name for row in SAMPLERS if row.factory is type(sampler)), type(sampler).__name__)


def build_sampler(
    settings: SamplerSettings,
    table: SamplingTable,
    *,
    batch_size: int,
    seed: int = 0,
    rank: int = 0,
    world_size: int = 1,
    **options: Any,
) -> ClipSampler:
    """The sampler that the settings name; `options` are defaults that the settings' own options override.

    Raises UnknownNameError, ConfigError for an unknown option, SamplerError when the clips cannot supply it.
    """
    accepted = SAMPLERS.row(settings.name).options()
    defaults = {name: value for name, value in options.items() if name in accepted}
    return SAMPLERS.build(
        settings.name,
        **{**defaults, **settings.options},
        table=table,
        batch_size=batch_size,
        seed=seed,
        rank=rank,
        world_size=world_size,
    )


class Deck:
    """Cards drawn without replacement, pass after pass, each pass in a new order."""

    def __init__(self, cards: Sequence[int] | IntArray, rng: np.random.Generator) -> None:
        self._cards = [int(card) for card in cards]
        self._rng = rng
        self._left: list[int] = []  # the next card is at the end

    def take(self, accept: Callable[[int], bool]) -> int | None:
        """The next card that is accepted; refused ones keep their place. None when no card is."""
        card = self._take_left(accept)
        if card is None and any(map(accept, self._cards)):
            self._left[:0] = [self._cards[i] for i in self._rng.permutation(len(self._cards))]
            card = self._take_left(accept)
        return card

    def _take_left(self, accept: Callable[[int], bool]) -> int | None:
        for place in range(len(self._left) - 1, -1, -1):
            if accept(self._left[place]):
                return self._left.pop(place)
        return None


def members(values: IntArray) -> dict[int, IntArray]:
    """Indices of each value, values ascending."""
    if len(values) == 0:
        return {}
    order = np.argsort(values, kind="stable")
    found, starts = np.unique(values[order], return_index=True)
    return dict(zip(found.tolist(), np.split(order, starts[1:]), strict=True))


def steps_of(table: SamplingTable, reals_per_batch: float, steps: int | None) -> int:
    """Batches per epoch: `steps` if given, else so many that each real clip comes about once."""
    if steps is not None:
        if steps < 1:
            raise SamplerError(f"steps is {steps}; it must be at least 1.")
        return steps
    reals = int((table.labels == 0).sum()) or len(table)
    return max(1, round(reals / max(reals_per_batch, 1e-9)))
