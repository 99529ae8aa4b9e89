"""What a face detector is, the registry of them, and which of their faces are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from vidfake.registry import Registry
from vidfake.settings import ExtractSettings
from vidfake.types import ByteArray, Face, FloatArray, Region


class FaceDetector(Protocol):
    """Anything that finds faces in one picture.

    Coordinates are continuous: pixel i covers [i, i + 1), so they scale with the picture. A face may reach
    beyond the picture's edge. Confidence is in [0, 1]. The same picture gives the same faces in the same order.
    """

    def detect(self, rgb: ByteArray) -> list[Face]:
        """Faces of one (H, W, 3) uint8 RGB picture, in its pixels."""
        ...


DETECTORS: Registry[FaceDetector] = Registry("face detector")


def build_detector(settings: ExtractSettings) -> FaceDetector:
    """The detector that the settings name.

    Raises MissingPackageError where its model file is not installed, ConfigError where `detector_weights` is
    given to a detector that takes none, or is not a model.
    """
    options: dict[str, Any] = {"min_confidence": settings.min_confidence}
    if settings.detector_weights is not None:
        options["weights"] = settings.detector_weights
    return DETECTORS.build(settings.detector, **options)


def face_size(box: Sequence[float]) -> float:
    """Side in pixels of the square that has the box's area."""
    return float(np.sqrt(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])))


def detect_in_part(detector: FaceDetector, rgb: ByteArray, part: Region) -> list[Face]:
    """Faces in full-picture pixels, found on `rgb`: the picture's `part`, perhaps scaled."""
    scale = np.array([part.width / rgb.shape[1], part.height / rgb.shape[0]])
    offset = np.array([part.x, part.y], np.float64)
    return [_moved(face, scale, offset) for face in detector.detect(rgb)]


def _moved(face: Face, scale: FloatArray, offset: FloatArray) -> Face:
    x0, y0, x1, y1 = (np.reshape(face.box, (2, 2)) * scale + offset).ravel().tolist()
    return Face(box=(x0, y0, x1, y1), landmarks=face.landmarks * scale + offset, confidence=face.confidence)


def sure_faces(faces: Sequence[Face], settings: ExtractSettings) -> list[Face]:
    """Faces that are sure and large enough, the largest first, however many.

    `faces` are in full-resolution pixels. Equal sizes are ordered from left to right, so that the order never
    depends on the detector's. A face whose landmarks all but coincide cannot be aligned, and is left out.
    """
    kept = [
        face
        for face in faces
        if face.confidence >= settings.min_confidence
        and face_size(face.box) >= settings.min_face_pixels
        and float(np.ptp(face.landmarks, axis=0).max()) >= 1.0
    ]
    return sorted(kept, key=lambda f: (-face_size(f.box), f.box))


def usable_faces(faces: Sequence[Face], settings: ExtractSettings) -> list[Face]:
    """`sure_faces`, of which the largest `max_faces`."""
    return sure_faces(faces, settings)[: settings.max_faces]
