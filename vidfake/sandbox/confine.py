"""What the child gives up before it looks at the first byte of a file."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time

from vidfake.sandbox import seccomp

MEMORY_EXIT = 71  # exit code of a child that outgrew its memory, where the watchdog ends it
_WATCH_SECONDS = 0.1


def confine(*, memory_bytes: int, open_files: int) -> list[str]:
    """Take away from this process what decoding does not need; for good. Returns what is in force, in words.

    The limit on memory is one on address space: the kernel has none on resident memory, and torch, which reserves
    far more than it uses, is not loaded here. Where the system does not keep it (macOS), a thread watches the
    resident memory and ends the process.
    """
    in_force = []
    if _limit("RLIMIT_CORE", 0):
        in_force.append("core dumps")
    if _limit("RLIMIT_FSIZE", 0):
        in_force.append("file size")
    if _limit("RLIMIT_NOFILE", open_files):
        in_force.append("open files")
    if sys.platform == "linux" and _limit("RLIMIT_AS", memory_bytes):
        in_force.append("memory")
    elif sys.platform != "win32":
        threading.Thread(target=_watch_memory, args=(memory_bytes,), daemon=True).start()
        in_force.append("memory (watched)")
    if seccomp.install():
        in_force.append("system calls")
    return in_force


def allow_cpu_seconds(seconds: float) -> bool:
    """From now on the process may use so much processor time; then the kernel ends it, whatever the parent does."""
    used = time.process_time()
    return _limit("RLIMIT_CPU", int(used + seconds) + 1, hard=False)


def _limit(name: str, value: int, *, hard: bool = True) -> bool:
    try:
        import resource
    except ImportError:  # Windows
        return False
    kind = getattr(resource, name, None)
    if kind is None:
        return False
    ceiling = resource.getrlimit(kind)[1]
    wanted = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
    try:
        resource.setrlimit(kind, (wanted, wanted if hard else ceiling))
    except (OSError, ValueError):
        return False
    return True


def _watch_memory(most_bytes: int) -> None:
    """Ends the process when its largest resident memory passes `most_bytes`."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    while resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit <= most_bytes:
        time.sleep(_WATCH_SECONDS)
    with contextlib.suppress(OSError):
        os.close(1)
    os._exit(MEMORY_EXIT)
