"""Final runs: the chosen configuration of an arm under each seed, with score tables of every test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vidfake.errors import ProtocolError
from vidfake.files import atomic_writer
from vidfake.losses import EmbeddingLoss
from vidfake.models.detector import Detector
from vidfake.scores import ScoreTable
from vidfake.study.arms import Arm
from vidfake.study.bench import Bench, BenchPlan, attempt, new_record, opened
from vidfake.study.clips import IN_DOMAIN
from vidfake.study.definition import StudyDefinition
from vidfake.study.fitting import fitted_record
from vidfake.study.measure import Outputs, outputs_of
from vidfake.study.results import Figures, RunRecord
from vidfake.study.search import Done, validated
from vidfake.study.sets import ClipSet, PixelSet, open_set

SIGNIFICANT_DIGITS = 9  # tell any two float32 numbers apart, in half the text of a float64
MAP_CLIPS = 600  # validation embeddings kept of an arm's first seed, for maps


@dataclass(frozen=True)
class FinalJob:
    """One seed of an arm's chosen configuration."""

    arm: Arm
    seed: int
    point: tuple[float, ...]
    chosen_trial: int
    first: bool


@dataclass(frozen=True)
class FinalPlan:
    """What a final run may know: what a search knows, the folders of the tests, and (end to end) the study with
    its tests."""

    bench: BenchPlan
    tests: dict[str, Path]
    study: StudyDefinition


def final_work(plan: FinalPlan, job: FinalJob) -> list[Done]:
    """Make one final run (in a worker process)."""
    bench = opened(plan.bench)
    record = new_record(bench, job.arm, "final", trial=None, seed=job.seed, point=list(job.point))
    record = replace(record, chosen_trial=job.chosen_trial)
    made = attempt(bench, record, lambda: _run(bench, plan, job, record))
    return [Done(made.key, "final", made.status, made.cost.seconds)]


def _run(bench: Bench, plan: FinalPlan, job: FinalJob, record: RunRecord) -> RunRecord:
    arm = job.arm
    config = arm.config(bench.study.base_config(variant=arm.variant), record.hyperparameters, job.seed)

    def evaluate(detector: Detector, loss: EmbeddingLoss) -> RunRecord:
        made, reader = validated(bench, arm, config, record, detector, loss, pairs=True)
        tests: dict[str, dict[str, Figures]] = {}
        names: dict[str, dict[str, str]] = {}
        attributed, classes = dict(made.attribution), dict[str, str]()
        for test, clips in _tests(bench, plan).items():
            outputs = outputs_of(detector, clips.batches())
            tables = reader.tables(rounded(outputs), clips.template, arm.name)
            tests[test] = reader.figures(tables)
            names[test] = {readout: _write(bench, record, test, readout, t) for readout, t in tables.items()}
            if arm.task == "manipulation":
                called = reader.classes(outputs, clips.class_names, clips.template)
                attributed[test] = called.figures()
                classes[test] = f"{record.seed:03d}.{test}.classes.npz"
                called.write(bench.results.run_folder(record.task, record.arm, "final") / classes[test])
        if job.first:
            _keep_embeddings(bench, record, detector)
        return replace(made, tests=tests, tables=names, attribution=attributed, classes=classes)

    return fitted_record(bench, arm, config, evaluate, record.key)


_TESTS: dict[str, dict[str, ClipSet]] = {}  # a worker process opens its tests once


def _tests(bench: Bench, plan: FinalPlan) -> dict[str, ClipSet]:
    key = f"{plan.study.hash}|{sorted(plan.tests.items())}|{plan.bench.out}"
    if key not in _TESTS:
        _TESTS.clear()
        if plan.study.mode == "end_to_end":
            from vidfake.study.tests_data import open_tests

            _TESTS[key] = {name: PixelSet(d) for name, d in open_tests(plan.study, bench.clips).items()}
        else:
            _TESTS[key] = {name: open_set(folder) for name, folder in plan.tests.items()}
    return _TESTS[key]


def rounded(outputs: Outputs) -> Outputs:
    """Frame scores as short texts write them; clip scores are float32 and stay as they are."""
    scores = [float(f"{value:.{SIGNIFICANT_DIGITS}g}") for value in outputs.frame_scores.tolist()]
    return replace(outputs, frame_scores=np.array(scores))


def _write(bench: Bench, record: RunRecord, test: str, readout: str, table: ScoreTable) -> str:
    name = f"{record.seed:03d}.{test}.{readout}.jsonl"
    table.write(bench.results.run_folder(record.task, record.arm, "final") / name)
    return name


def _keep_embeddings(bench: Bench, record: RunRecord, detector: Detector) -> None:
    """``<seed>.embeddings.npz``: `embeddings` (n, E) float32, `class_labels` (n,), `class_names` of in-domain
    validation clips, drawn at random."""
    clips = bench.validation[IN_DOMAIN]
    indices = np.sort(np.random.default_rng(0).permutation(len(clips))[:MAP_CLIPS])
    outputs = outputs_of(detector, clips.batches(indices))
    arrays: dict[str, Any] = {
        "embeddings": outputs.embeddings.numpy(),
        "class_labels": outputs.class_labels.numpy(),
        "class_names": np.array(clips.class_names),
    }
    folder = bench.results.run_folder(record.task, record.arm, "final")
    with atomic_writer(folder / f"{record.seed:03d}.embeddings.npz") as handle:
        np.savez(handle, **arrays)


def final_job(arm: Arm, seed: int, best: RunRecord, *, first: bool) -> FinalJob:
    """The job of a seed, from the arm's best trial."""
    if best.trial is None or best.phase != "search":
        raise ProtocolError(f"{best.key}: a configuration is chosen among trials of the search only.")
    return FinalJob(arm, seed, tuple(best.point), best.trial, first)
