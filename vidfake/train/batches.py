"""Batches of a run: drawn by the sampler for training, in order for validation and for fitting read-outs."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from vidfake.data.batch import ClipBatch, ClipItem, collate
from vidfake.data.clips import ClipDataset
from vidfake.data.features import Encode, cached_features
from vidfake.data.items import SamplingTable
from vidfake.data.sampler_base import By
from vidfake.data.samplers import ClipSampler, build_sampler
from vidfake.errors import ConfigError, SamplerError
from vidfake.losses import EmbeddingLoss
from vidfake.models.detector import Detector
from vidfake.models.interfaces import FrameEncoder
from vidfake.seeding import derived_seed
from vidfake.settings import RunConfig, SamplerSettings
from vidfake.train.data import RunData, reference_subset
from vidfake.train.distributed import World

Report = Callable[[str, int, int | None], None]
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
            worker_init_fn=leave_signals_to_main,
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
            worker_init_fn=leave_signals_to_main,
            generator=draws,
        )
        return loader


def leave_signals_to_main(worker: int) -> None:
    """Ctrl-C and a cluster's SIGTERM reach every process of the group; the main one stops at the next step and then
    ends its workers, which until then go on reading."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def build_feeder(
    config: RunConfig, data: RunData, detector: Detector, loss: EmbeddingLoss, here: World, report: Report
) -> Feeder:
    """Check that the sampler can supply what the loss needs, and make the feeder.

    With `data.cache_features` the frozen encoder sees every clip once; training then reads its features.
    """
    if config.optim.batch_size < 1:
        raise ConfigError(f"optim.batch_size is {config.optim.batch_size}; it must be at least 1.")
    drawn_from = data.reference if config.data.cache_features else data.training
    sampler = choose_sampler(config, drawn_from.table(), loss, here)
    chosen = reference_subset(data.reference, MAX_REFERENCE_CLIPS, config.seed)
    chosen = [index for index in chosen if not data.reference.is_unmade(index)]
    training: Dataset[ClipItem] = data.training
    reference: Dataset[ClipItem] = data.reference
    validation: Dataset[ClipItem] = data.validation
    if config.data.cache_features:
        training = reference = _features(config, data.reference, detector, here, report)
        validation = _features(config, data.validation, detector, here, report)
    return Feeder(
        training=training,
        reference=Subset(reference, chosen),
        validation=validation,
        sampler=sampler,
        seed=config.seed,
        workers=config.data.workers,
        batch_size=config.optim.batch_size,
        pin_memory=here.device.type == "cuda",
    )


def choose_sampler(config: RunConfig, table: SamplingTable, loss: EmbeddingLoss, here: World) -> ClipSampler:
    """The sampler of the settings, or, for ``auto``, the first that gives the loss the P×K clips it needs.

    Raises SamplerError, naming what the loss needs, when the chosen one cannot.
    """
    settings = config.data.sampler
    by: By = "label" if config.loss.task == "binary" else "class"

    def build(chosen: SamplerSettings) -> ClipSampler:
        sampler = build_sampler(
            chosen,
            table,
            batch_size=config.optim.batch_size,
            seed=config.seed,
            rank=here.rank,
            world_size=here.size,
            fake_share=config.data.fake_share,
        )
        sampler.require(
            classes_per_batch=loss.needs.classes_per_batch, clips_per_class=loss.needs.clips_per_class, by=by
        )
        return sampler

    if settings.name != "auto":
        return build(settings)
    try:
        return build(SamplerSettings("balanced", settings.options))
    except SamplerError:
        clips = max(2, loss.needs.clips_per_class)
        groups = len(set((table.labels if by == "label" else table.class_labels).tolist()))
        options = {
            "by": by,
            "clips_per_class": clips,
            "classes_per_batch": max(loss.needs.classes_per_batch, min(groups, config.optim.batch_size // clips)),
        }
        return build(SamplerSettings("pk", {**options, **settings.options}))


def _features(
    config: RunConfig, dataset: ClipDataset, detector: Detector, here: World, report: Report
) -> Dataset[ClipItem]:
    """The dataset with the frozen encoder's features, computed now unless a run before this one did."""
    if not config.model.encoder.frozen:
        raise ConfigError(
            "data.cache_features keeps features of an encoder that does not change: "
            "set model.encoder.frozen=true too."
        )
    encode, facts = frozen_encoder(detector, here.device, name=config.model.encoder.name)
    folder = Path(config.out) / "features"
    for turn in range(here.size):  # one process fills the cache, the others then find it
        if turn == here.rank:
            found = cached_features(
                folder, dataset, encode, encoder=facts, workers=config.data.workers, progress=report
            )
        here.barrier()
    return found


def frozen_encoder(detector: Detector, device: torch.device, *, name: str) -> tuple[Encode, dict[str, Any]]:
    """For a feature cache: frames -> features of the detector's encoder as it is, and the facts behind them."""
    encoder = detector.encoder
    digest = hashlib.sha256()
    for key, value in encoder.state_dict().items():
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())

    def encode(frames: Tensor) -> Tensor:
        encoder.eval()
        with torch.no_grad():
            return detector.encode(frames.to(device)).cpu()

    size = encoder.pixels.input_size if isinstance(encoder, FrameEncoder) else None
    return encode, {"name": name, "size": size, "sha256": digest.hexdigest()}
