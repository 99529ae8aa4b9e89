"""Results on disk: one small JSON file per run, written whole; a study's state is the files that are there.

OUT/study.json                                       StudyState
OUT/runs/<task>/<arm>/excluded.json                  Exclusion, in place of runs
OUT/runs/<task>/<arm>/search/<trial>.json            RunRecord
OUT/runs/<task>/<arm>/final/<seed>.json              RunRecord
OUT/runs/<task>/<arm>/final/<seed>.<test>.<read-out>.jsonl   ScoreTable
OUT/runs/<task>/<arm>/final/<seed>.<test>.classes.npz        ClassScores, of the task manipulation
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vidfake.config import from_dict, to_dict
from vidfake.errors import ConfigError, StoreError
from vidfake.files import write_json
from vidfake.scores import ScoreTable
from vidfake.study.definition import StudyDefinition

FORMAT_VERSION = 2
READ_VERSIONS = (1, 2)
"""1 has no class scores of videos (`RunRecord.classes`); all else is the same."""
STUDY_FILE, RUNS, EXCLUDED_FILE = "study.json", "runs", "excluded.json"
_STARTED = ".started"
Phase = Literal["search", "final"]
Status = Literal["ok", "failed"]
Figures = dict[str, float | None]
"""Named figures of one set of clips under one read-out; None where a figure does not exist."""


@dataclass(frozen=True)
class Cost:
    """What a run took; the only part of a record that differs when a study is run again."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0  # of the process: says what a run takes also where others use the machine
    train_seconds: float = 0.0
    peak_rss_mib: float = 0.0  # with the clips that all processes map
    peak_of_run: bool = False  # else the peak is that of the process so far, which made other runs
    attempts: int = 1


@dataclass(frozen=True)
class RunRecord:
    """One run: a trial of the search (`trial`), or a final run (`seed`) of the configuration that was chosen.

    `arm` is the loss as the study names it (``arcface``, ``softmax@mean``), `expression` what was built
    (``softmax + 0.01*center``). `point` is the search point in [0, 1), `hyperparameters` what it stands for, by
    setting (``loss.scale``, ``optim.head_learning_rate`` …), `at_bound` those at an end of their range, with
    ``low`` or ``high``. `objective` is the mean video AUC of the validation sets under the primary read-out.

    `validation[set][readout]` and `tests[set][readout]` hold figures: ``frame_auc``, ``frames_averaged_auc``,
    ``clip_auc``, ``video_auc``, ``video_eer``, ``balanced_accuracy`` (at the threshold chosen on ``in_domain``
    validation), ``ece``, ``brier`` (calibrated there), ``coverage``. Sets of validation are ``in_domain`` and
    ``held_out``. `attribution[set]`: ``macro_f1``, ``macro_recall``, ``accuracy`` over videos (task manipulation).
    `diagnostics`: of validation embeddings (`losses.diagnostics`). `tables[set][readout]`: file names beside the
    record; frame rows are in the primary read-out's table only, since they do not depend on the read-out.
    """

    key: str
    study: str
    study_hash: str
    basis: str
    code_version: str
    store_fingerprint: str
    task: str
    arm: str
    expression: str
    phase: Phase
    trial: int | None
    seed: int
    num_classes: int
    status: Status
    reason: str = ""
    point: list[float] = field(default_factory=list)
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    at_bound: dict[str, str] = field(default_factory=dict)
    primary_readout: str = ""
    objective: float | None = None
    validation: dict[str, dict[str, Figures]] = field(default_factory=dict)
    tests: dict[str, dict[str, Figures]] = field(default_factory=dict)
    attribution: dict[str, Figures] = field(default_factory=dict)
    diagnostics: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)  # test -> file of `study.classes`; none in format 1
    chosen_trial: int | None = None  # of a final run
    train_loss: float | None = None  # of the last step
    marks: list[str] = field(default_factory=list)  # ``store changed``, ``code changed``, ``study changed``
    cost: Cost = field(default_factory=Cost)

    @property
    def number(self) -> int:
        """What tells it from the others of its phase: the trial of a search, the seed of a final run."""
        return self.seed if self.trial is None else self.trial


@dataclass(frozen=True)
class Exclusion:
    """A loss that has no runs for a task: ``not_applicable`` (it refuses such a task) or ``excluded``."""

    task: str
    arm: str
    expression: str
    status: Literal["not_applicable", "excluded"]
    reason: str


@dataclass(frozen=True)
class ArmState:
    """A loss as the study runs it for a task; `dimensions` are the searched hyper-parameters with their values
    (``choices``) or ends (``low``, ``high``, log-uniform)."""

    task: str
    arm: str
    expression: str
    loss: str
    variant: str
    family: str
    tier: int
    num_classes: int
    dimensions: list[dict[str, Any]]


@dataclass(frozen=True)
class StudyState:
    """``study.json``: the definition with its hash, and everything that was changed after the first run.

    `changes`: one entry per change (``what``: study, code, store or basis; ``before``, ``after``: hashes;
    ``differing``: names of settings); an empty list is a study that ran as registered.
    """

    format: int
    definition: dict[str, Any]
    hash: str
    first_hash: str
    basis: str
    code_version: str
    store_fingerprint: str
    class_names: list[str]
    arms: list[ArmState]
    clips: dict[str, dict[str, int]] = field(default_factory=dict)  # set -> class name -> clips
    videos: dict[str, dict[str, int]] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @cached_property
    def study(self) -> StudyDefinition:
        """The definition as an object."""
        return from_dict(StudyDefinition, self.definition)


