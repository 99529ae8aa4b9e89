"""The classical face swap: a donor's face, warped landmark by landmark, coloured alike and blended in."""

from __future__ import annotations

import cv2
import numpy as np

from vidfake.errors import UsageError
from vidfake.synth.base import MAKERS, DonorMaker, MadeClip, MakerClip
from vidfake.synth.blending import match_colour, tint_share, toned
from vidfake.synth.masks import OUTLINES, clip_masks, nose_place, outline_points
from vidfake.synth.options import check_names, check_range, check_sizes
from vidfake.synth.seams import join
from vidfake.synth.timing import IntArray, jitter, reflect
from vidfake.types import ByteArray, FloatArray

SOURCE = (
    "imitates FaceSwap in Roessler et al. 2019 (FaceForensics++), https://arxiv.org/abs/1901.08971; "
    "spline: Bookstein 1989 (principal warps)"
)
CELL = 8  # the spline is evaluated at every eighth pixel: it is smooth, and the rest lies between


@MAKERS.register("swap_warp", source=SOURCE, needs_donor=True)
def swap_warp_maker(
    *,
    outlines: tuple[str, ...] = ("inner", "features"),
    jitter_share: float = 0.006,
    least_matching: float = 0.5,
    pyramid: float = 0.5,
    most_pose_distance: float = 10.0,
) -> DonorMaker:
    """Put another person's face on, warped landmark by landmark, coloured alike and blended in.

    Options are those of `swap_warp`, but for `most_pose_distance`: whoever draws donors offers the best that there
    is, and by default it is taken.
    """
    _check(outlines, jitter_share, least_matching, pyramid, most_pose_distance)

    def make(clip: MakerClip, donor: MakerClip, rng: np.random.Generator) -> MadeClip:
        return swap_warp(
            clip, donor, rng, outlines=outlines, jitter_share=jitter_share, least_matching=least_matching,
            pyramid=pyramid, most_pose_distance=most_pose_distance,
        )  # fmt: skip

    return make


def _check(
    outlines: tuple[str, ...], jitter_share: float, matching: float, pyramid: float, distance: float
) -> None:
    check_names("swap_warp", "outlines", outlines, OUTLINES)
    check_range("swap_warp", "jitter_share", jitter_share, 0, 0.05)
    check_range("swap_warp", "least_matching", matching, 0, 1)
    check_range("swap_warp", "pyramid", pyramid, 0, 1)
    check_range("swap_warp", "most_pose_distance", distance, 0.01, 10)


def swap_warp(
    clip: MakerClip,
    donor: MakerClip,
    rng: np.random.Generator,
    *,
    outlines: tuple[str, ...] = ("inner", "features"),
    jitter_share: float = 0.006,
    least_matching: float = 0.5,
    pyramid: float = 0.5,
    most_pose_distance: float = 0.15,
) -> MadeClip:
    """Put the donor's face over the clip's, matched in pose, warped by a thin-plate spline, coloured and blended.

    Imitates the warping swaps of FaceForensics++ (FaceSwap) and the blends of Face X-ray (Li et al. 2020,
    https://arxiv.org/abs/1912.13458); the spline is Bookstein's (1989, "Principal warps").

    Args:
        clip: the faces (T, S, S, 3) whose video is kept.
        donor: faces of somebody else (T', S, S, 3), of the same size.
        rng: of everything random.
        outlines: mask outlines to draw from (`vidfake.synth.masks.OUTLINES`); `face` brings hair along.
        jitter_share: most by which a landmark is off, frame by frame, as a share of the crop.
        least_matching: least share of the way on which the donor's colours are brought to the clip's.
        pyramid: probability of a blend band by band (Burt & Adelson 1983); else one feathered edge.
        most_pose_distance: how far the two noses may be apart in face coordinates, on average over the clip: heads
            turned by 20° against each other are 0.17 apart.

    Raises ConfigError for options, UsageError for a donor whose head is never turned as the clip's is, ValueError
    for clips of different sizes.
    """
    _check(outlines, jitter_share, least_matching, pyramid, most_pose_distance)
    size, length = clip.faces.shape[1], len(clip.faces)
    check_sizes(clip, donor)
    taken, distance = match_pose(clip.landmarks, donor.landmarks, rng)
    if distance > most_pose_distance:
        raise UsageError(
            f"swap_warp: the two heads are turned differently (distance {distance:.2f}, most_pose_distance is "
            f"{most_pose_distance}). Choose a donor who looks the same way."
        )
    outline = str(rng.choice(outlines))
    feather = float(rng.uniform(0.012, 0.035))
    masks = clip_masks(clip.landmarks, size, outline=outline, wobble=0.08, feather=feather, rng=rng)
    offsets = jitter(length, rng, inertia=float(rng.uniform(0.3, 0.9)), columns=10).reshape(length, 5, 2)
    matching = float(rng.uniform(least_matching, 1.0))
    bands = bool(rng.random() < pyramid)
    tint = tint_share(clip.faces)
    faces = clip.faces.copy()
    for t, source in enumerate(taken):
        target = clip.landmarks[t] + jitter_share * size * offsets[t]
        warped = warp_to(donor.faces[source], donor.landmarks[source], target)
        coloured = toned(warped.astype(np.float32), tint)
        altered = match_colour(coloured, clip.faces[t], masks[t], share=matching)
        faces[t] = join(clip.faces[t], altered, masks[t], "bands" if bands else "feather")
    record = {
        "maker": "swap_warp",
        "pose_distance": distance,
        "frames": taken.tolist(),
        "outline": outline,
        "feather": feather,
        "matching": matching,
        "bands": bands,
    }
    return MadeClip(faces, masks, record)


