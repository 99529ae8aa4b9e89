"""Generator traces: the face drawn anew at a low resolution and up-sampled with the grids that networks leave."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from vidfake.synth.base import MAKERS, MadeClip, Maker, MakerClip
from vidfake.synth.blending import blend, tint_share, toned
from vidfake.synth.masks import OUTLINES, clip_masks, face_frame
from vidfake.synth.options import check_names, check_range, check_span
from vidfake.synth.timing import slow_curve
from vidfake.types import ByteArray, FloatArray

SOURCE = (
    "checkerboards of transposed convolution: Odena et al. 2016, https://doi.org/10.23915/distill.00003; spectra "
    "of up-sampling: Durall et al. 2020, https://arxiv.org/abs/2003.01826; Zhang et al. 2019 (AutoGAN), "
    "https://arxiv.org/abs/1907.06515"
)
UPSAMPLINGS = ("nearest", "transposed", "sharpened")
FACE_SIDE = 3.4  # side of the generator's picture in distances between the eyes: a face from brow to chin


@MAKERS.register("resynthesis", source=SOURCE)
def resynthesis(
    *,
    upsamplings: tuple[str, ...] = UPSAMPLINGS,
    outlines: tuple[str, ...] = ("face", "inner", "lower"),
    pixels: tuple[int, int] = (64, 160),
    grid: float = 0.06,
    colour: float = 0.04,
    least_detail: float = 0.7,
) -> Maker:
    """Draw the face anew at 64 to 160 pixels and up-sample it with the grids that generators leave.

    Args:
        upsamplings: what to draw from: `nearest` (repeated pixels, smoothed by a convolution), `transposed` (zeros
            between pixels, then an uneven kernel: a checkerboard), `sharpened` (bicubic and unsharp masking).
        outlines: mask outlines to draw from (`vidfake.synth.masks.OUTLINES`).
        pixels: least and most side of the generator's picture.
        grid: largest unevenness of the transposed kernel: a share of the local brightness.
        colour: largest share of one channel that the generator mixes into another; a third of it changes a grey.
        least_detail: least share of the finest detail that the generator keeps; the rest is smoothed away.
    """
    check_names("resynthesis", "upsamplings", upsamplings, UPSAMPLINGS)
    check_names("resynthesis", "outlines", outlines, OUTLINES)
    check_span("resynthesis", "pixels", pixels, 16, 512)
    check_range("resynthesis", "grid", grid, 0.005, 0.3)
    check_range("resynthesis", "colour", colour, 0, 0.3)
    check_range("resynthesis", "least_detail", least_detail, 0, 1)

    def make(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
        size, length = clip.faces.shape[1], len(clip.faces)
        upsampling, outline = str(rng.choice(upsamplings)), str(rng.choice(outlines))
        side = int(rng.integers(pixels[0], pixels[1] + 1))
        detail = float(rng.uniform(least_detail, 1.0))
        strength = float(rng.uniform(0.3, 1.0))
        mixing = _colour_matrix(rng, colour, tint_share(clip.faces))
        phases = grid * strength * _balanced(rng.uniform(-1, 1, (2, 2)))
        places = np.stack([slow_curve(length, rng, frames_per_knot=12.0) for _ in range(2)], axis=1)
        feather = float(rng.uniform(0.01, 0.04))
        masks = clip_masks(clip.landmarks, size, outline=outline, wobble=0.1, feather=feather, rng=rng)
        faces = clip.faces.copy()
        for t, (face, mask) in enumerate(zip(clip.faces, masks, strict=True)):
            into = _into_generator(clip.landmarks[t], side, 0.02 * places[t])
            small = _encode(face, into, side, detail)
            small = np.clip(small @ mixing.T.astype(np.float32), 0, 255)
            large = upsample(small, upsampling, strength=strength, phases=phases)
            faces[t] = blend(face, _back(large, into, side, size), mask)
        record: dict[str, Any] = {
            "maker": "resynthesis",
            "upsampling": upsampling,
            "outline": outline,
            "pixels": side,
            "detail": detail,
            "strength": strength,
            "colour_matrix": np.round(mixing, 5).tolist(),
            "phases": np.round(phases, 5).tolist(),
            "feather": feather,
        }
        return MadeClip(faces, masks, record)

    return make


def _colour_matrix(rng: np.random.Generator, colour: float, tint: float) -> FloatArray:
    """Near the identity: rows sum to 1 within `colour` / 3, so hues change more than light."""
    mixed = np.eye(3) + rng.uniform(-colour, colour, (3, 3))
    light = 1 + toned(rng.uniform(-colour, colour, 3), tint) / 3
    return np.asarray(mixed / mixed.sum(axis=1, keepdims=True) * light[:, None])


def _balanced(phases: FloatArray) -> FloatArray:
    """(2, 2) with mean 0 and largest entry 1: a pattern that leaves the mean brightness as it is."""
    centred = phases - phases.mean()
    return np.asarray(centred / max(float(np.abs(centred).max()), 1e-6))


def _into_generator(landmarks: FloatArray, side: int, place: FloatArray) -> FloatArray:
    """The (2, 3) map from the crop to the generator's picture, upright, around the face; centres at i + 0.5."""
    origin, x_axis, y_axis = face_frame(landmarks)
    reach = FACE_SIDE * max(float(np.linalg.norm(x_axis)), float(np.linalg.norm(y_axis)), 1.0)
    centre = origin + 0.4 * y_axis + place * reach
    scale = side / reach
    return np.array([[scale, 0, side / 2 - scale * centre[0]], [0, scale, side / 2 - scale * centre[1]]])


