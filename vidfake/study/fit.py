"""One cached run: aggregator, embedding and loss trained on index batches of features by the project's own loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vidfake.config import to_dict
from vidfake.data.batch import ClipBatch
from vidfake.data.items import IntArray, SamplingTable
from vidfake.data.samplers import ClipSampler, build_sampler
from vidfake.errors import SamplerError
from vidfake.files import dump_json
from vidfake.inference.scorer import embed
from vidfake.losses import EmbeddingLoss
from vidfake.losses.combine import build_loss
from vidfake.models.detector import Detector, build_detector
from vidfake.models.interfaces import FrameEncoder
from vidfake.seeding import seed_everything
from vidfake.settings import RunConfig, SamplerSettings
from vidfake.study.sets import ClipSet, TensorSet
from vidfake.train.distributed import World
from vidfake.train.log import RunLog
from vidfake.train.loop import Fit
from vidfake.train.module import TrainingModule
from vidfake.train.stop import StopRequest

Evaluate = Callable[[Detector, EmbeddingLoss], Any]
_KEPT_PLANS = 24  # of batches: one per sampler and seed; every run of a search takes the same


class NoEncoder(FrameEncoder):
    """Stands where the encoder was: features come from a cache, and no picture is ever seen."""

    def __init__(self, feature_dim: int) -> None:
        super().__init__(nn.Identity(), feature_dim=feature_dim, input_size=32)
        self.freeze()


@dataclass(frozen=True)
class Fitted:
    """A trained run. `evaluated` is what the caller's function gave of the final (averaged) weights."""

    detector: Detector
    loss: EmbeddingLoss
    evaluated: Any
    train_loss: float | None
    train_seconds: float


class PlanCache:
    """Batches of a sampler as lists of indices; drawn once per (sampler, task, seed)."""

    def __init__(self) -> None:
        self._plans: dict[str, list[IntArray]] = {}

    def get(self, sampler: ClipSampler, name: str) -> list[IntArray]:
        """The batches of one epoch."""
        if name not in self._plans:
            if len(self._plans) >= _KEPT_PLANS:
                self._plans.pop(next(iter(self._plans)))
            sampler.set_epoch(0)
            self._plans[name] = [np.array([d.item for d in batch], dtype=np.int64) for batch in sampler]
        return self._plans[name]


def choose_batches(
    config: RunConfig, table: SamplingTable, loss: EmbeddingLoss, *, steps: int
) -> tuple[ClipSampler, str]:
    """The sampler of a run, and a name that tells it from others.

    Every batch holds reals and fakes alike for the binary task (fakes alike from each manipulation), all classes
    alike for manipulations. A loss that compares clips of a batch gets P×K: all classes of the task, the K from
    different videos where there are as many. A sampler named in the settings is taken as it is.

    Raises SamplerError when it cannot supply what the loss needs.
    """
    binary = config.loss.task == "binary"
    by = "label" if binary else "class"
    asked = config.data.sampler
    if asked.name != "auto":
        settings = SamplerSettings(asked.name, {**asked.options, "steps": steps})
    elif loss.needs.clips_per_class > 1:
        classes = 2 if binary else loss.num_classes
        clips = config.optim.batch_size // classes
        options = {"by": by, "classes_per_batch": classes, "clips_per_class": clips, "steps": steps}
        settings = SamplerSettings("pk", options)
        if not _builds(settings, config, table):
            settings = SamplerSettings("pk", {**options, "different_videos": False})
    else:
        options = {"over": "method" if binary else "class", "steps": steps, "repeat_clips": True}
        settings = SamplerSettings("balanced", {"fake_share": 0.5, **options})
    sampler = build_sampler(settings, table, batch_size=config.optim.batch_size, seed=config.seed)
    sampler.require(
        classes_per_batch=loss.needs.classes_per_batch,
        clips_per_class=loss.needs.clips_per_class,
        by="label" if binary else "class",
    )
    name = dump_json([to_dict(settings), config.optim.batch_size, config.seed], indent=None)
    return sampler, name


def _builds(settings: SamplerSettings, config: RunConfig, table: SamplingTable) -> bool:
    try:
        build_sampler(settings, table, batch_size=config.optim.batch_size, seed=config.seed)
    except SamplerError:
        return False
    return True


class _LastLoss(RunLog):
    """Keeps the last training loss, writes nothing."""

    def __init__(self) -> None:
        self.loss: float | None = None

    def write(self, kind: str, step: int, **values: Any) -> None:
        if kind == "train":
            self.loss = float(values["loss"])

    def close(self) -> None:
        pass


def fit_run(
    config: RunConfig,
    training: TensorSet,
    *,
    num_classes: int,
    steps: int,
    evaluate: Evaluate,
    plans: PlanCache | None = None,
    teacher: Tensor | None = None,
) -> Fitted:
    """Train for `steps` optimiser steps, then call `evaluate(detector, loss)` on the final weights.

    Everything random depends on `config.seed`. `teacher` (N, E): a frozen teacher's embeddings of all training
    clips, for losses that distil one. Raises DivergedError, LossInputError, SamplerError, ConfigError.
    """
    seed_everything(config.seed)
    width = int(training.features.shape[1])
    detector = build_detector(config.model, num_frames=width, encoder=NoEncoder(training.feature_dim))
    loss = build_loss(
        config.loss,
        num_classes=num_classes,
        embedding_dim=detector.embedding_dim,
        norm_can_vary=detector.norm_can_vary,
    )
    sampler, name = choose_batches(config, training.table, loss, steps=steps)
    plan = (plans or PlanCache()).get(sampler, name)
    batches = _Batches(training, plan)
    result: list[Any] = []
    log = _LastLoss()

    def validate() -> dict[str, float | None]:
        result.append(time.perf_counter())
        with torch.enable_grad():
            loss.eval()
            result.append(evaluate(detector, loss))
        return {}

    fit = Fit(
        module=TrainingModule(
            detector, loss, task=config.loss.task, frame_loss_weight=config.model.frame_loss_weight
        ),
        settings=replace(config.optim, epochs=1),
        batches=batches,
        steps_per_epoch=len(plan),
        validate=validate,
        save=lambda name, progress, metrics: None,
        log=log,
        folder=Path(),
        config_hash="",
        world=World(),
        stop=StopRequest(),
        report=lambda stage, done, total: None,
        teacher=None if teacher is None else lambda batch: teacher[batches.now],
        resumable=False,
    )
    start = time.perf_counter()
    fit.run()
    return Fitted(detector, loss, result[1], log.loss, result[0] - start)


class _Batches:
    """The loop's source of batches; `now` are the indices of the batch it is at."""

    def __init__(self, training: TensorSet, plan: list[IntArray]) -> None:
        self.training, self.plan = training, plan
        self.now = torch.empty(0, dtype=torch.int64)

    def __call__(self, epoch: int, first_step: int) -> Iterator[ClipBatch]:
        for indices in self.plan[first_step:]:
            self.now = torch.from_numpy(indices)
            yield self.training.batch(indices)


def embedded(detector: Detector, clips: ClipSet, indices: IntArray | None = None) -> tuple[Tensor, Tensor]:
    """Embeddings (N, E) and class labels (N,) of those clips, or all."""
    return embed(detector, clips.batches(indices), device=next(detector.parameters()).device)
