"""A face swap's whole chain on a clip's own face: displaced, redrawn by a "generator", recoloured, pasted back."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from vidfake.synth.base import MAKERS, MadeClip, Maker, MakerClip
from vidfake.synth.blending import blend, tint_share, toned
from vidfake.synth.masks import OUTLINES, clip_masks
from vidfake.synth.options import check_names, check_range
from vidfake.synth.timing import jitter, slow_curve
from vidfake.types import ByteArray, FloatArray

SOURCE = (
    "the chain of DeepFaceLab, Perov et al. 2020, https://arxiv.org/abs/2005.05535; learning from pasted faces: "
    "Li et al. 2020 (Face X-ray), https://arxiv.org/abs/1912.13458"
)
TEXTURES = ("redrawn", "smoothed", "denoised", "sharpened", "grainy", "compressed")
ENLARGINGS = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}
FIELD_KNOTS = 6  # of the displacement field, along each side of the crop


@MAKERS.register("pasted_face", source=SOURCE)
def pasted_face(
    *,
    outlines: tuple[str, ...] = ("face", "face", "inner", "features", "lower"),
    textures: tuple[str, ...] = TEXTURES,
    displacement: float = 0.035,
    shift: float = 0.03,
    zoom: float = 0.05,
    colour: float = 0.06,
    unsteady: float = 0.006,
    least_ratio: float = 0.6,
) -> Maker:
    """Paste a displaced, redrawn and recoloured copy of the face over itself, as a swapped face is pasted.

    Args:
        outlines: mask outlines to draw from (`vidfake.synth.masks.OUTLINES`); one given twice is twice as likely.
        textures: what may be done to the copy: `redrawn` at a low resolution and enlarged, `smoothed`, `denoised`
            (edges kept), `sharpened`, `grainy`, `compressed` (JPEG of the copy alone). One or two are drawn.
        displacement: largest displacement of features by a smooth field that stays the same over the clip, as a
            share of the crop: another person's proportions.
        shift, zoom: largest displacement of the whole copy as a share of the crop, and change of its size.
        colour: largest change of gain and offset per channel, as a share of the range, small ones being likelier;
            half of it changes contrast.
        unsteady: largest displacement from frame to frame, as a share of the crop, and twice that of the light.
        least_ratio: least opacity of the paste.
    """
    check_names("pasted_face", "outlines", outlines, OUTLINES)
    check_names("pasted_face", "textures", textures, TEXTURES)
    for option, value, most in (
        ("displacement", displacement, 0.2), ("shift", shift, 0.2), ("zoom", zoom, 0.3), ("colour", colour, 0.5),
        ("unsteady", unsteady, 0.1), ("least_ratio", least_ratio, 1.0),
    ):  # fmt: skip
        check_range("pasted_face", option, value, 0, most)

    def make(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
        size, length = clip.faces.shape[1], len(clip.faces)
        outline = str(rng.choice(outlines))
        chosen = [str(name) for name in rng.permutation(sorted(set(textures)))[: rng.integers(1, 3)]]
        strengths = rng.uniform(0.2, 1.0, len(chosen))
        warp = _Warp.draw(rng, size, length, displacement=displacement, shift=shift, zoom=zoom, unsteady=unsteady)
        tint = tint_share(clip.faces)
        off = colour * float(rng.uniform(0, 1)) ** 2  # most swaps match colours well
        gain = 1 + toned(rng.uniform(-off, off, 3), tint)
        offset = toned(rng.uniform(-off, off, 3), tint) * 255 / 2
        contrast = 1 + float(rng.uniform(-colour, colour)) / 2
        light = 1 + 2 * unsteady * jitter(length, rng, inertia=float(rng.choice([0.0, 0.8])))[:, 0]
        ratio = float(rng.uniform(least_ratio, 1.0)) if rng.random() < 0.5 else 1.0
        feather = float(np.exp(rng.uniform(np.log(0.006), np.log(0.07))))
        masks = clip_masks(clip.landmarks, size, outline=outline, wobble=0.2, feather=feather, rng=rng) * ratio
        grain_seed = int(rng.integers(2**31))
        enlarging = str(rng.choice(list(ENLARGINGS)))
        faces = clip.faces.copy()
        for t, (face, mask) in enumerate(zip(clip.faces, masks, strict=True)):
            picture: FloatArray = warp.apply(face, t).astype(np.float32)
            for name, strength in zip(chosen, strengths, strict=True):
                picture = _texture(picture, name, float(strength), enlarging=enlarging, seed=grain_seed + t)
            mean = picture.mean(axis=(0, 1))
            picture = ((picture - mean) * contrast + mean) * (gain * light[t]).astype(np.float32)
            faces[t] = blend(face, picture + offset.astype(np.float32), mask)
        record: dict[str, Any] = {
            "maker": "pasted_face",
            "outline": outline,
            "textures": chosen,
            "enlarging": enlarging,
            "strengths": np.round(strengths, 4).tolist(),
            "gain": np.round(gain, 5).tolist(),
            "offset": np.round(offset, 4).tolist(),
            "contrast": contrast,
            "ratio": ratio,
            "feather": feather,
            **warp.record(),
        }
        return MadeClip(faces, masks, record)

    return make


class _Warp:
    """Where the copy's pixels come from: one smooth field for the clip, at a place that moves a little."""

    def __init__(self, field: FloatArray, zoom: float, places: FloatArray) -> None:
        self._field, self._zoom, self._places = field, zoom, places
        size = field.shape[0]
        centre = (size - 1) / 2
        y, x = np.mgrid[:size, :size].astype(np.float32)
        self._x = (centre + (x - centre) / zoom + field[..., 0]).astype(np.float32)
        self._y = (centre + (y - centre) / zoom + field[..., 1]).astype(np.float32)

    @classmethod
    def draw(
        cls, rng: np.random.Generator, size: int, length: int, *, displacement: float, shift: float, zoom: float,
        unsteady: float,
    ) -> _Warp:  # fmt: skip
        """One draw for a clip of `length` crops of `size` pixels."""
        strength = displacement * size * rng.uniform(0.2, 1.0)
        knots = rng.uniform(-strength, strength, (FIELD_KNOTS, FIELD_KNOTS, 2)).astype(np.float32)
        field = np.asarray(cv2.resize(knots, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
        start = rng.uniform(-shift, shift, 2) * size * (1.0, 0.6)
        drift = np.stack([slow_curve(length, rng, frames_per_knot=10.0) for _ in range(2)], axis=1)
        shake = jitter(length, rng, inertia=float(rng.choice([0.0, 0.5, 0.9])), columns=2)
        weight = rng.uniform(0, 1, 2) * unsteady * size
        places = start + weight[0] * drift + weight[1] * shake
        return cls(field, float(np.exp(rng.uniform(-zoom, zoom))), places)

    def apply(self, face: ByteArray, t: int) -> ByteArray:
        """`face` (S, S, 3) as the copy of frame `t`."""
        dx, dy = (np.float32(value) for value in self._places[t])
        moved = cv2.remap(
            face, self._x + dx, self._y + dy, interpolation=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        return np.asarray(moved, np.uint8)

    def record(self) -> dict[str, Any]:
        """What was drawn."""
        return {
            "zoom": self._zoom,
            "displacement_pixels": float(np.abs(self._field).max()),
            "places_pixels": np.round(self._places, 3).tolist(),
        }


def _texture(picture: FloatArray, name: str, strength: float, *, enlarging: str, seed: int) -> FloatArray:
    """`picture` (S, S, 3) float32 with one thing done to it, `strength` in [0, 1]."""
    size = picture.shape[0]
    if name == "redrawn":
        side = round(size * (1 - 0.75 * strength))
        small = cv2.resize(picture, (max(24, side), max(24, side)), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (size, size), interpolation=ENLARGINGS[enlarging]), np.float32)
    if name == "smoothed":
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.3 + 1.7 * strength), np.float32)
    if name == "denoised":
        return np.asarray(cv2.bilateralFilter(picture, 5, 10 + 40 * strength, 1 + 3 * strength), np.float32)
    if name == "sharpened":
        return np.asarray(picture + 1.5 * strength * (picture - cv2.GaussianBlur(picture, (0, 0), 1.3)), np.float32)
    if name == "grainy":
        noise = np.random.default_rng(seed).standard_normal(picture.shape[:2], dtype=np.float32)
        return np.asarray(picture + 8 * strength * noise[..., None], np.float32)
    quality = round(90 - 60 * strength)
    bytes_ = np.clip(np.round(picture), 0, 255).astype(np.uint8)
    _, coded = cv2.imencode(".jpg", bytes_, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.float32)
