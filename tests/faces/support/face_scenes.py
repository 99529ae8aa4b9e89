"""Discs that move over a quiet ground, and a detector that finds them by colour: faces that no one has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidfake.faces.align import FACE_TEMPLATE
from vidfake.types import ByteArray, Face

RED, GREEN, BLUE = (230, 40, 40), (40, 200, 40), (40, 60, 230)


@dataclass(frozen=True)
class Disc:
    """Centre and radius in pixels, in coordinates where pixel i covers [i, i + 1)."""

    x: float
    y: float
    radius: float
    colour: tuple[int, int, int] = RED


def face_at(
    x: float, y: float, side: float, *, confidence: float = 0.9, nose_shift: float = 0.0, narrow: float = 0.7
) -> Face:
    """A face with its box's middle at (x, y) and its longer side `side`; `nose_shift` turns it."""
    landmarks = FACE_TEMPLATE * side + np.array([x, y])
    landmarks[2, 0] += nose_shift * side
    half = side * narrow / 2
    return Face(box=(x - half, y - side / 2, x + half, y + side / 2), landmarks=landmarks, confidence=confidence)


def draw(discs: Sequence[Disc], *, width: int, height: int, ground: int = 60) -> ByteArray:
    """Discs, the later in front, on a gray ground with a faint diagonal ramp."""
    y, x = np.mgrid[:height, :width] + 0.5
    picture = np.repeat((ground + 20 * (x + y) / (width + height))[:, :, None], 3, axis=2)
    for disc in discs:
        inside = (x - disc.x) ** 2 + (y - disc.y) ** 2 <= disc.radius**2
        picture[inside] = disc.colour
    return picture.astype(np.uint8)


class DiscDetector:
    """Finds the discs of known colours: a true detector, so that a video's pixels decide."""

    def __init__(self, *colours: tuple[int, int, int], confidence: float = 0.9) -> None:
        self.colours = colours or (RED, GREEN, BLUE)
        self.confidence = confidence
        self.calls = 0

    def detect(self, rgb: ByteArray) -> list[Face]:
        self.calls += 1
        found = []
        for colour in self.colours:
            mask = (np.abs(rgb.astype(int) - np.array(colour)) < 70).all(axis=2)
            if mask.sum() >= 20:
                y, x = np.nonzero(mask)
                side = 2 * np.sqrt(mask.sum() / np.pi)
                found.append(face_at(x.mean() + 0.5, y.mean() + 0.5, side, confidence=self.confidence, narrow=1.0))
        return found