@dataclass(frozen=True)
class StudyFolder:
    """Paths and readers of one study's results."""

    path: Path

    def run_folder(self, task: str, arm: str, phase: Phase) -> Path:
        """Where the records of a phase are."""
        return self.path / RUNS / task / file_name(arm) / phase

    def record_path(self, task: str, arm: str, phase: Phase, number: int) -> Path:
        """The record of a trial or of a seed."""
        return self.run_folder(task, arm, phase) / f"{number:03d}.json"

    def started_path(self, record: RunRecord) -> Path:
        """Marker of a run in progress; it counts the attempts, and goes when the record is there."""
        return self.run_folder(record.task, record.arm, record.phase) / f".{record.number:03d}{_STARTED}"

    def drop_old_markers(self) -> None:
        """Remove markers of processes that were killed between writing a record and removing its marker."""
        for marker in (self.path / RUNS).glob(f"*/*/*/.*{_STARTED}"):
            if (marker.parent / f"{marker.name[1:].removesuffix(_STARTED)}.json").exists():
                marker.unlink()

    @property
    def begun(self) -> bool:
        """True where there is a ``study.json``."""
        return (self.path / STUDY_FILE).exists()

    @property
    def has_runs(self) -> bool:
        """True where there is any record."""
        return next((self.path / RUNS).glob("*/*/*/*.json"), None) is not None

    def exclusion_path(self, task: str, arm: str) -> Path:
        """Why an arm has no runs."""
        return self.path / RUNS / task / file_name(arm) / EXCLUDED_FILE

    def state(self) -> StudyState:
        """``study.json``. Raises StoreError when this is no study, or of another format."""
        return from_dict(StudyState, read_json(self.path / STUDY_FILE))

    def write_state(self, state: StudyState) -> None:
        """Replace ``study.json``."""
        write_json(self.path / STUDY_FILE, to_dict(state))

    def write_exclusion(self, exclusion: Exclusion) -> None:
        """Write why an arm has no runs."""
        write_json(self.exclusion_path(exclusion.task, exclusion.arm), to_dict(exclusion))

    def write_record(self, record: RunRecord) -> None:
        """Write a run's record, whole."""
        write_json(self.record_path(record.task, record.arm, record.phase, record.number), to_dict(record))

    def records(self, task: str, arm: str, phase: Phase) -> list[RunRecord]:
        """The records of a phase that are there, by trial or seed."""
        paths = sorted(self.run_folder(task, arm, phase).glob("*.json"), key=lambda path: int(path.stem))
        return [read_record(path) for path in paths]

    def all_records(self) -> Iterator[RunRecord]:
        """Every record of the arms of ``study.json``."""
        for arm in self.state().arms:
            for phase in ("search", "final"):
                yield from self.records(arm.task, arm.arm, phase)

    def exclusions(self) -> list[Exclusion]:
        """Every arm that has no runs, with its reason."""
        return [
            from_dict(Exclusion, read_json(path))
            for path in sorted((self.path / RUNS).glob(f"*/*/{EXCLUDED_FILE}"))
        ]

    def table(self, record: RunRecord, test: str, readout: str = "") -> ScoreTable:
        """The score table of a final run on a test, by default under its primary read-out."""
        name = record.tables[test][readout or record.primary_readout]
        return ScoreTable.read(self.run_folder(record.task, record.arm, record.phase) / name)


def read_record(path: Path) -> RunRecord:
    """One record. Raises StoreError when damaged."""
    try:
        return from_dict(RunRecord, read_json(path))
    except ConfigError as error:
        raise StoreError(f"{path}: damaged record ({error}). Remove the file; the study makes it again.") from error


def best_trial(records: Sequence[RunRecord]) -> RunRecord | None:
    """The trial of highest objective, the earliest of equals; None when every trial failed."""
    able = [r for r in records if r.status == "ok" and r.objective is not None]
    return max(able, key=lambda r: (r.objective or 0.0, -r.number)) if able else None


def without_frames(table: ScoreTable) -> ScoreTable:
    """The table without its frame rows."""
    none = np.empty(0, np.int64)
    return replace(
        table, frame_video=none, frame_track=none, frame_pts_seconds=np.empty(0), frame_score=np.empty(0)
    )


def file_name(arm: str) -> str:
    """An arm's folder: its name with a sum's signs spelt out."""
    return arm.replace(" + ", "+").replace("*", "x").replace(" ", "")


def read_json(path: Path) -> dict[str, Any]:
    """The object in one of a study's files. Raises StoreError when it is missing, damaged or of another format."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise StoreError(f"{path}: not there. Name the folder that `vidfake study run --out` made.") from error
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read ({error}). Remove it and run the study again.") from error
    if not isinstance(value, dict) or value.get("format", FORMAT_VERSION) not in READ_VERSIONS:
        raise StoreError(f"{path}: not a result that this version of vidfake reads (formats 1 and 2).")
    return value
