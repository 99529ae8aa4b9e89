"""How usable one aligned face is: measures per face, and one number of them all."""

from __future__ import annotations

import numpy as np

from vidfake.types import ByteArray, FloatArray

QUALITY_NAMES = ("size_pixels", "sharpness", "confidence", "pose", "inside", "overall")
"""`size_pixels`: side of the face box in the source picture. The others are in [0, 1], higher is better: the crop's
`sharpness`, the detector's `confidence`, `pose` (1 frontal, 0 profile), the share of the crop that is `inside` the
picture, and `overall`, the geometric mean of min(1, size_pixels / FULL_SIZE_PIXELS),
min(1, sharpness / FULL_SHARPNESS), confidence, (1 + pose) / 2 and inside."""

FULL_SIZE_PIXELS = 112.0
"""From this size on, a larger face counts no more: face-recognition networks see faces of 112 pixels."""

FULL_SHARPNESS = 0.3
"""Sharpness of a good web video: the upper quartile over 130 talking-head videos is 0.31."""

ANALYSIS_SIDE = 128  # crops are compared at this size, whatever crop_size is
_FRONTAL_NOSE = 0.56  # how far the nose tip is from the eye line to the mouth line, in a frontal face
_PITCH_RANGE = 0.5  # a nose so much further up or down than that is a face seen from below or above


def face_quality(
    crop: ByteArray, crop_landmarks: FloatArray, *, size_pixels: float, confidence: float, inside: float
) -> dict[str, float]:
    """Every measure of `QUALITY_NAMES` for one crop (S, S, 3) with its landmarks (5, 2)."""
    measured = {
        "size_pixels": size_pixels,
        "sharpness": sharpness(crop),
        "confidence": confidence,
        "pose": frontalness(crop_landmarks),
        "inside": inside,
    }
    parts = [
        min(1.0, size_pixels / FULL_SIZE_PIXELS),
        min(1.0, measured["sharpness"] / FULL_SHARPNESS),
        confidence,
        (1.0 + measured["pose"]) / 2,
        inside,
    ]
    return {**measured, "overall": float(np.prod(parts) ** (1.0 / len(parts)))}


def sharpness(crop: ByteArray) -> float:
    """Share of fine detail that a further blur takes away, in [0, 1]: 0 for a picture that is blurred or flat.

    On the luma of the middle of the crop at 128 × 128: with D the sum of absolute differences of neighbouring
    pixels and D' the same after a 5-pixel box blur along the same axis, 1 - D' / D, the smaller of both axes:
    motion blurs one axis only. No unit, so contrast and brightness do not count.

    Source: Crete et al., "The blur effect: perception and estimation with a new no-reference perceptual blur
    metric", 2007; here one minus a variant of it.
    """
    import cv2

    luma = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    if luma.shape[0] != ANALYSIS_SIDE:
        way = cv2.INTER_AREA if luma.shape[0] > ANALYSIS_SIDE else cv2.INTER_LINEAR
        luma = cv2.resize(luma, (ANALYSIS_SIDE, ANALYSIS_SIDE), interpolation=way)
    edge = ANALYSIS_SIDE // 6
    face = luma[edge:-edge, edge:-edge].astype(np.float32)
    shares = []
    for axis, kernel in ((0, (1, 5)), (1, (5, 1))):
        detail = float(np.abs(np.diff(face, axis=axis)).sum())
        left = float(np.abs(np.diff(cv2.blur(face, kernel), axis=axis)).sum())
        shares.append(1.0 - left / detail if detail > 0 else 0.0)
    return min(1.0, max(0.0, min(shares)))


def frontalness(landmarks: FloatArray) -> float:
    """1 for a face seen from the front, falling to 0 for a profile or a face seen from far above or below.

    With roll taken out, yaw is the nose tip's distance from the line between the middles of eyes and mouth, over
    half the larger of eye distance and mouth width; pitch is how far the nose is on the way from eyes to mouth,
    less 0.56. The product of 1 - |yaw| and 1 - |pitch| / 0.5, each at least 0.
    """
    right_eye, left_eye, nose, right_mouth, left_mouth = landmarks
    eyes, mouth = (right_eye + left_eye) / 2, (right_mouth + left_mouth) / 2
    across = (left_eye - right_eye) + (left_mouth - right_mouth)
    length = float(np.linalg.norm(across))
    if length == 0.0:
        return 0.0
    x_axis = across / length
    y_axis = np.array([-x_axis[1], x_axis[0]])
    half_width = max(float((left_eye - right_eye) @ x_axis), float((left_mouth - right_mouth) @ x_axis)) / 2
    height = float((mouth - eyes) @ y_axis)
    if half_width <= 0.0 or height <= 0.0:
        return 0.0
    way = float((nose - eyes) @ y_axis) / height
    middle = eyes + way * (mouth - eyes)
    yaw = float((nose - middle) @ x_axis) / half_width
    pitch = (way - _FRONTAL_NOSE) / _PITCH_RANGE
    return max(0.0, 1.0 - abs(yaw)) * max(0.0, 1.0 - abs(pitch))
