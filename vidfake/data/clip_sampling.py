"""Which frames of a stored clip a model gets that takes fewer: a random stretch to train, all to evaluate.

The choice is made by pytorchvideo's clip samplers. They think in seconds of a video; a stored clip is evenly
sampled, so here one "second" is one stored frame, in exact fractions.
"""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np


def random_start(num_stored: int, num_frames: int, rng: np.random.Generator) -> int:
    """First frame of a random stretch of `num_frames`, each of the possible ones equally likely."""
    _check(num_stored, num_frames)
    if num_stored <= num_frames:
        return 0
    from pytorchvideo.data.clip_sampling import RandomClipSampler

    # A duration one frame too long: starts are drawn from [0, n + 1) for n + 1 positions, then rounded down.
    # RandomClipSampler draws from Python's global generator, which is lent to it and put back.
    kept = random.getstate()
    try:
        random.seed(int(rng.integers(2**63)))
        clip = RandomClipSampler(Fraction(num_frames))(0.0, Fraction(num_stored + 1), {})
    finally:
        random.setstate(kept)
    return min(int(clip.clip_start_sec), num_stored - num_frames)


def uniform_starts(num_stored: int, num_frames: int) -> list[int]:
    """First frames of stretches that follow each other and cover the clip; the last is moved back to fit."""
    _check(num_stored, num_frames)
    if num_stored <= num_frames:
        return [0]
    from pytorchvideo.data.clip_sampling import UniformClipSampler

    sampler = UniformClipSampler(Fraction(num_frames), backpad_last=True)
    starts: list[int] = []
    end = Fraction(0)
    while True:
        clip = sampler(end, Fraction(num_stored), {})
        starts.append(int(clip.clip_start_sec))
        if clip.is_last_clip:
            return starts
        end = clip.clip_end_sec


def _check(num_stored: int, num_frames: int) -> None:
    if num_stored < 1 or num_frames < 1:
        raise ValueError(f"num_stored {num_stored} and num_frames {num_frames} must be at least 1")
