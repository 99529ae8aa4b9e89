"""The search: trials of one arm on training and validation clips, under one seed. It is given nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vidfake.errors import ProtocolError
from vidfake.losses import EmbeddingLoss
from vidfake.models.detector import Detector
from vidfake.settings import RunConfig
from vidfake.study.arms import Arm
from vidfake.study.bench import Bench, BenchPlan, attempt, new_record, one_thread, opened
from vidfake.study.clips import IN_DOMAIN
from vidfake.study.definition import StudyDefinition
from vidfake.study.embedding import diagnostics
from vidfake.study.fit import embedded
from vidfake.study.fitting import fitted_record
from vidfake.study.measure import Reader, outputs_of
from vidfake.study.results import Figures, RunRecord
from vidfake.study.space import grid_points, sobol_points
from vidfake.study.tpe import STARTUP_TRIALS, tpe_point

OBJECTIVE = "video_auc"


@dataclass(frozen=True)
class SearchJob:
    """Trials to be made one after the other. `points`: theirs, or None where each depends on those before."""

    arm: Arm
    trials: tuple[int, ...]
    points: tuple[tuple[float, ...], ...] | None


@dataclass(frozen=True)
class Done:
    """What the engine needs to know of a run that is on disk."""

    key: str
    phase: str
    status: str
    seconds: float


def search_jobs(study: StudyDefinition, arm: Arm, done: Sequence[int]) -> list[SearchJob]:
    """The trials of an arm that are not there yet."""
    left = [trial for trial in range(study.trials) if trial not in done]
    if study.search == "tpe":
        return [SearchJob(arm, tuple(left), None)] if left else []
    points = points_of(study, arm)
    return [SearchJob(arm, (trial,), (tuple(points[trial]),)) for trial in left]


def points_of(study: StudyDefinition, arm: Arm) -> list[list[float]]:
    """The points of a search that does not look at its results."""
    if study.search == "grid":
        return grid_points(arm.dimensions, study.trials, arm.name)
    return sobol_points(study.trials, len(arm.dimensions), study.search_seed)


def search_work(plan: BenchPlan, job: SearchJob) -> list[Done]:
    """Make the trials of a job (in a worker process)."""
    bench = opened(plan)
    return [_trial(bench, job, i) for i in range(len(job.trials))]


def start_search(forbidden: tuple[str, ...]) -> None:
    """Start of a search worker: from now on this process cannot open a file of a test, or of any clip store."""
    one_thread()
    folders = tuple(os.path.abspath(path) + os.sep for path in forbidden)

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if path.startswith(folders):
            raise ProtocolError(f"search code tried to open {path}, which is kept from it.")

    sys.addaudithook(refuse)


def _trial(bench: Bench, job: SearchJob, place: int) -> Done:
    study, arm, trial = bench.study, job.arm, job.trials[place]
    if job.points is not None:
        point = list(job.points[place])
    elif trial < STARTUP_TRIALS:
        point = points_of(study, arm)[trial]
    else:
        before = [r for r in bench.results.records(arm.task, arm.name, "search") if (r.trial or 0) < trial]
        point = tpe_point(before, len(arm.dimensions), seed=study.search_seed, trial=trial)
    record = new_record(bench, arm, "search", trial=trial, seed=study.search_seed, point=point)
    base = study.base_config(variant=arm.variant)
    config = arm.config(base, record.hyperparameters, study.search_seed)
    made = attempt(bench, record, lambda: trained(bench, arm, config, record))
    return Done(made.key, "search", made.status, made.cost.seconds)


def trained(bench: Bench, arm: Arm, config: RunConfig, record: RunRecord) -> RunRecord:
    """Train, and measure on validation."""

    def evaluate(detector: Detector, loss: EmbeddingLoss) -> RunRecord:
        return validated(bench, arm, config, record, detector, loss)[0]

    return fitted_record(bench, arm, config, evaluate, record.key)


def validated(
    bench: Bench,
    arm: Arm,
    config: RunConfig,
    record: RunRecord,
    detector: Detector,
    loss: EmbeddingLoss,
    *,
    pairs: bool = False,
) -> tuple[RunRecord, Reader]:
    """The record with every figure of validation, and the read-outs with what validation chose for them."""
    reader = Reader.fitted(loss, *embedded(detector, bench.training, bench.reference), config.score)
    found: dict[str, dict[str, Figures]] = {}
    attributed: dict[str, Figures] = {}
    shape: dict[str, Any] = {}
    for name in sorted(bench.validation, key=lambda n: n != IN_DOMAIN):  # thresholds are chosen on the first
        clips = bench.validation[name]
        outputs = outputs_of(detector, clips.batches())
        tables = reader.tables(outputs, clips.template, arm.name)
        if name == IN_DOMAIN:
            reader.choose(tables)
            labels = outputs.class_labels.clamp(max=1) if arm.task == "binary" else outputs.class_labels
            shape = _diagnosed(bench, arm, config, detector, loss, (outputs.embeddings, labels), pairs=pairs)
            if arm.task == "manipulation":
                attributed[name] = reader.classes(outputs, clips.class_names, clips.template).figures()
        found[name] = reader.figures(tables)
    record = replace(
        record,
        status="ok",
        reason="",
        primary_readout=reader.primary,
        objective=objective(found, reader.primary),
        validation=found,
        attribution=attributed,
        diagnostics=shape,
    )
    return record, reader


def _diagnosed(
    bench: Bench,
    arm: Arm,
    config: RunConfig,
    detector: Detector,
    loss: EmbeddingLoss,
    validation: tuple[Any, Any],
    *,
    pairs: bool,
) -> dict[str, Any]:
    """Diagnostics, with the share of silent clips in a batch of reference clips, all classes alike."""
    rng = np.random.default_rng(0)
    known = validation[1] < arm.num_classes
    indices = np.sort(rng.permutation(bench.reference)[: min(48, config.optim.batch_size)])
    batch = bench.training.batch(indices)
    teacher = bench.teacher(arm, config)
    embeddings = outputs_of(detector, [batch]).embeddings
    return diagnostics(
        loss,
        (validation[0][known], validation[1][known]),
        batch,
        embeddings,
        binary=arm.task == "binary",
        teacher=None if teacher is None else teacher[indices],
        pairs=pairs,
    )


def objective(validation: dict[str, dict[str, Figures]], readout: str) -> float | None:
    """Mean video AUC over the validation sets; None where one of them has none."""
    values = [figures[readout].get(OBJECTIVE) for figures in validation.values()]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if values and len(known) == len(values) else None
