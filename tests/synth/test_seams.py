"""Joining a face to its surroundings: gradients, bands and a soft edge, each by what it promises."""

from __future__ import annotations

import numpy as np
import pytest

from vidfake.synth.blending import blend
from vidfake.synth.seams import BLENDS, blend_bands, join, poisson


def test_poisson_keeps_gradients_and_the_border() -> None:
    """A source that differs by a constant disappears; one with a bump keeps it, in its place."""
    y, x = np.mgrid[:96, :96].astype(np.float32)
    face = np.repeat((100 + 0.4 * x)[..., None], 3, -1).astype(np.uint8)
    for box in (np.s_[20:61, 30:72], np.s_[0:50, 40:96]):
        mask = np.zeros((96, 96), np.float32)
        mask[box] = 1
        assert np.abs(poisson(face, face + np.float32(30), mask) - face).max() <= 3
        bump = 40 * np.exp(-(((x - 52) / 4) ** 2) - ((y - 38) / 4) ** 2)[..., None]
        found = poisson(face, face + 30 + bump, mask)
        assert np.array_equal(found[mask == 0], face[mask == 0])
        peak = np.unravel_index(np.argmax((found - face)[..., 0]), (96, 96))
        assert np.abs(np.array(peak) - (38, 52)).max() <= 1
        assert 30 < (found - face).max() < 48
    flat = np.full((96, 96, 3), 7, np.float32)
    assert np.array_equal(poisson(face, flat, np.zeros((96, 96), np.float32)), flat)


def test_bands_add_up() -> None:
    """A mask of ones gives the one picture, of zeros the other, of a half the mean."""
    rng = np.random.default_rng(0)
    face = rng.integers(0, 255, (96, 96, 3)).astype(np.uint8)
    other = rng.uniform(0, 255, (96, 96, 3)).astype(np.float32)
    for share in (0.0, 0.5, 1.0):
        mixed = blend_bands(face, other, np.full((96, 96), share, np.float32))
        assert np.abs(mixed - (share * other + (1 - share) * face)).max() < 1e-2


@pytest.mark.parametrize("way", BLENDS)
def test_each_way_is_its_own_and_stays_inside(way: str) -> None:
    rng = np.random.default_rng(0)
    face, altered = rng.integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    mask = np.zeros((64, 64), np.float32)
    mask[20:44, 20:44] = 1
    pictures = {
        "feather": altered,
        "bands": blend_bands(face, altered, mask),
        "poisson": poisson(face, altered, mask),
    }
    joined = join(face, altered, mask, way)
    assert np.array_equal(joined[mask == 0], face[mask == 0])
    same = [name for name, picture in pictures.items() if np.array_equal(joined, blend(face, picture, mask))]
    assert same == [way]
