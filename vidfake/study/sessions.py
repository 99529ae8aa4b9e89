"""What each session of a study took as a whole: one small file per session, from which its overhead is read.

OUT/sessions/<start>-<process>.json      Session
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from vidfake.config import from_dict, to_dict
from vidfake.errors import ConfigError, StoreError
from vidfake.files import write_json
from vidfake.study.results import read_json

SESSIONS = "sessions"
KEPT_EVERY = 60.0  # seconds: what a killed session loses of its own figures


@dataclass(frozen=True)
class Session:
    """`seconds`: wall time of each stage (``prepare``, ``search``, ``tests``, ``final``). `runs` were made in it.

    `run_seconds` is the sum of its runs' own seconds. `cpu_seconds` is of this process and of the workers that have
    ended. `peak_rss_mib` is of this process, which has no runs where there are workers.
    """

    started: float  # seconds since 1970
    workers: int
    shard: tuple[int, int]
    seconds: dict[str, float] = field(default_factory=dict)
    runs: int = 0
    run_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_rss_mib: float = 0.0
    ended: bool = False


class SessionLog:
    """Keeps the figures of the session that is on, and writes them from its first run on."""

    def __init__(self, out: Path, workers: int, shard: tuple[int, int]) -> None:
        self.started, self.workers, self.shard = time.time(), workers, shard
        name = time.strftime("%Y%m%dT%H%M%S", time.gmtime(self.started))
        self.path = out / SESSIONS / f"{name}-{os.getpid()}.json"
        self.seconds: dict[str, float] = {}
        self.runs, self.run_seconds = 0, 0.0
        self._stage: tuple[str, float] | None = None
        self._kept = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; it counts also where it ends by an error."""
        self._stage = (name, time.perf_counter())
        try:
            yield
        finally:
            self.seconds[name] = self._now()[name]
            self._stage = None

    def ran(self, seconds: float) -> None:
        """One more run is on disk."""
        self.runs += 1
        self.run_seconds += seconds
        if time.perf_counter() - self._kept > KEPT_EVERY:
            self.write()

    def write(self, *, ended: bool = False) -> None:
        """Write the file, unless the session made no run."""
        self._kept = time.perf_counter()
        if not self.runs:
            return
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        session = Session(
            started=self.started,
            workers=self.workers,
            shard=self.shard,
            seconds=self._now(),
            runs=self.runs,
            run_seconds=self.run_seconds,
            cpu_seconds=time.process_time() + children.ru_utime + children.ru_stime,
            peak_rss_mib=peak_rss_mib(),
            ended=ended,
        )
        write_json(self.path, to_dict(session))

    def _now(self) -> dict[str, float]:
        if self._stage is None:
            return dict(self.seconds)
        name, start = self._stage
        return {**self.seconds, name: self.seconds.get(name, 0.0) + time.perf_counter() - start}


def read_sessions(out: Path) -> list[Session]:
    """Every session that left its figures, by time. Raises StoreError for a damaged file."""
    found = []
    for path in sorted((out / SESSIONS).glob("*.json")):
        try:
            found.append(from_dict(Session, read_json(path)))
        except ConfigError as error:
            raise StoreError(
                f"{path}: damaged ({error}). Remove the file; only figures of time are lost."
            ) from error
    return found


def forget_peak() -> bool:
    """Let the largest memory of this process be measured from now on. False where the system cannot (not Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    except OSError:
        return False
    return True


def peak_rss_mib() -> float:
    """Largest memory of this process since its start, or since `forget_peak`."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 1024), 1)
