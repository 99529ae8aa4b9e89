from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from face_scenes import face_at

from vidfake.errors import ConfigError
from vidfake.faces import DETECTORS, build_detector
from vidfake.faces.detect import detect_in_part, face_size, usable_faces
from vidfake.faces.yunet import YuNet
from vidfake.settings import ExtractSettings
from vidfake.types import ByteArray, Face, Region

SETTINGS = ExtractSettings(min_confidence=0.5, min_face_pixels=40, max_faces=3)


class CornerFace:
    """Says that a face of the whole picture's size begins in its corner."""

    def detect(self, rgb: ByteArray) -> list[Face]:
        height, width = rgb.shape[:2]
        corners = np.array([[0, 0], [width, 0], [width / 2, height / 2], [0, height], [width, height]], float)
        return [Face(box=(0.0, 0.0, float(width), float(height)), landmarks=corners, confidence=0.9)]


def test_faces_found_on_a_scaled_part_are_put_back_into_the_whole() -> None:
    part = Region(100, 50, 400, 300)
    (face,) = detect_in_part(CornerFace(), np.zeros((75, 100, 3), np.uint8), part)
    assert face.box == (100, 50, 500, 350)
    assert face.landmarks.tolist() == [[100, 50], [500, 50], [300, 200], [100, 350], [500, 350]]


def test_faint_and_small_faces_are_left_out_and_the_largest_kept() -> None:
    faces = [
        face_at(100, 100, 60, confidence=0.4),
        face_at(200, 100, 44),  # its box is narrow: 37 pixels by area
        *(face_at(100 * i, 300, 60 + 10 * i) for i in range(4)),
    ]
    assert [round(f.landmarks[2, 0]) for f in usable_faces(faces, SETTINGS)] == [300, 200, 100]


def test_landmarks_in_one_point_are_no_face() -> None:
    face = face_at(100, 100, 60)
    collapsed = Face(face.box, np.full((5, 2), 100.0), 0.9)
    nowhere = Face(face.box, np.full((5, 2), np.nan), 0.9)
    assert usable_faces([collapsed, nowhere, face], SETTINGS) == [face]


def test_equal_faces_are_ordered_by_place_whatever_their_order() -> None:
    faces = [face_at(x, 100, 60) for x in (300, 100, 200)]
    assert usable_faces(faces, SETTINGS) == usable_faces(faces[::-1], SETTINGS)


def test_size_is_the_side_of_the_square_of_equal_area() -> None:
    assert face_size((0, 0, 40, 90)) == pytest.approx(60)
    assert face_size((10, 10, 5, 20)) == 0


def test_the_detector_of_the_settings_is_built() -> None:
    assert DETECTORS.names() == ["dlib-hog", "dlib-hog-5pt", "yunet"]
    assert isinstance(build_detector(ExtractSettings()), YuNet)


def test_weights_for_a_detector_that_takes_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="takes no option 'weights'"):
        build_detector(replace(SETTINGS, detector="dlib-hog", detector_weights="some.onnx"))
