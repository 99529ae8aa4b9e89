"""A fake made from a real clip, checked before it becomes a sample: whole, and visibly another clip."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import cv2
import numpy as np

from vidfake.errors import MakerError, UnchangedFakeError
from vidfake.synth.base import MadeClip, MakerClip
from vidfake.types import ByteArray

ATTEMPTS = 4  # draws of one fake before the maker is said to be unable to make it
VISIBLE_LEVELS = 2  # of 255; a smaller difference is rounding
STILL_SHARE = 1e-2  # of a part's values over time; where fewer change visibly, a maker over time may find nothing
VISIBLE_SHARE = 1e-4  # of a clip's values: some seven pixels of a frame of 256 x 256, less is no manipulation


def make_visible(draw: Callable[[int], MadeClip], clip: MakerClip, *, maker: str, where: str) -> MadeClip:
    """The first of up to `ATTEMPTS` draws in which something visible changed.

    Args:
        draw: makes the fake; takes the number of the attempt, from 0, which is all that its randomness may add.
        clip: the real clip.
        maker: name, for messages.
        where: names video, track and clip, for messages.

    Raises UnchangedFakeError for a clip on which every draw changes next to nothing, which would be a real clip
    labelled fake, and MakerError at once for a broken result.
    """
    for attempt in range(ATTEMPTS):
        made = draw(attempt)
        check_made(made, clip, maker=maker, where=where)
        if visible_share(made, clip) >= VISIBLE_SHARE:
            return made
    raise UnchangedFakeError(
        f"maker '{maker}' changed nothing visible in {where} in {ATTEMPTS} draws: under {VISIBLE_SHARE:.2%} of "
        f"the values differ by {VISIBLE_LEVELS} levels or more. On a still face makers that work over time have "
        "nothing to do, and with landmarks outside of the crop none has. Leave this video or this maker out."
    )


def visible_share(made: MadeClip, clip: MakerClip) -> float:
    """Share of a clip's values (T, S, S, 3) that differ by `VISIBLE_LEVELS` or more."""
    rows = clip.faces.shape[0] * clip.faces.shape[1]
    difference = cv2.absdiff(made.faces.reshape(rows, -1), clip.faces.reshape(rows, -1))
    return float(np.count_nonzero(difference >= VISIBLE_LEVELS) / difference.size)


def hardly_moves(faces: ByteArray) -> bool:
    """Whether some part of a clip's middle (T, S, S, 3) stays as it is: cheap, and true of every still face."""
    border = faces.shape[1] // 5
    middle = faces[:, border : faces.shape[1] - border, border : faces.shape[2] - border]
    if len(middle) < 2:
        return True
    changed = np.zeros(middle.shape[1:], np.float32)
    for before, after in itertools.pairwise(middle):
        changed += cv2.absdiff(before, after) >= VISIBLE_LEVELS
    parts = cv2.resize(changed / (len(middle) - 1), (3, 3), interpolation=cv2.INTER_AREA)
    return float(parts.mean(axis=2).min()) < STILL_SHARE


def check_made(made: MadeClip, clip: MakerClip, *, maker: str, where: str) -> None:
    """Raises MakerError unless faces and mask have the clip's shape, and the mask's values are from 0 to 1."""
    shape = clip.faces.shape
    if made.faces.shape != shape or made.faces.dtype != np.uint8:
        raise MakerError(
            f"maker '{maker}' gave faces {made.faces.shape} {made.faces.dtype} for {where}, expected {shape} "
            "uint8. The maker is at fault: it must return as many faces as it is given, of the same size."
        )
    if made.mask.shape != shape[:3]:
        raise MakerError(
            f"maker '{maker}' gave a mask {made.mask.shape} for {where}, expected {shape[:3]}. "
            "The maker is at fault."
        )
    low, high = float(made.mask.min()), float(made.mask.max())
    if not (low >= 0 and high <= 1 + 1e-5):  # not, and not <: NaN is refused too
        raise MakerError(
            f"maker '{maker}' gave a mask from {low} to {high} for {where}, expected finite values from 0 to 1. "
            "The maker is at fault."
        )
