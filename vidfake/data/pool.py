"""Jobs over worker processes. A job that kills its process (a crash in a decoder) loses that job, not the batch."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

J = TypeVar("J")
R = TypeVar("R")

_ATTEMPTS = 2  # a process can also be killed from outside, so a crashed job gets one more chance
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Crash:
    """A job's process died, each time it was tried; `how` says by what."""

    how: str


def run_jobs(
    work: Callable[[J], R], jobs: Sequence[J], *, workers: int, start: Callable[[], None] | None = None
) -> Iterator[tuple[J, R | Crash]]:
    """Results as they come, one per job. `workers` 0 works in this process.

    `work`, `start` (run once in each process) and the jobs must be picklable. An exception of `work` is raised here
    and ends the batch; so does leaving the iterator early. No process outlives it, nor this process.
    """
    if workers == 0:
        for job in jobs:
            yield job, work(job)
        return
    yield from _Pool(work, jobs, workers=min(workers, len(jobs)), start=start).results()


@dataclass
class _Worker(Generic[J]):
    process: BaseProcess
    connection: Connection
    job: J | None = None
    attempt: int = 0


class _Pool(Generic[J, R]):
    def __init__(
        self, work: Callable[[J], R], jobs: Sequence[J], *, workers: int, start: Callable[[], None] | None
    ) -> None:
        self._work, self._start = work, start
        self._waiting: deque[tuple[J, int]] = deque((job, 1) for job in jobs)
        self._workers: list[_Worker[J]] = []
        self._count = workers
        # "spawn": a copy made by fork would hold this process's locks in whatever state they happen to be
        self._context = multiprocessing.get_context("spawn")

    def results(self) -> Iterator[tuple[J, R | Crash]]:
        try:
            while self._waiting or any(worker.job is not None for worker in self._workers):
                self._assign()
                for ready in wait([worker.connection for worker in self._workers]):
                    worker = next(w for w in self._workers if w.connection is ready)
                    result = self._receive(worker)
                    if result is not None:
                        yield result
        finally:
            self._stop()

    def _assign(self) -> None:
        while len(self._workers) < min(self._count, len(self._waiting) + self._busy()):
            self._workers.append(self._new_worker())
        for worker in self._workers:
            if worker.job is None and self._waiting:
                worker.job, worker.attempt = self._waiting.popleft()
                try:
                    worker.connection.send(worker.job)
                except (BrokenPipeError, ConnectionResetError):
                    continue  # it died while idle: `wait` reports that next, and the job is given out again

    def _busy(self) -> int:
        return sum(worker.job is not None for worker in self._workers)

    def _new_worker(self) -> _Worker[J]:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._work, self._start), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _receive(self, worker: _Worker[J]) -> tuple[J, R | Crash] | None:
        try:
            failed, value = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            return self._died(worker)
        job, worker.job = worker.job, None
        if failed:
            raise value
        return job, value  # type: ignore[return-value]

    def _died(self, worker: _Worker[J]) -> tuple[J, Crash] | None:
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join()
        if worker.job is None:
            return None
        if worker.attempt < _ATTEMPTS:
            self._waiting.append((worker.job, worker.attempt + 1))
            return None
        return worker.job, Crash(_how(worker.process.exitcode))

    def _stop(self) -> None:
        unfinished = bool(self._waiting) or self._busy() > 0
        for worker in self._workers:
            worker.connection.close()  # an idle worker ends by this
            if unfinished:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_STOP_SECONDS)
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()


def _how(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"its process was ended by signal {-exitcode} ({signal.strsignal(-exitcode)})"
    return f"its process ended with code {exitcode}"


def _serve(connection: Connection, work: Callable[[Any], Any], start: Callable[[], None] | None) -> None:
    """A worker process: results of jobs until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if start is not None:
        start()
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        try:
            message = (False, work(job))
        except Exception as error:
            message = (True, error)
        connection.send(message)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
