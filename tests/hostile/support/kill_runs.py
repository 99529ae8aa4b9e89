"""Starts a command, ends it with SIGKILL at a random moment, and again, until it was killed often enough."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def start(command: Sequence[object], log: Path, *, paths: Sequence[Path] = ()) -> subprocess.Popen[bytes]:
    """The command in a session of its own; its output goes to `log`."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, [ROOT, *paths]))
    with open(log, "ab") as out:
        return subprocess.Popen(
            [sys.executable, *map(str, command)], stdout=out, stderr=out, env=environment, start_new_session=True
        )


def finish(
    command: Sequence[object], log: Path, *, paths: Sequence[Path] = (), codes: Sequence[int] = (0,)
) -> float:
    """Run to the end, and say how many seconds it took."""
    begun = time.monotonic()
    process = start(command, log, paths=paths)
    assert process.wait(timeout=600) in codes, log.read_text(errors="replace")[-3000:]
    return time.monotonic() - begun


def kill_often(
    times: int,
    begin: Callable[[], subprocess.Popen[bytes]],
    *,
    seconds: float,
    check: Callable[[bool], None],
    seed: int = 0,
) -> int:
    """`begin` a run and kill it at a random moment of its `seconds`, `times` over; how often it ended before.

    Only the process that was begun is killed: what it started must notice, and hold nothing up. After each run
    `check(ended)` looks at what is there.
    """
    choose, ended = random.Random(seed), 0
    for _ in range(times):
        process = begin()
        try:
            # half of the moments fall into the last two thirds, where files are written
            process.wait(choose.uniform(0.0 if choose.random() < 0.25 else seconds / 3, seconds * 1.02))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        was_killed = process.returncode == -signal.SIGKILL
        ended += not was_killed
        check(not was_killed)
    return ended
