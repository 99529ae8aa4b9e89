"""Decoding that runs ahead on a thread of its own, a few frames, while faces are looked for in those before."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

AHEAD_BYTES = 32 << 20
"""Pictures that wait are kept to this much memory, however large one is; two always may wait."""

MOST_AHEAD = 16

T = TypeVar("T")


def frames_ahead(num_pixels: int) -> int:
    """How many pictures of `num_pixels` may wait; a byte and a half each, as 4:2:0 takes.

    >>> frames_ahead(640 * 360), frames_ahead(1920 * 1080), frames_ahead(7680 * 4320)
    (16, 10, 2)
    """
    return max(2, min(MOST_AHEAD, AHEAD_BYTES // (num_pixels + num_pixels // 2 + 1)))


class ReadAhead(Generic[T]):
    """The items of an iterator in order, made by a thread that is at most `length` ahead.

    An exception of the iterator is raised here, after the items before it. `stop` must be called before what the
    iterator reads from is closed: it returns when the thread has ended.
    """

    def __init__(self, items: Iterator[T], length: int) -> None:
        self._items = items
        self._made: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(length)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vidfake-decode", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        end: BaseException | None = None
        try:
            for item in self._items:
                self._made.put((item,))
                if self._stopped.is_set():
                    return
        except BaseException as error:  # handed to the thread that asked for the items
            end = error
        self._made.put(end)

    def __iter__(self) -> Iterator[T]:
        """To be gone through once. Raises ValueError once it was stopped."""
        while True:
            if self._stopped.is_set():
                raise ValueError("this pass over the video has ended: its reader was closed or has begun another")
            found = self._made.get()
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            yield found[0]

    def stop(self) -> None:
        """End the thread; may be called again, by any thread but this one's own."""
        self._stopped.set()
        while self._thread.is_alive():
            try:
                self._made.get(timeout=0.01)  # makes room for one that waits to put
            except queue.Empty:
                continue
