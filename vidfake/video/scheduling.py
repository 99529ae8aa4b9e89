"""Processors: how many this process may use, and that an encoder does not take them from all others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def usable_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def scheduling_kept() -> Iterator[None]:
    """On leaving, this thread has the scheduling policy and priority that it had on entering.

    SVT-AV1, run as root, makes the calling thread a real-time one, and all else on the machine waits for it.
    """
    if not hasattr(os, "sched_getscheduler"):  # only Linux has them, and only there the encoder changes them
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameters)
