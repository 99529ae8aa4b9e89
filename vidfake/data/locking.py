"""One writer per store: advisory locks that end with the process, and leave no file behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from vidfake.errors import StorageError, StoreError

WHOLE = ".writing"


@contextlib.contextmanager
def writer_lock(store: Path, shard: tuple[int, int] | None = None) -> Iterator[None]:
    """Hold the right to write `store`: alone, or with the other shards of a run split over several processes.

    The folder is made where it is missing. Raises StoreError at once when another process holds it, StorageError
    where it cannot be made or locked. A killed process holds nothing.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_lock(store / WHOLE, shared=shard is not None))
        if shard is not None:
            stack.enter_context(_lock(store / f"{WHOLE}-{shard[0]}-of-{shard[1]}", shared=False))
        yield


@contextlib.contextmanager
def _lock(path: Path, *, shared: bool) -> Iterator[None]:
    descriptor = _acquire(path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    try:
        yield
    finally:
        # removed while held, by the last holder only: nobody is left with a lock on a file without a name
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path, mode: int) -> int:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(
                f"{path}: the lock file cannot be made ({error.strerror}). Choose a folder that can be written."
            ) from error
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
            if _is_current(descriptor, path):
                return descriptor
            os.close(descriptor)  # the last holder removed the file between open and lock: take the new one
        except BlockingIOError as error:
            os.close(descriptor)
            raise StoreError(
                f"{path.parent}: another process is writing here. Wait until it has ended, or choose another "
                "folder."
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise StorageError(
                f"{path}: cannot be locked ({error.strerror}). Put the store on a file system with locks."
            ) from error


def _is_current(descriptor: int, path: Path) -> bool:
    try:
        named = os.stat(path)
    except FileNotFoundError:
        return False
    held = os.fstat(descriptor)
    return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)
