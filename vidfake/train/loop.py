"""The training loop: steps, validation after every epoch, the best checkpoint by validation, exact resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vidfake.errors import ConfigError, VidfakeError
from vidfake.losses import LossContext
from vidfake.seeding import derived_seed
from vidfake.settings import OptimSettings
from vidfake.train.distributed import World
from vidfake.train.log import RunLog
from vidfake.train.module import StepLosses, TrainingModule
from vidfake.train.optim import WeightAverage, parameter_groups, schedule, set_rates, trainable
from vidfake.train.sam import SAM
from vidfake.train.state import Progress, load_state, save_state
from vidfake.train.stop import StopRequest

if TYPE_CHECKING:
    from vidfake.data.clips import ClipBatch

SAVE_SECONDS = 300.0
SELECTION_METRIC = "video_auc"

Batches = Callable[[int, int], Iterable["ClipBatch"]]
"""(epoch, first step) -> this process's batches of that epoch from that step on."""
Metrics = dict[str, float | None]
Validate = Callable[[], Metrics]
Save = Callable[[str, Progress, Metrics], None]
Report = Callable[[str, int, int | None], None]


class InterruptedRunError(VidfakeError):
    """Training was asked to stop; its state is saved."""

    exit_code = 130


class DivergedError(VidfakeError):
    """The loss is no longer a finite number."""


