"""A training run from config to checkpoint: the run folder, selection on validation, read-outs, calibration."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from vidfake.config import to_dict, to_toml
from vidfake.data.locking import writer_lock
from vidfake.data.provenance import training_facts
from vidfake.data.store import ClipStore
from vidfake.errors import ConfigError, UndefinedMetricError
from vidfake.files import sha256_json, write_json, write_text
from vidfake.inference.load import join_states
from vidfake.inference.predict import predict
from vidfake.inference.scorer import Scorer, embed
from vidfake.losses import EmbeddingLoss
from vidfake.losses.combine import build_loss
from vidfake.losses.readout import READOUTS, Readout, build_readout, default_readout
from vidfake.metrics.groups import by_manipulation
from vidfake.metrics.levels import score_levels
from vidfake.metrics.ranking import auc
from vidfake.models.checkpoint import load_checkpoint, save_checkpoint
from vidfake.models.detector import Detector, build_detector
from vidfake.models.weights import trained_before
from vidfake.scores import ScoreTable
from vidfake.seeding import seed_everything
from vidfake.settings import RunConfig
from vidfake.train.batches import Feeder, build_feeder
from vidfake.train.data import RunData, build_data
from vidfake.train.distributed import World, world
from vidfake.train.log import RunLog
from vidfake.train.loop import Fit, Metrics
from vidfake.train.module import TrainingModule
from vidfake.train.selection import fit_calibration_of, fit_threshold, fit_thresholds
from vidfake.train.state import Progress
from vidfake.train.stop import StopRequest
from vidfake.train.teacher import build_teacher

Report = Callable[[str, int, int | None], None]
CONFIG_FILE, LOG_FILE, RESULT_FILE, SCORES_FILE = "config.toml", "log.jsonl", "result.json", "validation.jsonl"


@dataclass(frozen=True)
class RunResult:
    """Where the run is and what it reached; `metrics` are those of the best epoch on validation;
    `made_fakes` counts them (`result.json` has the same)."""

    folder: Path
    checkpoint: Path
    best_epoch: int | None
    metrics: dict[str, Any]
    made_fakes: dict[str, Any] = field(default_factory=dict)


def run_folder(config: RunConfig) -> Path:
    """``out/name``."""
    if not config.name or Path(config.name).name != config.name or config.name in (".", ".."):
        raise ConfigError(f"name is {config.name!r}; it takes a plain folder name such as 'run1'.")
    return Path(config.out) / config.name


def with_store_settings(config: RunConfig) -> RunConfig:
    """The config with the extract settings of its clip store: what was prepared is what is trained on."""
    if not config.data.store:
        return config
    return replace(config, extract=ClipStore(config.data.store).settings)


def train_run(config: RunConfig, *, resume: bool = False, report: Report | None = None) -> RunResult:
    """Train as `config` says and write the run folder.

    Raises ConfigError for a folder that already holds a run (unless `resume`), InterruptedRunError when stopped by
    a signal (the state is saved), and whatever is wrong with store, model or loss before the first step.
    """
    report = report or (lambda stage, done, total: None)
    folder = run_folder(config)
    with world() as here, StopRequest() as stop:
        _check_folder(folder, resume)
        here.barrier()
        seed_everything(config.seed)
        run = _Run(config, folder, here, report)
        with writer_lock(folder) if here.is_main else nullcontext():  # two runs would spoil each other's state
            if here.is_main:
                _check_folder(folder, resume)  # again: another may have begun while this one was made
            if here.is_main and not resume:  # not before: a run that cannot be made leaves no folder
                write_text(folder / CONFIG_FILE, to_toml(config))
            progress = run.train(stop, resume)
            if here.is_main:
                metrics = run.finish(progress)
        here.barrier()
        if not here.is_main:
            metrics = {}
    return RunResult(folder, folder / "best.vidfake", progress.best_epoch, metrics, run.made_fakes(progress))


def _check_folder(folder: Path, resume: bool) -> None:
    if (folder / CONFIG_FILE).exists() and not resume:
        raise ConfigError(
            f"{folder} already holds a run. Go on with it (--resume), or choose another name (--set name=…)."
        )
    if not (folder / CONFIG_FILE).exists() and resume:
        raise ConfigError(f"{folder} holds no run to resume. Start without --resume.")


class _Run:
    """Everything of one run that lives between its first and its last step."""

    def __init__(self, config: RunConfig, folder: Path, here: World, report: Report) -> None:
        self.config, self.folder, self.world, self.report = config, folder, here, report
        self.data: RunData = build_data(config)
        self.num_classes = 2 if config.loss.task == "binary" else self.data.num_training_classes
        self.detector: Detector = build_detector(config.model, num_frames=config.extract.num_frames)
        self.loss: EmbeddingLoss = build_loss(
            config.loss,
            num_classes=self.num_classes,
            embedding_dim=self.detector.embedding_dim,
            norm_can_vary=self.detector.norm_can_vary,
        )
        self.module = TrainingModule(
            self.detector,
            self.loss,
            task=config.loss.task,
            frame_loss_weight=config.model.frame_loss_weight,
            mask_loss_weight=config.model.mask_loss_weight,
        ).to(here.device)
        self.feeder: Feeder = build_feeder(config, self.data, self.detector, self.loss, here, report)
        self.teacher = build_teacher(config, self.loss, self.detector.embedding_dim, here.device)
        self.provenance = training_facts(
            [*self.data.training.records.values(), *self.data.validation.records.values()],
            trained_before(config.model.encoder.weights),
        )
        self.fitted: dict[str, Readout] = {}

    def train(self, stop: StopRequest, resume: bool) -> Progress:
        """The loop, from the start or from the saved state."""
        fit = Fit(
            module=self.module,
            settings=self.config.optim,
            batches=self.feeder.training_batches,
            steps_per_epoch=self.feeder.steps_per_epoch,
            validate=self.validate,
            save=self.save,
            log=None,
            folder=self.folder,
            config_hash=sha256_json(to_dict(replace(self.config, out="", name=""))),
            world=self.world,
            stop=stop,
            report=self.report if self.world.is_main else (lambda stage, done, total: None),
            teacher=self.teacher,
        )
        if resume:
            fit.resume()
        if self.world.is_main:
            fit.log = RunLog(self.folder, resume_step=fit.progress.step if resume else None)
        try:
            return fit.run()
        finally:
            if fit.log is not None:
                fit.log.close()

    def made_fakes(self, progress: Progress) -> dict[str, Any]:
        """How many fakes of training were made (by the main process) and skipped because nothing visible changed,
        by maker; those never made, as ``video_id#maker``; and how many validation is without."""

        def by_maker(counts: dict[str, int]) -> dict[str, int]:
            found = dict.fromkeys(self.data.training.makers, 0)
            for name, count in counts.items():
                maker = name.rpartition("#")[2]
                if maker in found:
                    found[maker] += count
            return found

        return {
            "made": by_maker(progress.made),
            "skipped": by_maker(progress.skipped),
            "never_made": sorted(set(progress.skipped) - set(progress.made)),
            "left_out_of_validation": self.data.num_left_out,
        }

    def validate(self) -> Metrics:
        """AUC at every level on the validation split, read out as scoring will read it."""
        if not self.world.is_main:
            return {}
        name = default_readout(self.loss)
        readout = build_readout(name, loss=self.loss)
        if name != "native":
            readout.fit(*embed(self.detector, self.feeder.reference_batches(), device=self.world.device))
            self.fitted = {name: readout}
        return level_metrics(self._predict(readout), self.config)

    def _predict(self, readout: Readout) -> ScoreTable:
        scorer = Scorer(self.detector, readout, device=self.world.device)
        return predict(
            scorer,
            self.data.validation,
            self.feeder.validation_batches(),
            detector_name=self.config.name,
            report=lambda stage, done, total: self.report("validation", done, total),
        )

    def save(self, name: str, progress: Progress, metrics: Metrics) -> None:
        """Write ``NAME.vidfake`` with the present weights and the read-out that validation used."""
        extra = {"readout": default_readout(self.loss)}
        self._save(name, self.fitted, metrics={**metrics, "epoch": progress.epoch + 1}, extra=extra)

    def _save(
        self,
        name: str,
        readouts: dict[str, Readout],
        *,
        metrics: dict[str, Any],
        extra: dict[str, Any],
        calibration: dict[str, Any] | None = None,
    ) -> None:
        save_checkpoint(
            self.folder / f"{name}.vidfake",
            detector_state=self.detector.state_dict(),
            config=self.config,
            class_names=self.data.class_names,
            loss_state=self.loss.state_dict(),
            readout_state=join_states(readouts),
            calibration=calibration,
            metrics=metrics,
            extra={"num_training_classes": self.data.num_training_classes, **self.provenance, **extra},
        )

    def finish(self, progress: Progress) -> dict[str, Any]:
        """Fit every read-out, the calibration and the thresholds for the best weights, and write the result."""
        self.report("finishing", 0, None)
        best = load_checkpoint(self.folder / "best.vidfake")
        self.detector.load_state_dict(best.detector.state_dict())
        self.loss.load_state_dict(best.loss_state)
        embeddings, labels = embed(self.detector, self.feeder.reference_batches(), device=self.world.device)
        readouts = {
            name: build_readout(name).fit(embeddings, labels) for name in READOUTS.names() if name != "native"
        }
        chosen = default_readout(self.loss)
        table = self._predict(readouts.get(chosen) or build_readout(chosen, loss=self.loss))
        table.write(self.folder / SCORES_FILE)
        metrics: dict[str, Any] = {**best.metrics, **level_metrics(table, self.config)}
        calibration = fit_calibration_of(table, self.config.score)
        thresholds = fit_thresholds(table, self.config.score)
        self._save(
            "best",
            readouts,
            metrics=metrics,
            calibration=None if calibration is None else calibration.to_state(),
            extra={
                "readout": chosen,
                "thresholds": None if thresholds is None else thresholds.to_json(),
                "threshold": fit_threshold(table, self.config.score),
            },
        )
        write_json(
            self.folder / RESULT_FILE,
            {
                "best_epoch": progress.best_epoch,
                "validation": metrics,
                "validation_by_manipulation": by_manipulation_metrics(table, self.config),
                "readout": chosen,
                "made_fakes": self.made_fakes(progress),
                "torch": torch.__version__,
            },
        )
        return metrics


def level_metrics(table: ScoreTable, config: RunConfig) -> Metrics:
    """``frame_auc``, ``frames_averaged_auc``, ``clip_auc``, ``video_auc`` (None where undefined), and coverage."""
    metrics: Metrics = {"coverage": float((table.status == "ok").mean())}
    levels = score_levels(table, config.score)
    for name in ("frame", "frames_averaged", "clip", "video"):
        rows = levels.get(name)
        try:
            metrics[f"{name}_auc"] = None if rows is None else auc(rows.scores, rows.labels)
        except UndefinedMetricError:
            metrics[f"{name}_auc"] = None
    return metrics


def by_manipulation_metrics(table: ScoreTable, config: RunConfig) -> dict[str, Metrics]:
    """`level_metrics` of each manipulation against the reals that it was made from."""
    return {
        group.name: level_metrics(table.select(group.videos), config)
        for group in by_manipulation(table)
        if group.against == "its own reals"
    }
