"""pytorchvideo's clip samplers against our own arithmetic."""

from __future__ import annotations

import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidfake.data.clip_sampling import random_start, uniform_starts

SIZES = st.integers(1, 70), st.integers(1, 70)


def by_hand(num_stored: int, num_frames: int) -> list[int]:
    """Starts 0, n, 2n … while a whole stretch fits, then one that ends with the clip."""
    starts = list(range(0, num_stored - num_frames + 1, num_frames))
    if starts and starts[-1] + num_frames < num_stored:
        starts.append(num_stored - num_frames)
    return starts or [0]


@settings(deadline=None, derandomize=True)
@given(*SIZES)
def test_uniform_starts(num_stored: int, num_frames: int) -> None:
    starts = uniform_starts(num_stored, num_frames)
    assert starts == by_hand(num_stored, num_frames)
    covered = {frame for start in starts for frame in range(start, start + num_frames)}
    assert covered >= set(range(num_stored))
    assert max(starts) + num_frames <= max(num_stored, num_frames)


@settings(deadline=None, derandomize=True)
@given(*SIZES, st.integers(0, 2**32))
def test_random_start_is_the_draw_of_pythons_generator(num_stored: int, num_frames: int, seed: int) -> None:
    start = random_start(num_stored, num_frames, np.random.default_rng(seed))
    if num_stored <= num_frames:
        assert start == 0
        return
    own = random.Random(int(np.random.default_rng(seed).integers(2**63)))
    assert start == min(math.floor(own.uniform(0, num_stored - num_frames + 1)), num_stored - num_frames)


def test_every_start_is_equally_likely() -> None:
    """Chi-squared over 8 starts: 24.3 is exceeded once in a thousand times."""
    rng = np.random.default_rng(0)
    counts = Counter(random_start(16, 9, rng) for _ in range(4000))
    assert sorted(counts) == list(range(8))
    assert sum((n - 500) ** 2 / 500 for n in counts.values()) < 24.3


def test_the_global_generator_is_as_before() -> None:
    random.seed(5)
    expected = random.random()
    random.seed(5)
    random_start(16, 8, np.random.default_rng(0))
    assert random.random() == expected


@pytest.mark.parametrize("sizes", [(0, 4), (4, 0)])
def test_nothing_cannot_be_sampled(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        uniform_starts(*sizes)
    with pytest.raises(ValueError, match="must be at least 1"):
        random_start(*sizes, np.random.default_rng(0))
