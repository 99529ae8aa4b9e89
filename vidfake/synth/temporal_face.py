"""Time faults of the face alone: frozen, lagging, repeated or dropped frames over a head that moves on."""

from __future__ import annotations

import numpy as np

from vidfake.synth.base import MAKERS, MadeClip, Maker, MakerClip
from vidfake.synth.blending import blend, carry, shared_mask
from vidfake.synth.masks import OUTLINES, clip_masks
from vidfake.synth.options import check_names, check_range, require_frames
from vidfake.synth.timing import IntArray, reflect

SOURCE = (
    "after Wang et al. 2023 (AltFreezing: dropped and repeated frames of fake clips), "
    "https://arxiv.org/abs/2307.08317; Zheng et al. 2021 (FTCN: temporal incoherence), "
    "https://arxiv.org/abs/2108.06693"
)
KINDS = ("frozen", "lag", "repeat", "drop", "swap")


@MAKERS.register("temporal_face", source=SOURCE, min_frames=2)
def temporal_face(
    *,
    kind: str | None = None,
    outlines: tuple[str, ...] = ("face", "inner", "lower"),
    most_lag: int = 5,
) -> Maker:
    """Freeze, delay, repeat, drop or swap frames of the face only, while the head around it moves on.

    Args:
        kind: one of `KINDS`, or None to draw one per clip. `frozen`: one frame is held for most of the clip; `lag`:
            all frames come late or early; `repeat`: every third to fifth frame is held; `drop`: frames are left out
            and later ones move up; `swap`: neighbouring frames change places.
        outlines: mask outlines to draw from (`vidfake.synth.masks.OUTLINES`).
        most_lag: most frames by which the face comes late.
    """
    if kind is not None:
        check_names("temporal_face", "kind", (kind,), KINDS)
    check_names("temporal_face", "outlines", outlines, OUTLINES)
    check_range("temporal_face", "most_lag", most_lag, 1, 100)

    def make(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
        require_frames("temporal_face", clip)
        size, length = clip.faces.shape[1], len(clip.faces)
        chosen = kind or str(rng.choice(KINDS))
        taken = frame_order(chosen, length, rng, most_lag=most_lag)
        outline = str(rng.choice(outlines))
        feather = float(rng.uniform(0.01, 0.03))
        masks = clip_masks(clip.landmarks, size, outline=outline, wobble=0.1, feather=feather, rng=rng)
        faces, applied = clip.faces.copy(), np.zeros_like(masks)
        for t, source in enumerate(taken):
            if source == t:
                continue
            points = clip.landmarks[source], clip.landmarks[t]
            applied[t] = shared_mask(masks[t], masks[source], *points)
            faces[t] = blend(clip.faces[t], carry(clip.faces[source], *points), applied[t])
        record = {
            "maker": "temporal_face",
            "kind": chosen,
            "frames": taken.tolist(),
            "outline": outline,
            "feather": feather,
        }
        return MadeClip(faces, applied, record)

    return make


def frame_order(kind: str, length: int, rng: np.random.Generator, *, most_lag: int) -> IntArray:
    """For every frame, the frame whose face it shows; another one for half the clip or more."""
    times = np.arange(length)
    if kind == "frozen":
        held = int(rng.integers(min(length, round(0.7 * length) + 1), length + 1))
        first = int(rng.integers(0, length - held + 1))
        taken = times.copy()
        taken[first : first + held] = first + int(rng.integers(0, held))
    elif kind == "lag":
        taken = reflect(times - int(rng.integers(1, min(most_lag, length - 1) + 1)) * rng.choice([-1, 1]), length)
    elif kind == "repeat":
        every = int(rng.integers(3, 6))
        taken = times // every * every
    elif kind == "drop":
        # the first gap lies early, so that most of the clip runs ahead
        gaps = rng.random(length) < rng.uniform(0.05, 0.25)
        gaps[int(rng.integers(0, (length - 1) // 4 + 1))] = True
        taken = np.minimum(times + np.cumsum(gaps), length - 1)
    else:
        taken = times.copy()
        start = int(rng.integers(0, 2)) if length > 4 else 0
        pairs = (length - start) // 2 * 2
        taken[start : start + pairs] = taken[start : start + pairs].reshape(-1, 2)[:, ::-1].reshape(-1)
    return taken.astype(np.int64)
