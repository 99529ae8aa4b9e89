"""Lip-sync fakes: the mouth of every frame comes from another moment, all else is left as it was."""

from __future__ import annotations

import numpy as np

from vidfake.synth.base import MAKERS, MadeClip, Maker, MakerClip
from vidfake.synth.blending import blend, carry, match_colour, resample, shared_mask
from vidfake.synth.masks import OUTLINES, clip_masks, outline_points
from vidfake.synth.options import check_names, check_range, require_frames
from vidfake.synth.timing import IntArray, jitter, reflect
from vidfake.types import FloatArray

SOURCE = (
    "imitates lip-sync fakes: Prajwal et al. 2020 (Wav2Lip), https://arxiv.org/abs/2008.10010; mouths re-used from "
    "the same video: Suwajanakorn et al. 2017"
)
ORDERS = ("shift", "reverse", "speed")


@MAKERS.register("mouth_replace", source=SOURCE, min_frames=2)
def mouth_replace(
    *,
    outlines: tuple[str, ...] = ("mouth", "lower"),
    orders: tuple[str, ...] = ORDERS,
    wobble: float = 0.08,
    jitter_share: float = 0.004,
    soften: float = 0.5,
    least_size: float = 0.4,
) -> Maker:
    """Take the mouth of every frame from another moment of the same clip, aligned and colour-matched.

    Args:
        outlines: mask outlines to draw from (`vidfake.synth.masks.OUTLINES`).
        orders: whence mouths come: `shift` from some frames later or earlier, `reverse` played backwards, `speed`
            played slower or faster; folded back at the ends of the clip. The draw of three that moves the mouth
            most is taken, since a mouth equal to its own is no fake.
        wobble: how much the outline's corners are displaced, as a share of the distance between the eyes.
        jitter_share: most that the mouth's place is off, frame by frame, as a share of the crop.
        soften: probability that the mouth is resampled through a smaller picture, as a generator's output would be.
        least_size: smallest such picture, as a share of the crop.
    """
    check_names("mouth_replace", "outlines", outlines, OUTLINES)
    check_names("mouth_replace", "orders", orders, ORDERS)
    check_range("mouth_replace", "wobble", wobble, 0, 0.3)
    check_range("mouth_replace", "jitter_share", jitter_share, 0, 0.05)
    check_range("mouth_replace", "soften", soften, 0, 1)
    check_range("mouth_replace", "least_size", least_size, 0.1, 1)

    def make(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
        require_frames("mouth_replace", clip)
        size, length = clip.faces.shape[1], len(clip.faces)
        draws = [_draw_order(str(rng.choice(orders)), length, rng) for _ in range(3)]
        order, taken = max(draws, key=lambda draw: _difference(clip, draw[1]))
        outline = str(rng.choice(outlines))
        feather = float(rng.uniform(0.008, 0.03))
        masks = clip_masks(clip.landmarks, size, outline=outline, wobble=wobble, feather=feather, rng=rng)
        offsets = jitter_share * size * jitter(length, rng, inertia=float(rng.uniform(0, 0.9)), columns=2)
        matching = float(rng.uniform(0.6, 1.0))
        sharpness = float(rng.uniform(least_size, 1.0)) if rng.random() < soften else 1.0
        faces, applied = clip.faces.copy(), np.zeros_like(masks)
        for t, source in enumerate(taken):
            if source == t:
                continue
            points = clip.landmarks[source], clip.landmarks[t] + offsets[t]
            applied[t] = shared_mask(masks[t], masks[source], *points)
            moved = carry(clip.faces[source], *points)
            altered: FloatArray = resample(moved, sharpness) if sharpness < 1 else moved.astype(np.float32)
            altered = match_colour(altered, clip.faces[t], applied[t], share=matching)
            faces[t] = blend(clip.faces[t], altered, applied[t])
        record = {
            "maker": "mouth_replace",
            "order": order,
            "frames": taken.tolist(),
            "outline": outline,
            "feather": feather,
            "matching": matching,
            "sharpness": sharpness,
        }
        return MadeClip(faces, applied, record)

    return make


def _draw_order(order: str, length: int, rng: np.random.Generator) -> tuple[str, IntArray]:
    """For every frame, the frame whose mouth it gets; seldom its own."""
    times = np.arange(length)
    if order == "reverse":
        return order, times[::-1].astype(np.int64)
    if order == "speed":
        speed = float(rng.uniform(0.4, 0.7) if rng.random() < 0.5 else rng.uniform(1.4, 2.0))
        return order, reflect(speed * times + rng.uniform(0, length), length)
    lag = int(rng.integers(1, max(2, length - 1)))
    return order, reflect(times + lag * rng.choice([-1, 1]), length)


def _difference(clip: MakerClip, taken: IntArray) -> float:
    """Mean absolute difference between the mouths of the frames and of those taken, on every second pixel."""
    size = clip.faces.shape[1]
    points = np.concatenate([outline_points("mouth", landmarks) for landmarks in clip.landmarks[:1]])
    x0, y0 = np.clip(points.min(axis=0), 0, size - 4).astype(int)
    x1, y1 = np.clip(points.max(axis=0), (x0 + 4, y0 + 4), size).astype(int)
    mouths = clip.faces[:, y0:y1:2, x0:x1:2].astype(np.float32)
    return float(np.abs(mouths - mouths[taken]).mean())
