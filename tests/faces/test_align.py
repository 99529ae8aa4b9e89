from __future__ import annotations

import numpy as np
import pytest
from skimage.transform import SimilarityTransform

from vidfake.faces.align import FACE_TEMPLATE, crop_template, crop_transform, inside_share, warp
from vidfake.geometry import apply, inverse, scale_of, similarity_transform
from vidfake.types import ByteArray, FloatArray

IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def turned(degrees: float, scale: float, shift: tuple[float, float]) -> FloatArray:
    c, s = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return np.array([[c, -s, shift[0]], [s, c, shift[1]]])


def ramp(height: int, width: int, *, dx: float, dy: float) -> ByteArray:
    y, x = np.mgrid[:height, :width] + 0.5
    return np.repeat(np.rint(20 + dx * x + dy * y)[:, :, None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("seed", range(5))
def test_similarity_equals_skimage(seed: int) -> None:
    random = np.random.default_rng(seed)
    source = random.normal(size=(5, 2)) * 30 + 100
    target = apply(turned(random.uniform(-180, 180), random.uniform(0.1, 5), (9, -4)), source)
    target += random.normal(size=(5, 2)) * 3
    expected = SimilarityTransform.from_estimate(source, target).params[:2]
    np.testing.assert_allclose(similarity_transform(source, target), expected, atol=1e-8)


def test_similarity_never_mirrors() -> None:
    mirrored = FACE_TEMPLATE * np.array([-1.0, 1.0])
    linear = similarity_transform(FACE_TEMPLATE, mirrored)[:, :2]
    assert np.linalg.det(linear) > 0


def test_coinciding_points_have_scale_zero() -> None:
    matrix = similarity_transform(np.full((5, 2), 3.0), FACE_TEMPLATE)
    assert scale_of(matrix) == 0
    np.testing.assert_allclose(apply(matrix, np.zeros((1, 2)))[0], FACE_TEMPLATE.mean(axis=0))


def test_inverse_undoes() -> None:
    matrix = turned(33, 0.7, (5, -8))
    points = np.random.default_rng(0).normal(size=(10, 2)) * 50
    np.testing.assert_allclose(apply(inverse(matrix), apply(matrix, points)), points, atol=1e-9)
    assert scale_of(matrix) == pytest.approx(0.7)


def test_template_is_symmetric_and_upright() -> None:
    mirrored = FACE_TEMPLATE[[1, 0, 2, 4, 3]] * np.array([-1.0, 1.0])
    np.testing.assert_array_equal(mirrored, FACE_TEMPLATE)
    assert FACE_TEMPLATE[0, 1] < FACE_TEMPLATE[2, 1] < FACE_TEMPLATE[3, 1]  # eyes above nose above mouth


@pytest.mark.parametrize("degrees", [0, 25, -90, 180])
def test_landmarks_land_on_the_template_however_the_head_is_turned(degrees: float) -> None:
    landmarks = apply(turned(degrees, 140, (300, 200)), FACE_TEMPLATE)
    matrix = crop_transform(landmarks, crop_size=256, margin=1.3)
    np.testing.assert_allclose(apply(matrix, landmarks), crop_template(crop_size=256, margin=1.3), atol=1e-9)
    # the crop's side is margin times the face box's side, here 140
    assert 256 / scale_of(matrix) == pytest.approx(1.3 * 140)


@pytest.mark.parametrize("aspect", [0.75, 1.0, 1.35])
def test_pixels_that_are_not_square_are_shown_square(aspect: float) -> None:
    shown = apply(turned(20, 140, (300, 200)), FACE_TEMPLATE)
    stored = shown / np.array([aspect, 1.0])
    matrix = crop_transform(stored, crop_size=256, margin=1.3, pixel_aspect=aspect)
    np.testing.assert_allclose(apply(matrix, stored), crop_template(crop_size=256, margin=1.3), atol=1e-9)
    assert scale_of(matrix) == pytest.approx(256 / (1.3 * 140) * np.sqrt(aspect))


def test_warp_by_identity_keeps_a_ramp() -> None:
    picture = ramp(64, 64, dx=1.5, dy=0.5)
    # supersampling averages a linear ramp to itself; the outermost pixels see the edge go on
    difference = warp(picture, IDENTITY, crop_size=64).astype(int) - picture
    assert np.abs(difference[2:-2, 2:-2]).max() <= 1


@pytest.mark.parametrize(("degrees", "scale"), [(0, 0.5), (20, 0.37), (-15, 1.7), (90, 0.23)])
def test_warp_samples_where_the_matrix_says(degrees: float, scale: float) -> None:
    picture = ramp(400, 400, dx=0.3, dy=0.25)
    matrix = turned(degrees, scale, (0, 0))
    matrix[:, 2] = 16 - matrix[:, :2] @ np.array([200.0, 200.0])  # the middle stays in the middle
    crop = warp(picture, matrix, crop_size=32)
    y, x = np.mgrid[:32, :32] + 0.5
    places = apply(inverse(matrix), np.stack([x, y], axis=-1))
    expected = 20 + 0.3 * places[..., 0] + 0.25 * places[..., 1]
    assert np.abs(crop[..., 0] - expected).max() <= 1.0  # rounding of the ramp and of the crop


@pytest.mark.parametrize("scale", [0.9, 0.5, 0.31, 0.11])
def test_shrinking_does_not_alias(scale: float) -> None:
    y, x = np.mgrid[:640, :640]
    board = np.repeat(((x + y) % 2 * 255)[:, :, None], 3, axis=2).astype(np.uint8)
    crop = warp(board, IDENTITY * np.array([scale]), crop_size=64).astype(float)
    # pixel-sized squares carry nothing that a crop at half size or less could show
    limit = 64 if scale > 0.5 else 8
    assert abs(crop.mean() - 127.5) < 2
    assert np.abs(crop - 127.5).max() < limit


def test_sharpness_does_not_jump_where_the_scale_passes_one() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    contrast = [warp(noise, IDENTITY * scale, crop_size=128).std() for scale in (0.97, 0.99, 1.01, 1.03)]
    assert max(contrast) / min(contrast) < 1.12


def test_beyond_the_edge_its_outermost_pixels_go_on() -> None:
    picture = ramp(40, 40, dx=4, dy=0)
    crop = warp(picture, np.array([[1.0, 0, 20], [0, 1.0, 0]]), crop_size=40)
    assert (crop[:, :20] == picture[0, 0]).all()


def test_inside_share() -> None:
    size = {"crop_size": 32, "width": 100, "height": 100}
    assert inside_share(IDENTITY, **size) == 1.0
    half = np.array([[1.0, 0, 16], [0, 1.0, 0]])
    assert inside_share(half, **size) == 0.5
    outside = np.array([[1.0, 0, 500], [0, 1.0, 0]])
    assert inside_share(outside, **size) == 0.0
