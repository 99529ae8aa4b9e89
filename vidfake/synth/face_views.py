"""The square that a face-regenerating network sees: the crop's face, turned and scaled to fixed landmarks."""

from __future__ import annotations

import cv2
import numpy as np

from vidfake.geometry import centred, inverse, scale_of, similarity_transform
from vidfake.types import ByteArray, FloatArray

VIEW_LANDMARKS = np.array([[0.34, 0.37], [0.66, 0.37], [0.5, 0.554], [0.361, 0.7], [0.639, 0.7]])
"""Where the five landmarks lie, as shares of the view's side: it shows a frontal face from hairline to chin."""
ENLARGINGS = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}  # of what was drawn, back to the crop
LEAST_SCALE = 1 / 8  # of that at which the view is the whole crop; a face so much larger fits no landmarks


def into_view(landmarks: FloatArray, pixels: int, size: int) -> FloatArray:
    """The (2, 3) similarity from a crop of `size` pixels to its view of `pixels`; pixel centres lie at i + 0.5.

    Landmarks (5, 2) that no similarity brings near the view's own (mirrored, all in one point) give the whole crop.
    """
    matrix = similarity_transform(landmarks, VIEW_LANDMARKS * pixels)
    if not scale_of(matrix) > LEAST_SCALE * pixels / size:
        return np.array([[pixels / size, 0, 0], [0, pixels / size, 0]])
    return np.asarray(matrix)


def softened(face: ByteArray, matrix: FloatArray) -> ByteArray:
    """`face` (S, S, 3) smoothed as its reduction by `matrix` asks for, so that fine detail does not alias."""
    reduction = 1 / max(scale_of(matrix), 1e-6)
    if reduction <= 1.1:
        return face
    return np.asarray(cv2.GaussianBlur(face, (0, 0), min(0.45 * reduction, face.shape[0] / 4)), np.uint8)


def view(face: ByteArray, matrix: FloatArray, pixels: int) -> ByteArray:
    """The view (pixels, pixels, 3) of a crop `face` (S, S, 3) through `matrix` of `into_view`."""
    soft = softened(face, matrix)
    seen = cv2.warpAffine(
        soft, centred(matrix), (pixels, pixels), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(seen, np.uint8)


def back_into_crop(picture: FloatArray, matrix: FloatArray, size: int, *, enlarging: int) -> FloatArray:
    """`picture` (p, p, 3) or (p, p) float32 of a view laid back into the crop; beyond its border its edge goes on.

    `enlarging` is an OpenCV interpolation.
    """
    placed = cv2.warpAffine(
        picture, centred(inverse(matrix)), (size, size), flags=enlarging, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(placed, np.float32)


def drawn_part(pixels: int, matrix: FloatArray, size: int) -> FloatArray:
    """How much of each crop pixel (S, S) float32 the view has: 1 well inside of it, softly 0 at its border."""
    border = max(2, pixels // 16)
    inside = np.zeros((pixels, pixels), np.float32)
    inside[border:-border, border:-border] = 1
    soft = np.asarray(cv2.GaussianBlur(inside, (0, 0), border / 3), np.float32)
    soft[[0, -1]] = soft[:, [0, -1]] = 0
    return np.clip(back_into_crop(soft, matrix, size, enlarging=cv2.INTER_LINEAR), 0, 1)
