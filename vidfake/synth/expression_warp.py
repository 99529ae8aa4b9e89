"""Re-enactment in its mildest form: mouth, eyes and brows moved by smooth warps that change through time."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from vidfake.synth.base import MAKERS, MadeClip, Maker, MakerClip
from vidfake.synth.masks import clip_masks, face_frame
from vidfake.synth.options import check_names, check_range
from vidfake.synth.timing import slow_curve
from vidfake.types import ByteArray, FloatArray

SOURCE = (
    "imitates expression transfer: Thies et al. 2016 (Face2Face), https://arxiv.org/abs/2007.14808; warps by sums "
    "of Gaussians: Arad et al. 1994, 'Image warping by radial basis functions'"
)

COARSE = 4


class Push(NamedTuple):
    """A Gaussian displacement in face coordinates: where, which way, how wide (`vidfake.synth.masks`)."""

    centre: tuple[float, float]
    direction: tuple[float, float]
    radius: tuple[float, float]


# What moves together. The direction is that in which the skin moves for a positive amount.
ACTIONS: dict[str, tuple[Push, ...]] = {
    "jaw": (Push((0, 1.25), (0, 1), (0.5, 0.3)), Push((0, 0.85), (0, -0.3), (0.4, 0.15))),
    "smile": (Push((-0.42, 1), (-0.7, -0.7), (0.28, 0.25)), Push((0.42, 1), (0.7, -0.7), (0.28, 0.25))),
    "pucker": (Push((-0.42, 1), (1, 0), (0.25, 0.25)), Push((0.42, 1), (-1, 0), (0.25, 0.25))),
    "mouth_aside": (Push((0, 1.05), (1, 0.2), (0.5, 0.3)),),
    "lids": (Push((-0.5, -0.09), (0, 0.6), (0.28, 0.12)), Push((0.5, -0.09), (0, 0.6), (0.28, 0.12))),
    "brows": (Push((-0.5, -0.36), (0, -1), (0.4, 0.22)), Push((0.5, -0.36), (0, -1), (0.4, 0.22))),
}


@MAKERS.register("expression_warp", source=SOURCE, min_frames=2)
def expression_warp(
    *,
    actions: tuple[str, ...] = tuple(ACTIONS),
    most_actions: int = 3,
    amplitude: float = 0.1,
    least_amplitude: float = 0.04,
    frames_per_knot: tuple[float, float] = (3.0, 10.0),
) -> Maker:
    """Move mouth, eyes and brows by smooth warps that change through time.

    Args:
        actions: what may be moved, see `ACTIONS`.
        most_actions: how many of them at most in one clip.
        amplitude: furthest that one action moves the skin, as a share of the distance between the eyes; at
            most 0.12, where no draw of actions folds the picture.
        least_amplitude: least amplitude drawn.
        frames_per_knot: least and most frames between two turns of a movement.
    """
    check_names("expression_warp", "actions", actions, ACTIONS)
    check_range("expression_warp", "most_actions", most_actions, 1, len(ACTIONS))
    check_range("expression_warp", "amplitude", amplitude, 0.005, 0.12)
    check_range("expression_warp", "least_amplitude", least_amplitude, 0.0, amplitude)
    check_range("expression_warp", "frames_per_knot[0]", frames_per_knot[0], 1, 1000)
    check_range("expression_warp", "frames_per_knot[1]", frames_per_knot[1], frames_per_knot[0], 1000)

    def make(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
        size, length = clip.faces.shape[1], len(clip.faces)
        count = int(rng.integers(1, min(most_actions, len(actions)) + 1))
        chosen = [str(name) for name in rng.choice(actions, count, replace=False)]
        turns = float(rng.uniform(*frames_per_knot))
        peaks = rng.uniform(least_amplitude, amplitude, count)
        amounts = np.stack([_amounts(length, rng, peak, turns) for peak in peaks])
        feather = float(rng.uniform(0.015, 0.03))
        masks = clip_masks(clip.landmarks, size, outline="face", wobble=0.05, feather=feather, rng=rng)
        faces = np.empty_like(clip.faces)
        for t, mask in enumerate(masks):
            now = dict(zip(chosen, amounts[:, t], strict=True))
            faces[t] = warp_face(clip.faces[t], clip.landmarks[t], mask, now)
        record = {
            "maker": "expression_warp",
            "actions": chosen,
            "amounts": np.round(amounts, 5).tolist(),
            "frames_per_knot": turns,
            "feather": feather,
        }
        return MadeClip(faces, masks, record)

    return make


def _amounts(length: int, rng: np.random.Generator, peak: float, turns: float) -> FloatArray:
    """An action's amount through time, in [-peak, peak]: a lasting part and a moving one."""
    lasting = rng.uniform(-0.5, 0.5)
    return np.asarray(peak * (lasting + (1 - abs(lasting)) * slow_curve(length, rng, frames_per_knot=turns)))


def displacement(landmarks: FloatArray, mask: FloatArray, amounts: dict[str, float]) -> FloatArray:
    """How far every pixel's content moves, (S, S, 2) float32 pixels, fading with `mask` (S, S) to nothing."""
    size = mask.shape[0]
    origin, x_axis, y_axis = face_frame(landmarks)
    # the bells are smooth: every fourth pixel suffices, and the rest lies between
    coarse = -(-size // COARSE)
    y, x = (np.mgrid[:coarse, :coarse].astype(np.float32) + 0.5) * COARSE - 0.5
    to_face = np.linalg.pinv(np.stack([x_axis, y_axis], axis=1)).astype(np.float32)
    dx, dy = x - np.float32(origin[0]), y - np.float32(origin[1])
    u, v = to_face[0, 0] * dx + to_face[0, 1] * dy, to_face[1, 0] * dx + to_face[1, 1] * dy
    eyes = float(np.linalg.norm(x_axis))
    moved = np.zeros((coarse, coarse, 2), np.float32)
    for name, amount in amounts.items():
        for centre, direction, radius in ACTIONS[name]:
            bell = np.exp(-(((u - centre[0]) / radius[0]) ** 2 + ((v - centre[1]) / radius[1]) ** 2) / 2)
            way = direction[0] * x_axis / max(eyes, 1e-6) + direction[1] * _unit(y_axis)
            moved += bell[..., None] * (amount * eyes * way).astype(np.float32)
    whole = cv2.resize(moved, (coarse * COARSE, coarse * COARSE), interpolation=cv2.INTER_LINEAR)[:size, :size]
    return np.asarray(whole * mask[..., None], np.float32)


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6))


def warp_face(face: ByteArray, landmarks: FloatArray, mask: FloatArray, amounts: dict[str, float]) -> ByteArray:
    """`face` (S, S, 3) with each action's skin moved by its amount, in eye distances, inside the mask only."""
    moved = displacement(landmarks, mask, amounts)
    size = face.shape[0]
    y, x = np.mgrid[:size, :size].astype(np.float32)
    warped = cv2.remap(
        face, x - moved[..., 0], y - moved[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.where(mask[..., None] > 0, np.asarray(warped, np.uint8), face)
