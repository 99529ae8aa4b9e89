"""Frame-by-frame fakes: opacity, colour, sharpness and place of the blended face differ from frame to frame."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from vidfake.synth.base import MAKERS, MadeClip, Maker, MakerClip
from vidfake.synth.blending import blend, tint_share, toned
from vidfake.synth.masks import OUTLINES, clip_masks
from vidfake.synth.options import check_names, check_range
from vidfake.synth.timing import jitter
from vidfake.types import ByteArray, FloatArray

SOURCE = (
    "after the flicker and incoherence that Zheng et al. 2021 (FTCN) look for, https://arxiv.org/abs/2108.06693; "
    "and the drift of facial features: Yan et al. 2025 (StA: video-level blending), https://arxiv.org/abs/2408.17065"
)
KINDS = ("opacity", "colour", "sharpness", "drift")


class Course(NamedTuple):
    """What changes through a clip: `opacity` (T,), `gain` and `offset` (T, 3), `sharpness` (T,), `move` (T, 2)."""

    opacity: FloatArray
    gain: FloatArray
    offset: FloatArray
    sharpness: FloatArray
    move: FloatArray


@MAKERS.register("flicker_blend", source=SOURCE, min_frames=2)
def flicker_blend(
    *,
    kinds: tuple[str, ...] = KINDS,
    outlines: tuple[str, ...] = ("face", "inner", "features", "lower"),
    colour: float = 0.04,
    sharpness: float = 0.8,
    drift: float = 0.02,
    least_opacity: float = 0.3,
) -> Maker:
    """Blend an altered face into its own clip so that opacity, colour, sharpness or place flicker or drift.

    Args:
        kinds: what may change from frame to frame: `opacity`, `colour`, `sharpness`, and `drift`, a slow walk of
            the inner face; one or more are drawn per clip. The rest is altered alike in all frames.
        outlines: mask outlines to draw from (`vidfake.synth.masks.OUTLINES`).
        colour: largest change of gain and offset per channel, as a share of the range.
        sharpness: largest blur (its standard deviation in pixels of a crop of 256) or sharpening (its strength).
        drift: furthest displacement, as a share of the crop.
        least_opacity: least opacity of the blend.
    """
    check_names("flicker_blend", "kinds", kinds, KINDS)
    check_names("flicker_blend", "outlines", outlines, OUTLINES)
    check_range("flicker_blend", "colour", colour, 0, 0.5)
    check_range("flicker_blend", "sharpness", sharpness, 0, 5)
    check_range("flicker_blend", "drift", drift, 0, 0.1)
    check_range("flicker_blend", "least_opacity", least_opacity, 0.05, 0.95)
    most = {"colour": colour, "sharpness": sharpness, "drift": drift, "least_opacity": least_opacity}

    def make(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
        size, length = clip.faces.shape[1], len(clip.faces)
        count = int(rng.integers(1, len(kinds) + 1))
        chosen = sorted(str(kind) for kind in rng.choice(kinds, count, replace=False))
        inertia = float(rng.uniform(0, 0.85))
        course = _course(length, size, chosen, inertia, most, rng)
        tint = tint_share(clip.faces)
        course = course._replace(gain=toned(course.gain, tint), offset=toned(course.offset, tint))
        outline = str(rng.choice(outlines))
        feather = float(rng.uniform(0.008, 0.04))
        masks = clip_masks(clip.landmarks, size, outline=outline, wobble=0.12, feather=feather, rng=rng)
        masks *= course.opacity[:, None, None].astype(np.float32)
        faces = np.empty_like(clip.faces)
        for t, mask in enumerate(masks):
            faces[t] = blend(clip.faces[t], _alter(clip.faces[t], course, t), mask)
        record = {
            "maker": "flicker_blend",
            "kinds": chosen,
            "inertia": inertia,
            "outline": outline,
            "feather": feather,
            **{name: np.round(values, 5).tolist() for name, values in course._asdict().items()},
        }
        return MadeClip(faces, masks, record)

    return make


def _course(
    length: int, size: int, kinds: list[str], inertia: float, most: dict[str, float], rng: np.random.Generator
) -> Course:
    def values(kind: str, columns: int, keep: float) -> FloatArray:
        """In [-1, 1]: changing through time for the kinds drawn, else one draw for all frames."""
        flickering = jitter(length, rng, inertia=keep, columns=columns)
        return flickering if kind in kinds else np.repeat(rng.uniform(-1, 1, (1, columns)), length, axis=0)

    least = most["least_opacity"]
    return Course(
        opacity=least + (1 - least) * (values("opacity", 1, inertia)[:, 0] + 1) / 2,
        gain=1 + most["colour"] * values("colour", 3, inertia),
        offset=most["colour"] * 255 / 2 * values("colour", 3, inertia),
        sharpness=most["sharpness"] * size / 256 * values("sharpness", 1, inertia)[:, 0],
        move=most["drift"] * size * values("drift", 2, 0.9),
    )


def _alter(face: ByteArray, course: Course, t: int) -> FloatArray:
    """One frame's face (S, S, 3), altered as the course says, float32 0..255."""
    size = face.shape[0]
    matrix = np.array([[1, 0, course.move[t, 0]], [0, 1, course.move[t, 1]]])
    moved = cv2.warpAffine(face, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    picture = np.asarray(moved, np.float32)
    amount = float(course.sharpness[t])
    if amount < -0.05:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), -amount), np.float32)
    elif amount > 0.05:
        picture += amount * (picture - cv2.GaussianBlur(picture, (0, 0), 1.0))
    return np.asarray(picture * course.gain[t].astype(np.float32) + course.offset[t].astype(np.float32), np.float32)