def _encode(face: ByteArray, into: FloatArray, side: int, detail: float) -> FloatArray:
    """What the generator draws: the face on its grid (side, side, 3), with part of the finest detail gone."""
    reduction = 1 / into[0, 0]
    picture = cv2.GaussianBlur(face, (0, 0), 0.45 * reduction) if reduction > 1.1 else face
    matrix = into.copy()
    matrix[:, 2] += 0.5 * into[0, 0] - 0.5
    small = cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    small = np.asarray(small, np.float32)
    smooth = cv2.GaussianBlur(small, (0, 0), 1.2)
    return np.asarray(smooth + detail * (small - smooth), np.float32)


def upsample(small: FloatArray, upsampling: str, *, strength: float, phases: FloatArray) -> FloatArray:
    """`small` (s, s, 3) at twice its side, with the traces of one way to up-sample.

    `strength` in [0, 1] is that of the traces; `phases` (2, 2) are the gains by which the four positions of an
    output pixel differ in a transposed convolution whose kernel its stride does not divide evenly.
    """
    side = small.shape[0]
    if upsampling == "nearest":
        repeated = np.asarray(cv2.resize(small, (2 * side, 2 * side), interpolation=cv2.INTER_NEAREST))
        smoothed = cv2.blur(repeated, (3, 3))
        return np.asarray(smoothed + 0.5 * strength * (repeated - smoothed), np.float32)
    if upsampling == "transposed":
        even = np.asarray(cv2.resize(small, (2 * side, 2 * side), interpolation=cv2.INTER_CUBIC), np.float32)
        return np.asarray(even * np.tile(1 + phases, (side, side)).astype(np.float32)[..., None], np.float32)
    large = np.asarray(cv2.resize(small, (2 * side, 2 * side), interpolation=cv2.INTER_CUBIC), np.float32)
    return np.asarray(large + 1.5 * strength * (large - cv2.GaussianBlur(large, (0, 0), 1.5)), np.float32)


def _back(large: FloatArray, into: FloatArray, side: int, size: int) -> FloatArray:
    """The generator's picture laid back into the crop (size, size, 3)."""
    scale = large.shape[0] / side * into[0, 0]
    shift = large.shape[0] / side * into[:, 2]
    back = np.array([[1 / scale, 0, -shift[0] / scale], [0, 1 / scale, -shift[1] / scale]])
    back[:, 2] += 0.5 / scale - 0.5
    placed = cv2.warpAffine(large, back, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(placed, np.float32)
