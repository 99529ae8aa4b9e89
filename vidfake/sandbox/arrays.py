"""Arrays in the payload of a message, read one after another with every length known beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vidfake.sandbox.wire import WireError

_LARGEST = 1e30  # hostile timestamps reach 1e28 seconds; beyond is no product of a decoder


class Cursor:
    """Takes arrays from the front of a payload. `finish` insists that nothing is left."""

    def __init__(self, payload: bytearray) -> None:
        self._view = memoryview(payload)
        self._position = 0

    def take(self, count: int) -> memoryview:
        """The next `count` bytes. Raises WireError where there are fewer."""
        end = self._position + count
        if count < 0 or end > len(self._view):
            raise WireError(f"a payload of {len(self._view)} bytes is too short: {end} are needed")
        part = self._view[self._position : end]
        self._position = end
        return part

    def floats(self, *shape: int) -> npt.NDArray[np.float64]:
        """A float64 array of finite numbers of a credible size."""
        array = np.frombuffer(self.take(8 * int(np.prod(shape, dtype=np.int64))), "<f8").reshape(shape)
        if not bool(np.all(np.abs(array) < _LARGEST)):  # NaN fails the comparison too
            raise WireError("a payload holds numbers that are not finite or not credible")
        return array.astype(np.float64)

    def integers(self, *shape: int) -> npt.NDArray[np.int64]:
        """An int64 array of numbers that are not negative."""
        array = np.frombuffer(self.take(8 * int(np.prod(shape, dtype=np.int64))), "<i8").reshape(shape)
        if array.size and (int(array.min()) < 0 or int(array.max()) > 1 << 62):
            raise WireError("a payload holds whole numbers that are negative or not credible")
        return array.astype(np.int64)

    def bytes_array(self, *shape: int) -> npt.NDArray[np.uint8]:
        """A uint8 array."""
        return np.frombuffer(self.take(int(np.prod(shape, dtype=np.int64))), np.uint8).reshape(shape).copy()

    def finish(self) -> None:
        """Raises WireError where bytes are left over."""
        if self._position != len(self._view):
            raise WireError(f"{len(self._view) - self._position} bytes of a payload belong to nothing")


def packed(array: Any, kind: str) -> memoryview:
    """An array's bytes in the order of `Cursor`: `kind` is ``<f8``, ``<i8`` or ``u1``."""
    if not np.size(array):
        return memoryview(b"")
    return memoryview(np.ascontiguousarray(array, kind).data).cast("B")
