"""Two people's clips blended: a donor's face, aligned and recoloured, inside a mask over another person's face."""

from __future__ import annotations

import cv2
import numpy as np

from vidfake.synth.base import MAKERS, DonorMaker, MadeClip, MakerClip
from vidfake.synth.blending import blend, carry, match_colour, shared_mask, tint_share, toned
from vidfake.synth.masks import OUTLINES, clip_masks
from vidfake.synth.options import check_names, check_range
from vidfake.synth.swap_warp import blend_bands, match_pose
from vidfake.synth.timing import jitter
from vidfake.types import ByteArray, FloatArray

SOURCE = (
    "Li et al. 2020 (Face X-ray: blends of two people matched by landmarks), https://arxiv.org/abs/1912.13458; "
    "blending: Perez et al. 2003 (Poisson image editing), Burt & Adelson 1983 (Laplacian pyramid)"
)
BLENDS = ("bands", "poisson", "feather")


@MAKERS.register("cross_blend", source=SOURCE, needs_donor=True)
def cross_blend(
    *,
    outlines: tuple[str, ...] = ("face", "inner", "features", "lower"),
    blends: tuple[str, ...] = BLENDS,
    wobble: float = 0.15,
    jitter_share: float = 0.004,
    least_matching: float = 0.5,
) -> DonorMaker:
    """Blend another person's face, aligned by its landmarks and matched in colour, into the clip.

    Args:
        outlines: mask outlines to draw from (`vidfake.synth.masks.OUTLINES`).
        blends: ways to blend to draw from: `bands` of a Laplacian pyramid, `poisson` (gradients of the donor,
            border values of the clip), `feather` (one soft edge).
        wobble: how much the outline's corners are displaced, as a share of the distance between the eyes.
        jitter_share: most that the donor's place is off, frame by frame, as a share of the crop.
        least_matching: least share of the way on which the donor's colours are brought to the clip's.
    """
    check_names("cross_blend", "outlines", outlines, OUTLINES)
    check_names("cross_blend", "blends", blends, BLENDS)
    check_range("cross_blend", "wobble", wobble, 0, 0.3)
    check_range("cross_blend", "jitter_share", jitter_share, 0, 0.05)
    check_range("cross_blend", "least_matching", least_matching, 0, 1)

    def make(clip: MakerClip, donor: MakerClip, rng: np.random.Generator) -> MadeClip:
        size, length = clip.faces.shape[1], len(clip.faces)
        if donor.faces.shape[1:] != clip.faces.shape[1:]:
            raise ValueError(f"clip and donor must be of one size, got {clip.faces.shape} and {donor.faces.shape}")
        taken, distance = match_pose(clip.landmarks, donor.landmarks, rng)
        outline, way = str(rng.choice(outlines)), str(rng.choice(blends))
        feather = float(rng.uniform(0.01, 0.04))
        masks = clip_masks(clip.landmarks, size, outline=outline, wobble=wobble, feather=feather, rng=rng)
        theirs = clip_masks(donor.landmarks[taken], size, outline="face", wobble=0, feather=feather, rng=rng)
        offsets = jitter_share * size * jitter(length, rng, inertia=float(rng.uniform(0.3, 0.95)), columns=2)
        matching = float(rng.uniform(least_matching, 1.0))
        tint = tint_share(clip.faces)
        faces, applied = clip.faces.copy(), np.zeros_like(masks)
        for t, source in enumerate(taken):
            points = donor.landmarks[source], clip.landmarks[t] + offsets[t]
            applied[t] = shared_mask(masks[t], theirs[t], *points)
            if applied[t].max() <= 0:
                continue
            moved = toned(carry(donor.faces[source], *points).astype(np.float32), tint)
            altered = match_colour(moved, clip.faces[t], applied[t], share=matching)
            if way == "bands":
                altered = blend_bands(clip.faces[t], altered, applied[t])
            elif way == "poisson":
                altered = poisson(clip.faces[t], altered, applied[t])
            faces[t] = blend(clip.faces[t], altered, applied[t])
        record = {
            "maker": "cross_blend",
            "pose_distance": distance,
            "frames": taken.tolist(),
            "outline": outline,
            "blend": way,
            "feather": feather,
            "matching": matching,
        }
        return MadeClip(faces, applied, record)

    return make


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
