"""Self-blended video: a clip's own face, altered a little, blended back into it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from vidfake.synth.base import MAKERS, MadeClip, Maker, MakerClip
from vidfake.synth.blending import tint_share, toned
from vidfake.synth.masks import OUTLINES, clip_masks
from vidfake.synth.options import check_names, check_range
from vidfake.types import FloatArray

SOURCE = "Shiraga & Yamasaki 2022, https://arxiv.org/abs/2204.08376; over time: Nguyen et al. 2025 (FakeSTormer)"
SHAPES = ("face", "inner", "features", "lower")


@MAKERS.register("self_blend", source=SOURCE)
def self_blend(
    *,
    shapes: tuple[str, ...] = SHAPES,
    colour: float = 0.06,
    shift: float = 0.03,
    scale: float = 0.05,
    drift: float = 0.5,
    least_ratio: float = 0.25,
) -> Maker:
    """Blend a colour-, sharpness- and geometry-shifted copy of the face into its own clip.

    Args:
        shapes: outlines to draw from (`vidfake.synth.masks.OUTLINES`).
        colour: largest change of gain and offset per channel, as a share of the range.
        shift: largest displacement, as a share of the crop.
        scale: largest change of size.
        drift: probability that the parameters change slowly over the clip; otherwise they are constant.
        least_ratio: least opacity of the blend.
    """
    check_names("self_blend", "shapes", shapes, OUTLINES)
    check_range("self_blend", "colour", colour, 0, 0.5)
    check_range("self_blend", "shift", shift, 0, 0.3)
    check_range("self_blend", "scale", scale, 0, 0.5)
    check_range("self_blend", "drift", drift, 0, 1)
    check_range("self_blend", "least_ratio", least_ratio, 0, 1)

    def make(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
        size, length = clip.faces.shape[1], len(clip.faces)
        shape = str(rng.choice(shapes))
        tint = tint_share(clip.faces)
        start = _draw(rng, colour=colour, tint=tint, shift=shift, scale=scale)
        end = _draw(rng, colour=colour, tint=tint, shift=shift, scale=scale) if rng.random() < drift else start
        frequency = str(rng.choice(["soften", "sharpen", "resample"]))
        strength = float(rng.uniform(0.3, 1.0))
        ratio = float(rng.uniform(least_ratio, 1.0)) if rng.random() < 0.5 else 1.0
        feather = float(rng.uniform(0.008, 0.05))
        masks = clip_masks(clip.landmarks, size, outline=shape, wobble=0.15, feather=feather, rng=rng) * ratio
        faces = clip.faces.copy()
        for t, mask in enumerate(masks):
            weight = t / max(1, length - 1)
            parameters = {k: (1 - weight) * start[k] + weight * end[k] for k in start}
            altered = _alter(clip.faces[t], parameters, frequency, strength)
            blended = mask[..., None] * altered + (1 - mask[..., None]) * clip.faces[t]
            faces[t] = np.where(mask[..., None] > 0, np.clip(np.round(blended), 0, 255), clip.faces[t])
        record: dict[str, Any] = {
            "maker": "self_blend",
            "shape": shape,
            "start": {k: np.asarray(v).tolist() for k, v in start.items()},
            "end": {k: np.asarray(v).tolist() for k, v in end.items()},
            "frequency": frequency,
            "strength": strength,
            "ratio": ratio,
            "feather": feather,
        }
        return MadeClip(faces, masks, record)

    return make


def _draw(rng: np.random.Generator, *, colour: float, tint: float, shift: float, scale: float) -> dict[str, Any]:
    return {
        "gain": 1 + toned(rng.uniform(-colour, colour, 3), tint),
        "offset": toned(rng.uniform(-colour, colour, 3), tint) * 255 / 2,
        "move": rng.uniform(-shift, shift, 2) * (1.0, 0.5),
        "zoom": float(np.exp(rng.uniform(-scale, scale))),
    }


def _alter(face: Any, parameters: dict[str, Any], frequency: str, strength: float) -> FloatArray:
    """One face (S, S, 3), altered, as float32 0..255."""
    size = face.shape[0]
    zoom, centre = parameters["zoom"], size / 2
    move = np.asarray(parameters["move"]) * size + centre * (1 - zoom)
    matrix = np.array([[zoom, 0, move[0]], [0, zoom, move[1]]])
    moved = cv2.warpAffine(face, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    picture: FloatArray = moved.astype(np.float32)
    if frequency == "soften":
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.4 + 1.2 * strength), np.float32)
    elif frequency == "sharpen":
        picture += strength * (picture - cv2.GaussianBlur(picture, (0, 0), 1.2))
    else:
        small = max(32, round(size * (1 - 0.6 * strength)))
        reduced = cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA)
        picture = np.asarray(cv2.resize(reduced, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
    return np.asarray(np.clip(picture * parameters["gain"] + parameters["offset"], 0, 255), np.float32)