def match_pose(landmarks: FloatArray, donor: FloatArray, rng: np.random.Generator) -> tuple[IntArray, float]:
    """For every frame (T, 5, 2) a donor frame, and the mean distance of the poses, which is the least there is.

    A pose is where the nose lies between eyes and mouth, which turns of the head move. The donor's frames stay in
    order, so that its own movements survive; folded back where it is too short. Ties are drawn.
    """
    length, most = len(landmarks), len(donor)
    here, there = np.stack([nose_place(p) for p in landmarks]), np.stack([nose_place(p) for p in donor])
    starts = np.arange(max(1, 2 * (most - 1)))
    orders = np.stack([reflect(start + np.arange(length), most) for start in starts])
    costs = np.linalg.norm(there[orders] - here, axis=-1).mean(axis=1)
    best = np.flatnonzero(costs <= costs.min() + 1e-9)
    chosen = int(rng.choice(best))
    return np.asarray(orders[chosen]), float(costs[chosen])


def warp_to(face: ByteArray, source: FloatArray, target: FloatArray) -> ByteArray:
    """`face` (S, S, 3) warped so that its landmarks `source` (5, 2) lie on `target`, and outline on outline."""
    size = face.shape[0]
    to_points = np.concatenate([target, outline_points("face", target)])
    from_points = np.concatenate([source, outline_points("face", source)])
    # a ring of cells more than the picture has, so that its border too lies between points of the grid
    cells = -(-size // CELL) + 2
    ticks = (np.arange(-1, cells - 1) + 0.5) * CELL - 0.5
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    coarse = thin_plate(to_points, from_points, grid).reshape(cells, cells, 2).astype(np.float32)
    whole = cv2.resize(coarse, (cells * CELL, cells * CELL), interpolation=cv2.INTER_LINEAR)
    places = whole[CELL : CELL + size, CELL : CELL + size]
    warped = cv2.remap(face, places[..., 0], places[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(warped, np.uint8)


def thin_plate(source: FloatArray, target: FloatArray, points: FloatArray) -> FloatArray:
    """`points` (M, 2) through the thin-plate spline that takes `source` (N, 2) to `target` (N, 2)."""
    count = len(source)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _radial(source, source)
    system[:count, count:] = np.concatenate([np.ones((count, 1)), source], axis=1)
    system[count:, :count] = system[:count, count:].T
    weights = np.linalg.lstsq(system, np.concatenate([target, np.zeros((3, 2))]), rcond=None)[0]
    plane = np.concatenate([np.ones((len(points), 1)), points], axis=1)
    return np.asarray(_radial(points, source) @ weights[:count] + plane @ weights[count:])


def _radial(points: FloatArray, centres: FloatArray) -> FloatArray:
    """r² log r² between (M, 2) and (N, 2), 0 at r = 0."""
    squared = ((points[:, None] - centres) ** 2).sum(-1)
    return np.asarray(squared * np.log(np.where(squared > 0, squared, 1.0)))
