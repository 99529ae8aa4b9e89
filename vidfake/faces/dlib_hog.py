"""dlib's HOG face detector, and dlib's 68 landmarks."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import numpy as np

from vidfake.errors import MissingPackageError
from vidfake.faces.align import FACE_TEMPLATE
from vidfake.faces.detect import DETECTORS
from vidfake.faces.weights import packaged_file
from vidfake.geometry import apply, similarity_transform
from vidfake.types import ByteArray, Face, FloatArray

DISTRIBUTION = "face_recognition_models"
INSTALL = 'pip install "vidfake[landmarks]"'
MODELS = {
    5: ("shape_predictor_5_face_landmarks.dat", "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888"),
    68: (
        "shape_predictor_68_face_landmarks.dat",
        "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
    ),
}

NOSE_BASE = np.array([0.0, 0.115])
"""Where the 5-point model's nose point (under the nose) sits in `FACE_TEMPLATE`."""


@DETECTORS.register("dlib-hog", source="http://dlib.net/face_detector.py.html", license="BSL-1.0, model disputed")
class DlibHog:
    """dlib HOG boxes, five landmarks out of dlib's 68; frontal faces above about 40 pixels only.

    The 68-point model was trained on iBUG 300-W, whose terms exclude commercial use: its licence is disputed.

    Args:
        min_confidence: faces below are not returned. Confidence is the logistic function of twice dlib's SVM
            score plus ln 1.5, so that dlib's own threshold, score 0, is confidence 0.6.
        upsample: times that the picture is doubled first; 0 is four times faster and finds faces above 80 pixels.

    Raises:
        MissingPackageError: dlib, or the package `face_recognition_models`, is not installed.

    Source: Dalal and Triggs 2005; Kazemi and Sullivan 2014 (landmarks).
    """

    points = 68

    def __init__(self, *, min_confidence: float = 0.6, upsample: int = 1) -> None:
        self._threshold = _score(min_confidence)
        self._upsample = upsample
        self._detector = _dlib().get_frontal_face_detector()
        shape_predictor(self.points)  # a missing model is told now, not at the first picture

    def detect(self, rgb: ByteArray) -> list[Face]:
        """Faces of one (H, W, 3) uint8 RGB picture, in its pixels."""
        rgb = np.ascontiguousarray(rgb)
        boxes, scores, _ = self._detector.run(rgb, self._upsample, self._threshold)
        found = []
        for rectangle, score in zip(boxes, scores, strict=True):
            box = (
                float(rectangle.left()),
                float(rectangle.top()),
                float(rectangle.right() + 1),
                float(rectangle.bottom() + 1),
            )
            found.append(Face(box=box, landmarks=self._landmarks(rgb, box), confidence=confidence(score)))
        return found

    def _landmarks(self, rgb: ByteArray, box: tuple[float, float, float, float]) -> FloatArray:
        return five_of_68(_shape(rgb, box, self.points))


@DETECTORS.register(
    "dlib-hog-5pt", source="http://dlib.net/face_landmark_detection.py.html", license="CC0-1.0 model"
)
class DlibHog5(DlibHog):
    """dlib HOG boxes with dlib's CC0 5-point model; mouth corners are placed, not found.

    The model gives both corners of each eye and the base of the nose. Eyes are the middles of their corners;
    nose tip and mouth corners come from the rigid face template, laid over eyes and nose base by a similarity
    transform. Alignment is therefore that of eyes and nose base, and the pose quality sees turning only.
    """

    points = 5

    def _landmarks(self, rgb: ByteArray, box: tuple[float, float, float, float]) -> FloatArray:
        return five_of_5(_shape(rgb, box, self.points))


def confidence(score: float) -> float:
    """dlib's SVM score as a confidence in (0, 1); score 0, dlib's own threshold, is 0.6."""
    return 1.0 / (1.0 + math.exp(-(2.0 * score + math.log(1.5))))


def _score(confidence: float) -> float:
    """The SVM score of a confidence; dlib itself never returns faces below about -1.5."""
    return (math.log(confidence / (1.0 - confidence)) - math.log(1.5)) / 2.0 if confidence < 1 else math.inf


def landmarks68(rgb: ByteArray, box: tuple[float, float, float, float]) -> FloatArray:
    """dlib's 68 landmarks (68, 2) of the face in `box`, in pixels of `rgb` (H, W, 3) uint8.

    Index 36-41 is the person's right eye, 42-47 the left one, 30 the nose tip, 48 and 54 the right and left mouth
    corner. Raises MissingPackageError without dlib or the package `face_recognition_models`. The model's licence
    is disputed: it was trained on iBUG 300-W, whose terms exclude commercial use.
    """
    return _shape(np.ascontiguousarray(rgb), box, 68)


def five_of_68(points: FloatArray) -> FloatArray:
    """`Face` landmarks (5, 2) out of dlib's 68: eye centres, nose tip, mouth corners."""
    return np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0), points[30], points[48], points[54]])


def five_of_5(points: FloatArray) -> FloatArray:
    """`Face` landmarks (5, 2) out of dlib's 5: outer and inner corner of the left eye, of the right eye, nose base.

    Mouth corners and nose tip are the template's, placed by eyes and nose base.
    """
    eyes = np.stack([points[2:4].mean(axis=0), points[0:2].mean(axis=0)])
    known = np.stack([FACE_TEMPLATE[0], FACE_TEMPLATE[1], NOSE_BASE])
    matrix = similarity_transform(known, np.concatenate([eyes, points[4:5]]))
    return np.concatenate([eyes, apply(matrix, FACE_TEMPLATE[2:])])


def _shape(rgb: ByteArray, box: tuple[float, float, float, float], points: int) -> FloatArray:
    left, top, right, bottom = (round(value) for value in box)
    rectangle = _dlib().rectangle(left, top, right - 1, bottom - 1)
    shape = shape_predictor(points)(rgb, rectangle)
    # dlib names pixels by their index; the centre of pixel i is at i + 0.5
    return np.array([(p.x + 0.5, p.y + 0.5) for p in shape.parts()], dtype=np.float64)


@functools.cache
def shape_predictor(points: int) -> Any:
    """dlib's landmark model with 5 or 68 points, loaded once. Raises MissingPackageError."""
    name, sha256 = MODELS[points]
    path: Path = packaged_file(
        DISTRIBUTION, f"face_recognition_models/models/{name}", sha256=sha256, install=INSTALL
    )
    return _dlib().shape_predictor(str(path))


def _dlib() -> Any:
    try:
        import dlib
    except ImportError as error:
        raise MissingPackageError(f"dlib cannot be imported ({error}). Run: pip install dlib-bin") from error
    return dlib
