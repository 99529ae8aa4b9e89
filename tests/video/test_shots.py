"""Cuts are found; flashes, pans, motion and fades are not mistaken for them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from vidfake.video.shots import ShotDetector, edge_correlation, shifted_difference

Array = np.ndarray[Any, Any]
THRESHOLD = 18.0


def scene(seed: int, width: int = 64, low: float = 30, high: float = 220) -> Array:
    """A (36, width) picture of soft blobs, as of a real scene brought down to a thumbnail."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:36, :width].astype(float)
    picture = np.zeros((36, width))
    for _ in range(4 * width):
        size = rng.uniform(1, 4)
        distance = (y - rng.uniform(0, 36)) ** 2 + (x - rng.uniform(0, width)) ** 2
        picture += rng.uniform(-1, 1) * size * np.exp(-distance / (2 * size**2))
    picture = (picture - picture.min()) / np.ptp(picture)
    return low + (high - low) * picture


def cuts(frames: list[Array], threshold: float = THRESHOLD) -> list[int]:
    detector = ShotDetector(threshold)
    rng = np.random.default_rng(1)
    noisy = [np.clip(frame + rng.normal(0, 2, frame.shape), 0, 255).astype(np.uint8) for frame in frames]
    return [number for number, frame in enumerate(noisy) if detector.update(frame)]


@pytest.mark.parametrize("seed", range(20))
def test_a_cut_is_found_where_it_is(seed: int) -> None:
    assert cuts([scene(seed)] * 12 + [scene(seed + 100)] * 12) == [12]


def test_the_first_frame_is_no_cut() -> None:
    assert cuts([scene(0)]) == []
    assert cuts([scene(0)] * 30) == []


def test_shots_of_two_frames() -> None:
    frames = [scene(seed) for seed in range(8) for _ in range(2)]
    assert cuts(frames) == [2, 4, 6, 8, 10, 12, 14]


def test_a_blended_frame_at_the_cut() -> None:
    """A frame-rate conversion leaves one frame that mixes both shots: one cut, at most one frame late."""
    a, b = scene(0, high=160), scene(1, low=90)
    found = cuts([a] * 10 + [(a + b) / 2] + [b] * 10)
    assert len(found) == 1
    assert found[0] in (10, 11)


@pytest.mark.parametrize("length", [1, 2, 4])
def test_a_flash_is_no_cut(length: int) -> None:
    light = 70 + 60 * np.linspace(0, 1, 64)[None]  # stronger on one side, and clipped at white
    flash = np.clip(scene(3, high=180) + light, 0, 255)
    assert np.abs(flash - scene(3, high=180)).mean() > 60
    assert cuts([scene(3, high=180)] * 10 + [flash] * length + [scene(3, high=180)] * 10) == []


@pytest.mark.parametrize("level", [0, 255])
def test_a_frame_without_content_is_no_cut(level: int) -> None:
    assert cuts([scene(5)] * 10 + [np.full((36, 64), level)] * 3 + [scene(5)] * 10) == []


def test_a_fade_through_black_is_one_cut() -> None:
    a, b = scene(0), scene(1)
    fade = [a * share for share in np.linspace(1, 0, 12)] + [b * share for share in np.linspace(0, 1, 12)]
    found = cuts([a] * 10 + fade + [b] * 10)
    assert len(found) == 1
    assert 20 <= found[0] <= 26


def test_a_fast_pan_is_no_cut() -> None:
    wide = scene(2, width=400)
    frames = [wide[:, :64]] * 8 + [wide[:, x : x + 64] for x in range(0, 320, 7)] + [wide[:, 320:384]] * 8
    assert max(np.abs(a - b).mean() for a, b in itertools.pairwise(frames)) > THRESHOLD
    assert cuts(frames) == []


def test_a_cut_amid_motion_is_found() -> None:
    a, b = scene(4, width=200), scene(9, width=200)
    frames = [a[:, x : x + 64] for x in range(0, 60, 3)] + [b[:, x : x + 64] for x in range(0, 60, 3)]
    assert cuts(frames) == [20]


def test_letterbox_bars_do_not_hide_a_cut() -> None:
    def boxed(picture: Array) -> Array:
        result = np.zeros((36, 64))
        result[6:30] = picture[6:30]
        return result

    assert cuts([boxed(scene(1))] * 10 + [boxed(scene(2))] * 10) == [10]


def test_a_person_moving_before_a_still_background() -> None:
    frames = []
    for step in range(40):
        picture = scene(6).copy()
        x = round(22 + 20 * np.sin(step / 3))
        picture[8:34, x : x + 16] = 200 - picture[8:34, x : x + 16] / 2
        frames.append(picture)
    assert cuts(frames) == []


def test_a_lower_threshold_finds_no_fewer() -> None:
    frames = [scene(seed, low=100, high=150) for seed in (0, 1, 2, 3) for _ in range(6)]
    assert cuts(frames, 60.0) == []
    assert cuts(frames, 5.0) == [6, 12, 18]


def test_memory_is_constant() -> None:
    detector = ShotDetector(THRESHOLD)
    scenes = [scene(number).astype(np.uint8) for number in range(7)]
    for number in range(100):
        detector.update(scenes[number % 7])
    held = [value for value in vars(detector).values() if isinstance(value, np.ndarray)]
    assert sum(value.nbytes for value in held) <= 2 * 36 * 64 * 4


def test_the_scene_measures() -> None:
    a = scene(0).astype(np.float32)
    assert edge_correlation(a, a) == pytest.approx(1)
    assert edge_correlation(a, a * 0.5) == pytest.approx(1)
    assert edge_correlation(a, 255 - a) == pytest.approx(-1)
    wide = scene(1, width=80).astype(np.float32)
    assert shifted_difference(wide[:, 5:69], wide[:, :64]) == 0
    assert shifted_difference(wide[:, 5:69], wide[:, :64] + 3) == pytest.approx(3)


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan")])
def test_a_threshold_that_cannot_be(threshold: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        ShotDetector(threshold)
