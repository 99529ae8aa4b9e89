"""The display matrix of a container, reduced to the eight orientations of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from vidfake.types import Region


@dataclass(frozen=True)
class Orientation:
    """How a stored picture becomes upright: transpose first, then reverse rows and columns.

    >>> Orientation.from_matrix([0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30]).rotation_degrees  # a phone held upright
    90
    """

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    @classmethod
    def from_matrix(cls, matrix: Sequence[int]) -> Orientation:
        """From the 9 numbers a, b, u, c, d, v, x, y, w of ISO 14496-12: x' = a x + c y, y' = b x + d y.

        An angle between quarter turns goes to the nearest one; a matrix that is not a rotation is ignored.
        """
        a, b, _, c, d = (int(value) for value in matrix[:5])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, flip_rows=d < 0, flip_columns=a < 0)
        return cls(True, flip_rows=b < 0, flip_columns=c < 0)

    @property
    def mirrored(self) -> bool:
        """True when no rotation alone makes the picture upright."""
        return self.transpose ^ self.flip_rows ^ self.flip_columns

    @property
    def rotation_degrees(self) -> int:
        """Clockwise turn that makes the stored picture upright (after a left-right mirror, if `mirrored`)."""
        if self.transpose:
            return 90 if self.flip_columns else 270
        return 180 if self.flip_rows else 0

    def upright_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the upright picture."""
        return (height, width) if self.transpose else (width, height)

    def apply(self, picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Upright view of a stored picture (H, W, ...)."""
        if self.transpose:
            picture = picture.swapaxes(0, 1)
        rows, columns = (slice(None, None, -1 if flip else 1) for flip in (self.flip_rows, self.flip_columns))
        return picture[rows, columns]

    def stored_region(self, region: Region, width: int, height: int) -> Region:
        """The part of the stored `width` x `height` picture that `region` of the upright picture comes from."""
        upright_width, upright_height = self.upright_size(width, height)
        x = upright_width - region.x - region.width if self.flip_columns else region.x
        y = upright_height - region.y - region.height if self.flip_rows else region.y
        if self.transpose:
            return Region(y, x, region.height, region.width)
        return Region(x, y, region.width, region.height)
