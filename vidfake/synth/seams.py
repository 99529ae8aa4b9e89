"""How an altered face is joined to its surroundings: one soft edge, band by band, or by its gradients."""

from __future__ import annotations

import cv2
import numpy as np

from vidfake.synth.blending import blend
from vidfake.types import ByteArray, FloatArray

BLENDS = ("bands", "poisson", "feather")
"""`bands` of a Laplacian pyramid (Burt & Adelson 1983), `poisson` (the altered face's gradients and the
border values of its surroundings; Perez et al. 2003), `feather` (one soft edge)."""


def join(face: ByteArray, altered: FloatArray, mask: FloatArray, way: str) -> ByteArray:
    """`face` (S, S, 3) with `altered` joined to it under `mask` (S, S) in one of the ways of `BLENDS`."""
    if way == "bands":
        altered = blend_bands(face, altered, mask)
    elif way == "poisson":
        altered = poisson(face, altered, mask)
    return blend(face, altered, mask)


def poisson(face: ByteArray, altered: FloatArray, mask: FloatArray) -> FloatArray:
    """`face` (S, S, 3) with the gradients of `altered` where `mask` (S, S) is at least a half; float32 0..255.

    The picture's outermost two pixels stay the face's: the equation takes its border values from there. Where no
    region of at least three by three pixels is left, `altered` is returned as it is.
    """
    inside = np.zeros(mask.shape, np.uint8)
    inside[2:-2, 2:-2] = 255 * (mask[2:-2, 2:-2] >= 0.5)
    x, y, width, height = cv2.boundingRect(inside)
    if min(width, height) < 3:
        return altered
    source = np.clip(np.round(altered), 0, 255).astype(np.uint8)
    middle = (x + width // 2, y + height // 2)  # where cv2 centres the region: it stays where it is
    return np.asarray(cv2.seamlessClone(source, face, inside, middle, cv2.NORMAL_CLONE), np.float32)


def blend_bands(face: ByteArray, altered: FloatArray, mask: FloatArray, *, levels: int = 4) -> FloatArray:
    """`altered` (S, S, 3) mixed into `face` band by band, each band's edge as wide as its detail is coarse."""
    there, here, weight = np.asarray(altered, np.float32), face.astype(np.float32), np.asarray(mask, np.float32)
    bands: list[FloatArray] = []
    for _ in range(min(levels, int(np.log2(max(2, face.shape[0]))) - 2)):
        small_there = np.asarray(cv2.pyrDown(there), np.float32)
        small_here = np.asarray(cv2.pyrDown(here), np.float32)
        shape = (there.shape[1], there.shape[0])
        fine_there = there - cv2.pyrUp(small_there, dstsize=shape)
        fine_here = here - cv2.pyrUp(small_here, dstsize=shape)
        bands.append(np.asarray(weight[..., None] * fine_there + (1 - weight[..., None]) * fine_here, np.float32))
        there, here, weight = small_there, small_here, np.asarray(cv2.pyrDown(weight), np.float32)
    picture = np.asarray(weight[..., None] * there + (1 - weight[..., None]) * here, np.float32)
    for band in reversed(bands):
        picture = np.asarray(cv2.pyrUp(picture, dstsize=(band.shape[1], band.shape[0])) + band, np.float32)
    return picture
