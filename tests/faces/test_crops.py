from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from face_scenes import face_at

from vidfake.faces.align import crop_transform, warp
from vidfake.faces.codec import decode_crop
from vidfake.faces.crops import Crop, cut_crop, needed_part
from vidfake.faces.stopwatch import Stopwatch
from vidfake.settings import ExtractSettings
from vidfake.types import ByteArray, FloatArray, Region

SETTINGS = ExtractSettings(crop_size=64, jpeg_quality=0)
WHOLE = Region(0, 0, 300, 200)


def picture() -> ByteArray:
    y, x = np.mgrid[:200, :300]
    waves = np.stack([np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 11)], axis=2)
    return (127 + 90 * waves).astype(np.uint8)


def cut(landmarks: FloatArray, *, bounds: Region = WHOLE, settings: ExtractSettings = SETTINGS) -> Crop:
    rgb, asked = picture(), []

    def pixels(part: Region) -> ByteArray:
        asked.append(part)
        return rgb[part.y : part.y + part.height, part.x : part.x + part.width]

    crop = cut_crop(pixels, landmarks, bounds=bounds, confidence=0.8, settings=settings, stopwatch=Stopwatch())
    (part,) = asked
    assert bounds.x <= part.x
    assert bounds.y <= part.y
    assert part.x + part.width <= bounds.x + bounds.width
    assert part.y + part.height <= bounds.y + bounds.height
    return crop


@pytest.mark.parametrize("side", [25, 60, 110])
def test_a_crop_from_the_needed_part_equals_one_from_the_whole(side: float) -> None:
    landmarks = face_at(150.3, 95.7, side, nose_shift=0.05).landmarks
    matrix = crop_transform(landmarks, crop_size=64, margin=SETTINGS.margin)
    whole = warp(picture(), matrix, crop_size=64)
    # coordinates are rounded to 1/32 pixel by OpenCV, from another origin
    assert np.abs(cut(landmarks).face.astype(int) - whole).max() <= 3
    part = needed_part(matrix, crop_size=64, bounds=WHOLE)
    assert part.width <= side * 1.3 + 8 < 300


@pytest.mark.parametrize("place", [(0, 0), (299, 199), (150, 1), (-40, 260)])
def test_a_face_at_the_edge_still_gives_a_whole_crop(place: tuple[float, float]) -> None:
    crop = cut(face_at(*place, 70).landmarks)
    assert crop.face.shape == (64, 64, 3)
    assert crop.quality["inside"] < 0.6


def test_bounds_are_all_that_is_looked_at() -> None:
    bounds = Region(100, 20, 90, 110)
    crop = cut(face_at(185, 70, 60).landmarks, bounds=bounds)
    assert crop.quality["inside"] == pytest.approx(0.56, abs=0.08)


def test_bytes_quality_and_landmarks_belong_to_the_crop() -> None:
    landmarks = face_at(150, 100, 80).landmarks
    for quality in (0, 95):
        crop = cut(landmarks, settings=replace(SETTINGS, jpeg_quality=quality))
        np.testing.assert_array_equal(decode_crop(crop.encoded), crop.face)
        assert crop.quality["size_pixels"] == pytest.approx(80)
        assert crop.quality["confidence"] == 0.8
        assert crop.landmarks.mean(axis=0)[0] == pytest.approx(32)
