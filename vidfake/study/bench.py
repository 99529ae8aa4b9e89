"""What a worker holds while it makes runs: clips of training and validation, batch plans, a teacher. No test."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidfake.data.items import IntArray
from vidfake.errors import ProtocolError, StorageError, VidfakeError
from vidfake.seeding import generator
from vidfake.settings import LossSettings, RunConfig
from vidfake.study.arms import Arm
from vidfake.study.clips import HELD_OUT, IN_DOMAIN, TRAINING, StudyClips, open_clips
from vidfake.study.definition import StudyDefinition
from vidfake.study.fit import PlanCache, embedded, fit_run
from vidfake.study.results import Phase, RunRecord, StudyFolder
from vidfake.study.sessions import forget_peak, peak_rss_mib
from vidfake.study.sets import ClipSet, PixelSet, TensorSet, open_set
from vidfake.study.space import bounds_at, settings_at

TEACHER = "softmax"


@dataclass(frozen=True)
class Stamp:
    """What every record of this session carries."""

    study: str
    study_hash: str
    basis: str
    code_version: str
    store_fingerprint: str
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class BenchPlan:
    """What a search may know: the study without its tests and stores, and the folders of its own clips."""

    study: StudyDefinition
    folders: dict[str, Path]
    out: Path
    stamp: Stamp

    @staticmethod
    def of(study: StudyDefinition, folders: dict[str, Path], out: Path, stamp: Stamp) -> BenchPlan:
        """The plan, with every path to other clips taken out of the study. An end-to-end study keeps its own store,
        whose clips of training and validation are made from it in the worker."""
        if set(folders) - {TRAINING, IN_DOMAIN, HELD_OUT}:
            raise ProtocolError(
                f"a search was to be given {sorted(folders)}; it takes training and validation only."
            )
        store = study.data.store if study.mode == "end_to_end" else ""
        known = replace(
            study, tests=(), primary_test="", data=replace(study.data, store=store, encoder_checkpoint="")
        )  # fmt: skip
        return BenchPlan(known, folders, out, stamp)


class Bench:
    """A plan opened in a worker; runs share its clips, batch plans and teachers."""

    def __init__(self, plan: BenchPlan) -> None:
        self.plan, self.study = plan, plan.study
        self.plans = PlanCache()
        self.results = StudyFolder(plan.out)
        self._teachers: dict[tuple[str, str], Tensor] = {}

    @cached_property
    def clips(self) -> StudyClips:
        """Datasets of pictures, of an end-to-end study."""
        return open_clips(self.study)

    @cached_property
    def sets(self) -> dict[str, ClipSet]:
        """Training and validation by name."""
        if self.study.mode == "end_to_end":
            return {name: PixelSet(dataset) for name, dataset in self.clips.datasets().items()}
        return {name: open_set(path) for name, path in self.plan.folders.items()}

    @property
    def training(self) -> ClipSet:
        """Clips that are trained on."""
        return self.sets[TRAINING]

    @property
    def features(self) -> TensorSet:
        """The same, of a cached study."""
        found = self.training
        assert isinstance(found, TensorSet)
        return found

    @property
    def validation(self) -> dict[str, ClipSet]:
        """``in_domain`` and, where the study has it, ``held_out``."""
        return {name: found for name, found in self.sets.items() if name != TRAINING}

    @cached_property
    def reference(self) -> IntArray:
        """Training clips behind prototypes, probe and neighbours: all classes alike, in ascending order."""
        classes = self.training.table.class_labels
        rng = generator(self.study.data.split_seed, "reference")
        names = np.unique(classes)
        fakes = max(1, len(names) - 1)
        most = self.study.reference_clips // 2
        chosen: list[int] = []
        for name in names:
            places = np.flatnonzero(classes == name)
            chosen += rng.permutation(places)[: most if name == 0 else max(1, most // fakes)].tolist()
        return np.array(sorted(chosen), dtype=np.int64)

    def teacher(self, arm: Arm, base: RunConfig) -> Tensor | None:
        """(N, E) embeddings of all training clips by a cross-entropy run of the study's own settings and search
        seed, for losses that distil a teacher; None for the others."""
        if not arm.needs_teacher:
            return None
        key = (arm.task, arm.variant)
        if key not in self._teachers:
            config = replace(
                base, loss=LossSettings(name=TEACHER, task=arm.task), seed=self.study.search_seed
            )  # fmt: skip
            fitted = fit_run(
                config,
                self.features,
                num_classes=arm.num_classes,
                steps=self.study.steps,
                evaluate=lambda detector, loss: embedded(detector, self.training)[0],
                plans=self.plans,
            )
            self._teachers[key] = fitted.evaluated
        return self._teachers[key]


_OPEN: dict[str, Any] = {}  # a worker process opens its clips once


def opened(plan: BenchPlan) -> Bench:
    """The bench of a plan, the same for every job of this process."""
    key = f"{plan.out}|{sorted(plan.folders.items())}|{plan.stamp.study_hash}"
    if key not in _OPEN:
        _OPEN.clear()
        _OPEN[key] = Bench(plan)
    found: Bench = _OPEN[key]
    return found


def one_thread() -> None:
    """Start of a worker: one thread each, since the other processors have workers of their own."""
    torch.set_num_threads(1)


def new_record(
    bench: Bench, arm: Arm, phase: Phase, *, trial: int | None, seed: int, point: list[float]
) -> RunRecord:
    """A record of a run that has not been made yet (`failed`, to be replaced by what comes of it)."""
    stamp = bench.plan.stamp
    return RunRecord(
        key=f"{arm.task}/{arm.name}/{phase}/{seed if trial is None else trial}",
        study=stamp.study,
        study_hash=stamp.study_hash,
        basis=stamp.basis,
        code_version=stamp.code_version,
        store_fingerprint=stamp.store_fingerprint,
        task=arm.task,
        arm=arm.name,
        expression=arm.expression,
        phase=phase,
        trial=trial,
        seed=seed,
        num_classes=arm.num_classes,
        status="failed",
        reason="not run",
        point=point,
        hyperparameters=settings_at(arm.dimensions, point),
        at_bound=bounds_at(arm.dimensions, point),
        marks=list(stamp.marks),
    )


def attempt(bench: Bench, record: RunRecord, make: Callable[[], RunRecord]) -> RunRecord:
    """Make a run and write its record. Whatever goes wrong with the run itself is a failed record with its reason.

    Raises StorageError (a full disk) and ProtocolError, which concern every run.
    """
    marker = bench.results.started_path(record)
    attempts = _begin(marker)
    of_run = forget_peak()
    start, busy = time.perf_counter(), time.process_time()
    try:
        made = make()
    except (StorageError, ProtocolError):
        raise
    except VidfakeError as error:
        made = replace(record, status="failed", reason=f"{type(error).__name__}: {error}")
    except Exception as error:  # a defect in one loss must not end the other 3,000 runs; it is in the record
        made = replace(record, status="failed", reason=f"unexpected {type(error).__name__}: {error}")
    cost = replace(
        made.cost,
        seconds=time.perf_counter() - start,
        cpu_seconds=time.process_time() - busy,
        peak_rss_mib=peak_rss_mib(),
        peak_of_run=of_run,
        attempts=attempts,
    )
    made = replace(made, cost=cost)
    bench.results.write_record(made)
    marker.unlink(missing_ok=True)
    return made


def _begin(marker: Path) -> int:
    """Count this attempt in a file that a finished run removes; one left behind is a run that was killed."""
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        before = int(marker.read_text("ascii") or 0) if marker.exists() else 0
        marker.write_text(str(before + 1), "ascii")
    except (OSError, ValueError) as error:
        raise StorageError(f"{marker}: cannot be written ({error}). Free some space and run again.") from error
    return before + 1
