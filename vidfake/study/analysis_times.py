"""What a study took: its whole time, time per run and per loss, memory, and the share that was no run.

From the sessions' own figures (`study.sessions`); a study of before there were any is timed by when its files were
written, which `source` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidfake.errors import ConfigError
from vidfake.study.results import Phase, RunRecord, StudyFolder
from vidfake.study.sessions import Session, read_sessions

PAUSE_SECONDS = 60.0  # longer without any run is a study that stood still, or prepared its clips
FEWEST_PER_WORKER = 0.05  # share of the time for which so many runs at once are so many workers
LEAST_SHARE = 1e-3  # below this share of what the runs took, files were written all at once: by a copy
Span = tuple[float, float]


@dataclass(frozen=True)
class WallTime:
    """`seconds` with runs going on (searches and final runs, all sessions), `preparing` of clips and features and
    `pauses` apart, None where that is not known. `workers` at once; `overhead` is the share of the workers' time
    that was no run."""

    source: str
    seconds: float
    preparing: float | None
    pauses: float | None
    sessions: int
    workers: int
    overhead: float


@dataclass(frozen=True)
class RunTime:
    """Means over the runs of a kind that trained: wall and processor seconds."""

    runs: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class StudyTimes:
    """`by_loss[loss][task, phase]`; `peak_rss_mib` by loss is the largest over its runs, `peak_of_run` False where
    it may be that of another run of the same process."""

    name: str
    runs: int
    failed: int
    run_seconds: float
    cpu_seconds: float
    wall: WallTime
    by_phase: dict[str, RunTime]
    by_loss: dict[str, dict[tuple[str, str], RunTime]]
    peak_rss_mib: dict[str, float]
    peak_of_run: bool
    parent_rss_mib: float | None


def study_times(folder: StudyFolder) -> StudyTimes:
    """Read it off a study's folder, finished or not.

    Raises StoreError for a folder that holds no study, ConfigError where it has no runs, or neither sessions nor
    files with the times at which they were written.
    """
    state = folder.state()
    records, spans = _records(folder)
    if not records:
        raise ConfigError(f"{folder.path} has no runs yet.")
    sessions = read_sessions(folder.path)
    whole = sum(s.runs for s in sessions) >= len(records)
    wall = _of_sessions(sessions) if whole else _of_files(folder, spans)
    by_loss: dict[str, dict[tuple[str, str], RunTime]] = {}
    peaks: dict[str, float] = {}
    phases: tuple[Phase, ...] = ("search", "final")
    for arm in state.arms:
        own = [r for r in records if (r.task, r.arm) == (arm.task, arm.arm)]
        for phase in phases:
            found = _mean([r for r in own if r.phase == phase])
            if found is not None:
                by_loss.setdefault(arm.arm, {})[arm.task, phase] = found
        if own:
            peaks[arm.arm] = max(peaks.get(arm.arm, 0.0), *(r.cost.peak_rss_mib for r in own))
    return StudyTimes(
        name=state.study.name,
        runs=len(records),
        failed=sum(r.status != "ok" for r in records),
        run_seconds=sum(r.cost.seconds for r in records),
        cpu_seconds=sum(r.cost.cpu_seconds for r in records),
        wall=wall,
        by_phase={p: m for p in phases if (m := _mean([r for r in records if r.phase == p])) is not None},
        by_loss=by_loss,
        peak_rss_mib=peaks,
        peak_of_run=all(r.cost.peak_of_run for r in records),
        parent_rss_mib=max((s.peak_rss_mib for s in sessions), default=None) if whole else None,
    )


def _records(folder: StudyFolder) -> tuple[list[RunRecord], list[Span]]:
    """Every record, and from when to when its run went on if its file was written at its end."""
    records, spans = [], []
    for record in folder.all_records():
        path = folder.record_path(record.task, record.arm, record.phase, record.number)
        end = path.stat().st_mtime
        records.append(record)
        spans.append((end - record.cost.seconds, end))
    return records, spans


def _mean(records: Sequence[RunRecord]) -> RunTime | None:
    """Of the runs that did not fail; None where none is."""
    costs = [r.cost for r in records if r.status == "ok"]
    if not costs:
        return None
    return RunTime(
        len(costs), float(np.mean([c.seconds for c in costs])), float(np.mean([c.cpu_seconds for c in costs]))
    )


def _of_sessions(sessions: Sequence[Session]) -> WallTime:
    seconds = [sum(s.seconds.get(stage, 0.0) for stage in ("search", "final")) for s in sessions]
    capacity = sum(wall * max(1, s.workers) for wall, s in zip(seconds, sessions, strict=True))
    return WallTime(
        source="the sessions' own record",
        seconds=sum(seconds),
        preparing=sum(s.seconds.get(stage, 0.0) for s in sessions for stage in ("prepare", "tests")),
        pauses=None,
        sessions=len(sessions),
        workers=max(max(1, s.workers) for s in sessions),
        overhead=1 - sum(s.run_seconds for s in sessions) / capacity,
    )


def _of_files(folder: StudyFolder, spans: Sequence[Span]) -> WallTime:
    ran = sum(end - start for start, end in spans)
    pauses, first, last = [], min(start for start, _ in spans), max(end for _, end in spans)
    reach = first
    for start, end in sorted(spans):
        if start - reach > PAUSE_SECONDS:
            pauses.append(start - reach)
        reach = max(reach, end)
    seconds = last - first - sum(pauses)
    written = max(end for _, end in spans) - min(end for _, end in spans)
    if written < LEAST_SHARE * ran:
        raise ConfigError(
            f"{folder.path}: its files do not have the times at which they were written, and there are no sessions "
            "beside them. Read the folder itself, or a copy that keeps times (cp -a)."
        )
    workers = _at_once(spans)
    return WallTime(
        source=f"the times of its files; gaps above {PAUSE_SECONDS:.0f} s are pauses",
        seconds=seconds,
        preparing=None,
        pauses=sum(pauses),
        sessions=len(pauses) + 1,
        workers=workers,
        overhead=1 - ran / (seconds * workers),
    )


def _at_once(spans: Sequence[Span]) -> int:
    """Runs at once for a notable share of the time: workers."""
    edges = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    time_with: dict[int, float] = {}
    running, before = 0, edges[0][0]
    for moment, change in edges:
        time_with[running] = time_with.get(running, 0.0) + moment - before
        running, before = running + change, moment
    busy = sum(seconds for n, seconds in time_with.items() if n)
    return max((n for n, seconds in time_with.items() if n and seconds >= FEWEST_PER_WORKER * busy), default=1)
