"""Blending masks from five landmarks: outlines in a face's own coordinates, deformed and feathered."""

from __future__ import annotations

import cv2
import numpy as np

from vidfake.types import FloatArray

# Outlines in face coordinates: the origin midway between the eyes, x to the picture's right in units of the
# distance between the eyes, y down in units of the distance from the eyes' midpoint to the mouth's midpoint.
OUTLINES: dict[str, tuple[tuple[float, float], ...]] = {
    "face": (
        (-1.05, -0.45), (-0.75, -0.85), (0.0, -1.0), (0.75, -0.85), (1.05, -0.45), (1.08, 0.25), (0.95, 0.95),
        (0.6, 1.5), (0.0, 1.75), (-0.6, 1.5), (-0.95, 0.95), (-1.08, 0.25),
    ),
    "inner": (
        (-0.95, -0.35), (-0.45, -0.55), (0.45, -0.55), (0.95, -0.35), (0.9, 0.35), (0.7, 1.0), (0.4, 1.35),
        (-0.4, 1.35), (-0.7, 1.0), (-0.9, 0.35),
    ),
    "features": (
        (-0.85, -0.3), (0.0, -0.35), (0.85, -0.3), (0.75, 0.25), (0.4, 0.5), (0.55, 0.95), (0.4, 1.2), (-0.4, 1.2),
        (-0.55, 0.95), (-0.4, 0.5), (-0.75, 0.25),
    ),
    "lower": (
        (-0.95, 0.35), (-0.3, 0.45), (0.3, 0.45), (0.95, 0.35), (0.85, 1.0), (0.55, 1.5), (0.0, 1.7), (-0.55, 1.5),
        (-0.85, 1.0),
    ),
    "mouth": (
        (-0.6, 0.75), (0.0, 0.65), (0.6, 0.75), (0.65, 1.05), (0.4, 1.35), (0.0, 1.45), (-0.4, 1.35), (-0.65, 1.05),
    ),
}  # fmt: skip


def face_frame(landmarks: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Origin (2,) and the two axis vectors (2,) of the face coordinates of five landmarks (5, 2)."""
    right_eye, left_eye, _, right_mouth, left_mouth = landmarks
    origin = (right_eye + left_eye) / 2
    return origin, left_eye - right_eye, (right_mouth + left_mouth) / 2 - origin


def nose_place(landmarks: FloatArray) -> FloatArray:
    """The nose (2,) in face coordinates: near (0, 0.5) for a frontal face, moved aside when the head is turned."""
    origin, x_axis, y_axis = face_frame(landmarks)
    return np.asarray(np.linalg.pinv(np.stack([x_axis, y_axis], axis=1)) @ (landmarks[2] - origin))


def outline_points(name: str, landmarks: FloatArray) -> FloatArray:
    """The outline (N, 2) in pixels for five landmarks (5, 2), narrower on the side that a turned head hides.

    On an upright cylinder with eyes at ±32° and a nose of a third of its radius, a turn that moves the nose aside
    by u eye distances brings the far edge nearer by about the factor 1 - 1.45 |u|: with it an outline is off by at
    most 0.11 radii up to a turn of 50°.
    """
    origin, x_axis, y_axis = face_frame(landmarks)
    shape = np.array(OUTLINES[name])
    aside = float(nose_place(landmarks)[0])
    shape[shape[:, 0] * aside > 0, 0] *= max(0.55, 1 - 1.45 * abs(aside))
    return origin + shape[:, :1] * x_axis + shape[:, 1:] * y_axis


def clip_masks(
    landmarks: FloatArray, size: int, *, outline: str, wobble: float, feather: float, rng: np.random.Generator
) -> FloatArray:
    """Masks (T, S, S) float32 in [0, 1] that follow the landmarks (T, 5, 2).

    `wobble` displaces the outline's corners, by a draw that is the same in every frame, by up to that share of the
    distance between the eyes; `feather` is the standard deviation of the soft edge as a share of the crop.
    """
    corners = len(OUTLINES[outline])
    offsets = rng.uniform(-wobble, wobble, (corners, 2))
    masks = np.empty((len(landmarks), size, size), np.float32)
    sigma = max(0.5, feather * size)
    for mask, points in zip(masks, landmarks, strict=True):
        eyes = float(np.linalg.norm(points[1] - points[0]))
        polygon = _rounded(outline_points(outline, points) + offsets * eyes)
        hard = np.zeros((size, size), np.uint8)
        cv2.fillPoly(hard, [np.round(polygon * 16).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=4)
        soft = cv2.GaussianBlur(hard.astype(np.float32) / 255, (0, 0), sigma)
        mask[:] = soft * (cv2.GaussianBlur(hard.astype(np.float32) / 255, (0, 0), sigma / 2) > 0)
    peak = masks.max()
    return np.clip(masks / peak, 0, 1) if peak > 0 else masks


def _rounded(polygon: FloatArray, rounds: int = 2) -> FloatArray:
    """Chaikin's corner cutting of a closed polygon."""
    for _ in range(rounds):
        following = np.roll(polygon, -1, axis=0)
        polygon = np.stack([0.75 * polygon + 0.25 * following, 0.25 * polygon + 0.75 * following], 1).reshape(-1, 2)
    return polygon
