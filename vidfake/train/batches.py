"""Batches of a run: drawn by the sampler for training, in order for validation and for fitting read-outs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch.utils.data import DataLoader, Dataset, Subset

from vidfake.data.batch import ClipBatch, ClipItem, collate
from vidfake.data.samplers import ClipSampler, build_sampler
from vidfake.errors import ConfigError
from vidfake.losses import EmbeddingLoss
from vidfake.seeding import derived_seed
from vidfake.settings import RunConfig
from vidfake.train.data import RunData, reference_subset
from vidfake.train.distributed import World

MAX_REFERENCE_CLIPS = 2000  # training clips behind prototypes, probe and neighbours


@dataclass
class Feeder:
    """Makes the batches. Everything depends on (seed, epoch, step) only, so a resumed run sees the same clips."""

    training: Dataset[ClipItem]
    reference: Dataset[ClipItem]
    validation: Dataset[ClipItem]
    sampler: ClipSampler
    seed: int
    workers: int
    batch_size: int
    pin_memory: bool = field(default=False)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one process in one epoch."""
        return len(self.sampler)

    def training_batches(self, epoch: int, first_step: int) -> Iterable[ClipBatch]:
        """This process's batches of an epoch from `first_step` on."""
        self.sampler.set_epoch(epoch, first_step)
        # a generator of its own: a loader otherwise draws its seed from the global one, and dropout would differ
        # after a resume
        draws = torch.Generator().manual_seed(derived_seed(self.seed, "loader", epoch))
        loader: DataLoader[ClipItem] = DataLoader(
            self.training,
            batch_sampler=self.sampler,
            collate_fn=collate,
            num_workers=self.workers,
            generator=draws,
            pin_memory=self.pin_memory,
        )
        return loader

    def validation_batches(self) -> Iterable[ClipBatch]:
        """Every validation clip once, in order."""
        return self._in_order(self.validation)

    def reference_batches(self) -> Iterable[ClipBatch]:
        """Training clips as evaluation sees them, up to MAX_REFERENCE_CLIPS, balanced where possible."""
        return self._in_order(self.reference)

    def _in_order(self, dataset: Dataset[ClipItem]) -> Iterable[ClipBatch]:
        draws = torch.Generator().manual_seed(derived_seed(self.seed, "in order"))
        loader: DataLoader[ClipItem] = DataLoader(
            dataset,
            batch_size=max(4, self.batch_size),
            collate_fn=collate,
            num_workers=self.workers,
            generator=draws,
        )
        return loader


def build_feeder(config: RunConfig, data: RunData, loss: EmbeddingLoss, here: World) -> Feeder:
    """Check that the sampler can supply what the loss needs, and make the feeder."""
    if config.optim.batch_size < 1:
        raise ConfigError(f"optim.batch_size is {config.optim.batch_size}; it must be at least 1.")
    options = {"fake_share": config.data.fake_share} if data.training.makers else {}
    sampler = build_sampler(
        config.data.sampler,
        data.training.table(),
        batch_size=config.optim.batch_size,
        seed=config.seed,
        rank=here.rank,
        world_size=here.size,
        **options,
    )
    sampler.require(
        classes_per_batch=loss.needs.classes_per_batch,
        clips_per_class=loss.needs.clips_per_class,
        by="label" if config.loss.task == "binary" else "class",
    )
    chosen = reference_subset(data.reference, MAX_REFERENCE_CLIPS, config.seed)
    return Feeder(
        training=data.training,
        reference=Subset(data.reference, chosen),
        validation=data.validation,
        sampler=sampler,
        seed=config.seed,
        workers=config.data.workers,
        batch_size=config.optim.batch_size,
        pin_memory=here.device.type == "cuda",
    )
