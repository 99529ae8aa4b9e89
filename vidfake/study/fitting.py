"""A run of either mode: trained on cached features, or end to end by the project's own training run."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from vidfake.inference.load import load_detector
from vidfake.losses import EmbeddingLoss
from vidfake.models.detector import Detector
from vidfake.settings import RunConfig
from vidfake.study.arms import Arm
from vidfake.study.bench import Bench
from vidfake.study.clips import data_settings
from vidfake.study.fit import Evaluate, Fitted, fit_run
from vidfake.study.results import RunRecord, file_name
from vidfake.synth.compose import is_maker
from vidfake.train.run import train_run


def fitted_record(
    bench: Bench, arm: Arm, config: RunConfig, evaluate: Callable[[Detector, EmbeddingLoss], RunRecord], key: str
) -> RunRecord:
    """Train as the study's mode says; the record that `evaluate(detector, loss)` gives, with training's figures."""
    fitted = _fitted(bench, arm, config, evaluate, key)
    record: RunRecord = fitted.evaluated
    cost = replace(record.cost, train_seconds=fitted.train_seconds)
    return replace(record, train_loss=fitted.train_loss, cost=cost)


def _fitted(bench: Bench, arm: Arm, config: RunConfig, evaluate: Evaluate, key: str) -> Fitted:
    if bench.study.mode == "end_to_end":
        return _end_to_end(bench, config, evaluate, key)
    return fit_run(
        config,
        bench.features,
        num_classes=arm.num_classes,
        steps=bench.study.steps,
        evaluate=evaluate,
        plans=bench.plans,
        teacher=bench.teacher(arm, config),
    )


def _end_to_end(bench: Bench, config: RunConfig, evaluate: Evaluate, key: str) -> Fitted:
    """`train_run` in a folder of its own, gone on with if it was interrupted; the best epoch by in-domain
    validation is evaluated. Final runs keep their checkpoint, trials leave nothing."""
    config = end_to_end_config(bench, config, key)
    folder = Path(config.out) / config.name
    start = time.perf_counter()
    resume = (folder / "resume.pt").exists()
    if folder.exists() and not resume:
        shutil.rmtree(folder)
    result = train_run(config, resume=resume)
    seconds = time.perf_counter() - start
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    loaded = load_detector(result.checkpoint, device=device)
    evaluated = evaluate(loaded.checkpoint.detector, loaded.loss)
    if "/search/" in key:
        shutil.rmtree(folder)
    else:
        (folder / "resume.pt").unlink(missing_ok=True)
        shutil.rmtree(folder / "last.vidfake", ignore_errors=True)
    return Fitted(loaded.checkpoint.detector, loaded.loss, evaluated, None, seconds)


def end_to_end_config(bench: Bench, config: RunConfig, key: str) -> RunConfig:
    """The run's settings with the study's clips: nothing of the held-out fakes, the same split for every run."""
    study = bench.study.data
    data = replace(
        data_settings(config, study),
        split_seed=study.split_seed,
        makers=study.makers,
        validation_makers=study.makers,
        leave_out=tuple(name for name in study.validation_held_out if not is_maker(name)),
        cache_features=False,
        # a worker process may have no children of its own
        workers=0 if multiprocessing.parent_process() is not None else config.data.workers,
    )
    return replace(
        config,
        name=file_name(key.replace("/", "-")),
        out=str(bench.plan.out / "work"),
        extract=bench.clips.store.settings,
        data=data,
    )
