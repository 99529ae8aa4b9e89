"""Two people's clips blended: a donor's face, aligned and recoloured, inside a mask over another person's face."""

from __future__ import annotations

import numpy as np

from vidfake.synth.base import MAKERS, DonorMaker, MadeClip, MakerClip
from vidfake.synth.blending import carry, match_colour, shared_mask, tint_share, toned
from vidfake.synth.masks import OUTLINES, clip_masks
from vidfake.synth.options import check_names, check_range, check_sizes
from vidfake.synth.seams import BLENDS, join
from vidfake.synth.swap_warp import match_pose
from vidfake.synth.timing import jitter

SOURCE = (
    "Li et al. 2020 (Face X-ray: blends of two people matched by landmarks), https://arxiv.org/abs/1912.13458; "
    "blending: Perez et al. 2003 (Poisson image editing), Burt & Adelson 1983 (Laplacian pyramid)"
)


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
        blends: ways to join it to draw from (`vidfake.synth.seams.BLENDS`).
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
        check_sizes(clip, donor)
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
            faces[t] = join(clip.faces[t], altered, applied[t], way)
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
