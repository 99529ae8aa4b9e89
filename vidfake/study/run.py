"""A whole study: searches, then final runs, over worker processes. What is on disk is done; all else is to do."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from vidfake.data.locking import writer_lock
from vidfake.data.pool import Crash, run_jobs
from vidfake.errors import StoreError, UnknownNameError
from vidfake.registry import nearest
from vidfake.study.arms import Arm, plan_arms
from vidfake.study.bench import Bench, BenchPlan, Stamp, new_record, one_thread
from vidfake.study.changes import code_version, compared, marks, new_state
from vidfake.study.definition import StudyDefinition
from vidfake.study.final import FinalJob, FinalPlan, final_job, final_work
from vidfake.study.material import Material, Report, Sets, cached_material, pixel_material
from vidfake.study.pace import Pace, StudyProgress
from vidfake.study.results import Exclusion, Phase, RunRecord, StudyFolder, best_trial
from vidfake.study.search import Done, SearchJob, points_of, search_jobs, search_work, start_search
from vidfake.study.sessions import SessionLog
from vidfake.study.tpe import check_optuna

Watch = Callable[[StudyProgress], None]
TURN_SECONDS = 0.5  # between looks at whether another shard has finished preparing


@dataclass(frozen=True)
class StudySummary:
    """What a session did; `made` runs of this session, `failed` of all runs there are."""

    folder: Path
    made: int
    runs: int
    failed: int
    excluded: int
    crashed: tuple[str, ...]


def run_study(
    study: StudyDefinition,
    out: Path,
    *,
    workers: int = 1,
    only: Sequence[str] = (),
    accept_change: bool = False,
    shard: tuple[int, int] = (0, 1),
    report: Report | None = None,
    watch: Watch | None = None,
) -> StudySummary:
    """Make every run of the study that is not in `out` yet.

    Args:
        workers: processes, one thread each; 0 works in this process.
        only: losses or arms; the others are left for another time.
        accept_change: go on though clips, code or settings are not those of the first run, and mark the study.
        shard: (i, n): every n-th arm, from the i-th; several processes or machines share one folder.
        report, watch: progress of preparing clips, and of the runs.

    Raises ProtocolError for a changed study, ConfigError for one that cannot be run, StorageError for a full disk.
    """
    report = report or (lambda stage, done, total: None)
    if study.search == "tpe":
        check_optuna()
    out.mkdir(parents=True, exist_ok=True)
    whole = shard[1] == 1
    lock: AbstractContextManager[None] = writer_lock(out, None if whole else shard)
    with lock:
        log = SessionLog(out, workers, shard)
        with log.stage("prepare"):
            session = _Session(study, out, workers, accept_change, report, watch or (lambda progress: None), log)
        summary = session.run(only, shard)
        log.write(ended=True)
        return summary


class _Session:
    def __init__(
        self,
        study: StudyDefinition,
        out: Path,
        workers: int,
        accept: bool,
        report: Report,
        watch: Watch,
        log: SessionLog,
    ) -> None:
        self.study, self.out, self.workers, self.report, self.watch = study, out, workers, report, watch
        self.log = log
        self.folder = StudyFolder(out)
        prepare = cached_material if study.mode == "cached" else pixel_material
        self.material: Material = prepare(study, out, report)
        self.arms, excluded = plan_arms(study, len(self.material.class_names))
        self.excluded = {(e.task, e.arm): e for e in excluded}
        with _turn(out):
            self.stamp = self._register(accept)
        with _turn(out):
            sets = self.material.prepare()
            self._note(sets)
        self.plan = BenchPlan.of(study, sets.folders, out, self.stamp)
        self.folder.drop_old_markers()
        self.crashed: list[str] = []
        self._read: dict[tuple[str, str, str], list[RunRecord]] = {}
        self.made = 0

    def _register(self, accept: bool) -> Stamp:
        """Write ``study.json``; refuse a study whose ground has moved under its runs."""
        code, store = code_version(), self.material.fingerprint
        state = new_state(self.study, code=code, store=store)
        if self.folder.begun:
            before, has_runs = self.folder.state(), self.folder.has_runs
            state = compared(before, self.study, code=code, store=store, has_runs=has_runs, accept=accept)
        state = replace(
            state,
            class_names=list(self.material.class_names),
            arms=[arm.state() for arm in self.arms],
            notes=list(dict.fromkeys([*state.notes, *self._notes()])),
        )
        self.folder.write_state(state)
        for exclusion in self.excluded.values():
            self.folder.write_exclusion(exclusion)
        s = self.study
        return Stamp(s.name, s.hash, s.basis, code, store, marks(state))

    def _notes(self) -> list[str]:
        if any(arm.needs_teacher for arm in self.arms):
            return [
                "Losses that distil a teacher got one of cross-entropy on the same features, trained with the "
                "search seed: there is nothing degraded for the student, so this is self-distillation."
            ]
        return []

    def _note(self, sets: Sets) -> None:
        """Numbers of clips and notes into ``study.json``."""
        state = self.folder.state()
        state = replace(
            state,
            clips={**state.clips, **sets.clips},
            videos={**state.videos, **sets.videos},
            notes=list(dict.fromkeys([*state.notes, *sets.notes])),
        )
        self.folder.write_state(state)

    def run(self, only: Sequence[str], shard: tuple[int, int]) -> StudySummary:
        """Searches of all arms, then the tests are opened, then the final runs."""
        arms = self._chosen(only)[shard[0] :: shard[1]]
        trials = [job for arm in arms for job in self._search_jobs(arm)]
        seeds = {(arm.task, arm.name): self._seeds_left(arm) for arm in arms}
        pace = Pace(
            max(1, self.workers),
            Counter(search=sum(len(job.trials) for job in trials), final=sum(map(len, seeds.values()))),
        )
        present = self._present(arms)
        pace.done, pace.failed = present["done"], present["failed"]
        self.watch(pace.now())
        kept_from = (str(self.out / "tests"), *self.material.kept_from_search)
        work = partial(search_work, self.plan)
        with self.log.stage("search"):
            self._work(work, trials, partial(start_search, kept_from), pace)
        finals = [job for arm in arms for job in self._final_jobs(arm, pace, seeds[arm.task, arm.name])]
        if finals:
            with self.log.stage("tests"), _turn(self.out):
                tests = self.material.open_tests()
                self._note(tests)
            final = FinalPlan(self.plan, tests.folders, self.study)
            with self.log.stage("final"):
                self._work(partial(final_work, final), finals, one_thread, pace)
        now = pace.now()
        return StudySummary(self.out, self.made, now.done, now.failed, len(self.excluded), tuple(self.crashed))

    def _chosen(self, only: Sequence[str]) -> list[Arm]:
        known = sorted({name for arm in self.arms for name in (arm.loss, arm.name)})
        for name in only:
            if name not in known and name not in {e.arm for e in self.excluded.values()}:
                raise UnknownNameError(
                    f"--only names '{name}', which is none of the study's losses: {', '.join(known)}."
                    f"{nearest(name, known)}"
                )
        return [arm for arm in self.arms if not only or arm.loss in only or arm.name in only]

    def _search_jobs(self, arm: Arm) -> list[SearchJob]:
        done = [r.trial for r in self._records(arm, "search") if r.trial is not None]
        return search_jobs(self.study, arm, done)

    def _records(self, arm: Arm, phase: Phase) -> list[RunRecord]:
        key = (arm.task, arm.name, phase)
        if key not in self._read:
            self._read[key] = self.folder.records(arm.task, arm.name, phase)
        return self._read[key]

    def _seeds_left(self, arm: Arm) -> list[int]:
        """Seeds without a run of the present best configuration (more trials may have found a better one)."""
        best = best_trial(self._records(arm, "search"))
        whole = len(self._records(arm, "search")) >= self.study.trials
        done = {
            r.seed
            for r in self._records(arm, "final")
            if not whole or best is None or (r.chosen_trial == best.trial and r.point == best.point)
        }
        return [seed for seed in self.study.seeds if seed not in done]

    def _present(self, arms: Iterable[Arm]) -> Counter[str]:
        found: Counter[str] = Counter()
        for arm in arms:
            search = self._records(arm, "search")[: self.study.trials]
            final = [r for r in self._records(arm, "final") if r.seed in self.study.seeds]
            left = self._seeds_left(arm)
            kept = [*search, *(r for r in final if r.seed not in left)]
            found["done"] += len(kept)
            found["failed"] += sum(r.status != "ok" for r in kept)
        return found

    def _final_jobs(self, arm: Arm, pace: Pace, expected: list[int]) -> list[FinalJob]:
        """The arm's missing seeds; none where no trial worked, with the reason on disk."""
        records = self._records(arm, "search")
        best = best_trial(records)
        if best is None:
            pace.drop("final", len(expected))
            reasons = sorted({r.reason for r in records})
            why = f"all {len(records)} trials failed, so there is nothing to run: {'; '.join(reasons[:3])}"
            self.folder.write_exclusion(Exclusion(arm.task, arm.name, arm.expression, "excluded", why))
            return []
        self.folder.exclusion_path(arm.task, arm.name).unlink(missing_ok=True)  # of a time when every trial failed
        left = self._seeds_left(arm)
        pace.drop("final", len(expected) - len(left))
        return [final_job(arm, seed, best, first=seed == self.study.seeds[0]) for seed in left]

    def _work(
        self, work: Callable[[Any], list[Done]], jobs: Sequence[Any], start: Callable[[], None], pace: Pace
    ) -> None:
        threads = _one_thread_each(always=self.workers > 0 or self.study.mode == "cached")
        with threads, closing(self._results(work, jobs, start)) as results:  # ends the processes, whatever happens
            for done in results:
                for one in done:
                    self.made += 1
                    self.log.ran(one.seconds)
                    pace.ran(one.phase, one.status, one.seconds)
                self.watch(pace.now())
        self._read.clear()

    def _results(
        self, work: Callable[[Any], list[Done]], jobs: Sequence[Any], start: Callable[[], None]
    ) -> Generator[list[Done], None, None]:
        for job, found in run_jobs(work, jobs, workers=self.workers, start=start if self.workers else None):
            yield self._crash(job, found) if isinstance(found, Crash) else found

    def _crash(self, job: SearchJob | FinalJob, crash: Crash) -> list[Done]:
        """Runs whose process died twice are failed runs, with what ended them."""
        bench = Bench(self.plan)
        made: list[RunRecord] = []
        if isinstance(job, SearchJob):
            there = {r.trial for r in self._records(job.arm, "search")}
            points = job.points or [tuple(p) for p in points_of(replace(self.study, search="sobol"), job.arm)]
            for trial, point in zip(job.trials, points, strict=False):
                if trial not in there:
                    seed = self.study.search_seed
                    made.append(new_record(bench, job.arm, "search", trial=trial, seed=seed, point=list(point)))
        else:
            record = new_record(bench, job.arm, "final", trial=None, seed=job.seed, point=list(job.point))
            made.append(replace(record, chosen_trial=job.chosen_trial))
        for record in made:
            failed = replace(record, reason=f"crashed twice: {crash.how}", cost=replace(record.cost, attempts=2))
            self.folder.write_record(failed)
            self.crashed.append(failed.key)
        return [Done(r.key, r.phase, "failed", 0.0) for r in made]


@contextmanager
def _turn(out: Path) -> Iterator[None]:
    """One shard at a time: what all need (``study.json``, features) is made by the first and found by the rest."""
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(writer_lock(out / "features"))
                break
            except StoreError:  # another shard has it
                time.sleep(TURN_SECONDS)
        yield


@contextmanager
def _one_thread_each(*, always: bool) -> Iterator[None]:
    """One thread for torch here, and for the arithmetic libraries of the processes that are started meanwhile: they
    have a processor each, and sums in another order would be other numbers."""
    if not always:
        yield
        return
    threads, kept = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if kept is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = kept
