from __future__ import annotations

import cv2
import numpy as np
import pytest

from vidfake.faces.align import FACE_TEMPLATE
from vidfake.faces.quality import FULL_SIZE_PIXELS, QUALITY_NAMES, face_quality, frontalness, sharpness
from vidfake.geometry import apply
from vidfake.types import ByteArray, FloatArray


def texture(size: int = 256) -> ByteArray:
    noise = np.random.default_rng(0).integers(0, 256, (size // 8, size // 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)


def turned_by(yaw_degrees: float) -> FloatArray:
    """The template as the front of a head of some depth, turned about its upright axis."""
    depth = np.array([0.25, 0.25, 0.42, 0.28, 0.28])
    yaw = np.radians(yaw_degrees)
    x = FACE_TEMPLATE[:, 0] * np.cos(yaw) + depth * np.sin(yaw)
    return np.stack([x, FACE_TEMPLATE[:, 1]], axis=1)


def test_frontal_is_one_and_turning_lowers_it_to_zero_on_both_sides() -> None:
    assert frontalness(FACE_TEMPLATE) == pytest.approx(1.0, abs=0.02)
    values = [frontalness(turned_by(yaw)) for yaw in (0, 15, 30, 45, 80)]
    assert values == sorted(values, reverse=True)
    assert values[-1] == 0.0
    assert frontalness(turned_by(-20)) == pytest.approx(frontalness(turned_by(20)), abs=1e-9)


def test_nodding_lowers_pose() -> None:
    nodding = FACE_TEMPLATE.copy()
    nodding[2, 1] += 0.1
    assert frontalness(nodding) < 0.6


def test_pose_does_not_depend_on_place_size_or_roll() -> None:
    matrix = np.array([[30.0, -40.0, 7.0], [40.0, 30.0, -5.0]])
    turned = turned_by(20)
    assert frontalness(apply(matrix, turned)) == pytest.approx(frontalness(turned))


@pytest.mark.parametrize(
    "landmarks", [np.zeros((5, 2)), FACE_TEMPLATE * np.array([1.0, 0.0]), FACE_TEMPLATE * np.array([-1.0, 1.0])]
)
def test_landmarks_of_no_face_have_pose_zero(landmarks: FloatArray) -> None:
    assert frontalness(landmarks) == 0.0


def test_blur_lowers_sharpness_along_either_axis() -> None:
    picture = texture()
    values = [sharpness(np.asarray(cv2.blur(picture, (k, k)))) for k in (1, 9, 25)]
    assert values == sorted(values, reverse=True)
    assert 0 <= values[-1] < values[0] <= 1
    for kernel in ((15, 1), (1, 15)):
        assert sharpness(np.asarray(cv2.blur(picture, kernel))) < 0.65 * values[0]


def test_sharpness_does_not_depend_on_contrast_or_crop_size() -> None:
    picture = texture()
    faint = (picture // 4 + 96).astype(np.uint8)
    assert sharpness(faint) == pytest.approx(sharpness(picture), abs=0.03)
    larger = np.asarray(cv2.resize(picture, (512, 512), interpolation=cv2.INTER_LINEAR))
    assert sharpness(larger) == pytest.approx(sharpness(picture), abs=0.03)


def test_a_flat_picture_has_no_sharpness() -> None:
    assert sharpness(np.full((128, 128, 3), 90, np.uint8)) == 0.0


def quality(**changes: float) -> dict[str, float]:
    values = {"size_pixels": 80.0, "confidence": 0.9, "inside": 0.9} | changes
    return face_quality(np.asarray(cv2.blur(texture(), (9, 9))), FACE_TEMPLATE * 200 + 128, **values)


def test_every_name_is_there_and_overall_is_a_mean_that_each_measure_moves() -> None:
    base = quality()
    assert tuple(base) == QUALITY_NAMES
    assert 0 < base["overall"] < 1
    for name, worse in (("size_pixels", 40.0), ("confidence", 0.6), ("inside", 0.5)):
        assert quality(**{name: worse})["overall"] < base["overall"]
    assert quality(size_pixels=2 * FULL_SIZE_PIXELS)["overall"] == quality(size_pixels=FULL_SIZE_PIXELS)["overall"]
