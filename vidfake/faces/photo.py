"""Faces in a single photograph, cut as the faces of a video are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vidfake.faces.crops import Crop, cut_crop
from vidfake.faces.detect import FaceDetector, build_detector, detect_in_part, usable_faces
from vidfake.faces.stopwatch import Stopwatch
from vidfake.settings import ExtractSettings
from vidfake.types import ByteArray, Face, Region


@dataclass(frozen=True)
class PhotoFace:
    """A face in a photograph, in its pixels, and its aligned crop."""

    face: Face
    crop: Crop


def extract_photo(
    rgb: ByteArray, settings: ExtractSettings, *, detector: FaceDetector | None = None
) -> list[PhotoFace]:
    """Every usable face of an (H, W, 3) uint8 RGB photograph, the largest first; an empty list where there is none.

    A face must be as sure as one that begins a track. Detection runs on the photograph shrunk to `detect_max_side`;
    the crop is cut from all its pixels.
    """
    import cv2

    detector = build_detector(settings) if detector is None else detector
    height, width = rgb.shape[:2]
    bounds = Region(0, 0, width, height)
    share = min(1.0, settings.detect_max_side / max(height, width))
    size = (max(1, round(width * share)), max(1, round(height * share)))
    small = rgb if share == 1.0 else np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    faces = usable_faces(detect_in_part(detector, small, bounds), settings)
    sure = [face for face in faces if face.confidence >= settings.start_confidence]
    return [PhotoFace(face, _crop(rgb, face, bounds, settings)) for face in sure]


def _crop(rgb: ByteArray, face: Face, bounds: Region, settings: ExtractSettings) -> Crop:
    return cut_crop(
        lambda part: rgb[part.y : part.y + part.height, part.x : part.x + part.width],
        face.landmarks,
        bounds=bounds,
        confidence=face.confidence,
        settings=settings,
        stopwatch=Stopwatch(),
    )