@dataclass
class Fit:
    """One run of the loop. `run` returns the counters at the end; everything else is a collaborator."""

    module: TrainingModule
    settings: OptimSettings
    batches: Batches
    steps_per_epoch: int
    validate: Validate
    save: Save
    log: RunLog | None
    folder: Path
    config_hash: str
    world: World
    stop: StopRequest
    report: Report
    teacher: Callable[[ClipBatch], Tensor] | None = None
    resumable: bool = True  # off, no state is written: for runs of seconds

    def __post_init__(self) -> None:
        s = self.settings
        if s.sam_rho > 0 and s.accumulate > 1:
            raise ConfigError("optim.sam_rho needs two passes over one batch, so optim.accumulate must be 1.")
        self.updates_per_epoch = math.ceil(self.steps_per_epoch / s.accumulate)
        self.total_updates = max(1, self.updates_per_epoch * s.epochs)
        groups = parameter_groups(self.module.detector, self.module.loss, s)
        self.optimizer = torch.optim.AdamW(groups)
        self.sam = SAM(self.optimizer, rho=s.sam_rho) if s.sam_rho > 0 else None
        self.average = WeightAverage(self.module, s.ema_decay) if s.ema_decay > 0 else None
        self.progress = Progress()
        self.forward: Callable[..., StepLosses] = self._wrapped()

    def _wrapped(self) -> Callable[..., StepLosses]:
        module: Any = self.module
        if self.settings.compile:
            module = torch.compile(module)
        if self.world.size > 1:
            ids = [self.world.device.index] if self.world.device.type == "cuda" else None
            module = nn.parallel.DistributedDataParallel(module, device_ids=ids)
        return module  # type: ignore[no-any-return]

    @property
    def state_path(self) -> Path:
        """Where the resumable state of this run is."""
        return self.folder / "resume.pt"

    def resume(self) -> None:
        """Go on from the saved state."""
        self.progress = load_state(self.state_path, self.module, self.optimizer, self.average, self.config_hash)

    def run(self) -> Progress:
        """Train to the last epoch. Raises InterruptedRunError, with the state saved, when asked to stop."""
        if self.progress.step == 0:
            self._save_state()  # a run that dies in its first steps can be gone on with too
        while self.progress.epoch < self.settings.epochs:
            self._epoch()
            metrics = self._validated()
            self.progress.epoch += 1
            self.progress.step_in_epoch = 0
            self._keep(metrics)
            self._save_state()
        return self.progress

    def _epoch(self) -> None:
        p, s = self.progress, self.settings
        self.module.train()
        saved = time.monotonic()
        skipped = 0
        self.optimizer.zero_grad(set_to_none=True)
        for batch in self.batches(p.epoch, p.step_in_epoch):
            last = p.step_in_epoch + 1 == self.steps_per_epoch
            update = last or (p.step_in_epoch + 1) % s.accumulate == 0
            losses = self._step(batch.to(self.world.device), update)
            skipped += self._count_fakes(batch)
            p.step_in_epoch += 1
            if not update:
                continue
            p.step += 1
            if self.log is not None:
                rates = {f"rate_{g['name']}".replace(" ", "_"): g["lr"] for g in self.optimizer.param_groups}
                counts = {"skipped_fakes": skipped} if skipped else {}
                self.log.write("train", p.step, epoch=p.epoch, **losses, **rates, **counts)
            skipped = 0
            self.report(f"epoch {p.epoch + 1}/{s.epochs}", p.step_in_epoch, self.steps_per_epoch)
            if self.world.any(self.stop.requested):
                self._save_state()
                raise InterruptedRunError(
                    f"stopped by {self.stop.signal_name or 'request'} in epoch {p.epoch + 1} after step {p.step}; "
                    "the state is saved. Go on with the same command and --resume."
                )
            if time.monotonic() - saved > SAVE_SECONDS:
                self._save_state()
                saved = time.monotonic()

    def _count_fakes(self, batch: ClipBatch) -> int:
        """Note which fakes this process has seen, and which were skipped; how many of these."""
        p = self.progress
        for counts, names in ((p.made, batch.video_ids), (p.skipped, batch.skipped)):
            for name in names:
                if "#" in name:
                    counts[name] = counts.get(name, 0) + 1
        if batch.skipped:
            self.report("fakes skipped: nothing visible changed", sum(p.skipped.values()), None)
        return len(batch.skipped)

    def _step(self, batch: ClipBatch, update: bool) -> dict[str, float]:
        s, p = self.settings, self.progress
        set_rates(
            self.optimizer,
            schedule(p.step, total_steps=self.total_updates, warmup_fraction=s.warmup_fraction),
        )
        losses = self._backward(batch, scale=1 / s.accumulate)
        if update:
            if self.sam is not None:
                self.sam.first_step()
                self._backward(batch, scale=1.0, repeated=True)
                self.sam.restore()
            norm = self._clip()
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            if self.average is not None:
                self.average.update(self.module)
            return {**losses, "gradient_norm": norm}
        return losses

    def _backward(self, batch: ClipBatch, *, scale: float, repeated: bool = False) -> dict[str, float]:
        half = (
            torch.autocast(self.world.device.type, dtype=torch.bfloat16)
            if self.settings.autocast == "bfloat16"
            else nullcontext()
        )
        with half:
            losses = self.forward(batch, self._context(batch, repeated))
        if not bool(torch.isfinite(losses.total.detach())):
            raise DivergedError(
                f"the loss is {losses.total.item()} at step {self.progress.step + 1} (clip {losses.clip.item()}, "
                f"frame {losses.frame.item()}). Lower optim.learning_rate or optim.head_learning_rate."
            )
        (losses.total * scale).backward()  # type: ignore[no-untyped-call]
        shown = {"loss": losses.total.item(), "clip_loss": losses.clip.item(), "frame_loss": losses.frame.item()}
        return shown if losses.mask is None else {**shown, "mask_loss": losses.mask.item()}

    def _context(self, batch: ClipBatch, repeated: bool) -> LossContext:
        p = self.progress
        return LossContext(
            progress=min(1.0, p.step / self.total_updates),
            step=p.step,
            binary_labels=batch.labels,
            video_ids=tuple(batch.video_ids),
            source_ids=tuple(batch.source_ids),
            domains=domains_of(batch),
            teacher=self.teacher(batch) if self.teacher is not None else None,
            repeated=repeated,
        )

    def _clip(self) -> float:
        parameters = list(trainable([self.module]))
        limit = self.settings.clip_norm if self.settings.clip_norm > 0 else math.inf
        return float(nn.utils.clip_grad_norm_(parameters, limit))

    def _validated(self) -> Metrics:
        self.module.eval()
        context = self.average.swapped(self.module) if self.average is not None else nullcontext()
        with context, torch.no_grad():
            metrics = self.validate()
            if self.world.is_main:
                self.save("last", self.progress, metrics)
                if self._is_best(metrics):
                    self.save("best", self.progress, metrics)
        self.world.barrier()
        return metrics

    def _is_best(self, metrics: Metrics) -> bool:
        value, best = metrics.get(SELECTION_METRIC), self.progress.best_metric
        return best is None or (value is not None and value > best)

    def _keep(self, metrics: Metrics) -> None:
        p = self.progress
        if self._is_best(metrics):
            p.best_metric, p.best_epoch = metrics.get(SELECTION_METRIC), p.epoch
        if self.log is not None:
            self.log.write("validation", p.step, epoch=p.epoch, **metrics)

    def _save_state(self) -> None:
        if self.world.is_main and self.resumable:
            save_state(self.state_path, self.progress, self.module, self.optimizer, self.average, self.config_hash)
        self.world.barrier()


def domains_of(batch: ClipBatch) -> Tensor:
    """A number per (dataset, compression), the same in every process, for losses that compare conditions."""
    names = zip(batch.datasets, batch.compressions, strict=True)
    return torch.tensor([derived_seed("domain", *name) for name in names], device=batch.labels.device)
