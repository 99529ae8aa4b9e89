"""Orders of frames are what their names say, and the ground goes on untouched."""

from __future__ import annotations

import numpy as np
import pytest

from vidfake.errors import ConfigError, UsageError
from vidfake.synth import MAKERS, MakerClip
from vidfake.synth.temporal_face import KINDS, frame_order
from vidfake.synth.timing import jitter, reflect, slow_curve


def orders(kind: str, length: int, count: int = 40) -> list[np.ndarray]:
    return [frame_order(kind, length, np.random.default_rng(seed), most_lag=5) for seed in range(count)]


@pytest.mark.parametrize("length", [2, 3, 4, 5, 16, 40])
@pytest.mark.parametrize("kind", KINDS)
def test_orders_hold_frames_of_the_clip_and_change_most(kind: str, length: int) -> None:
    for taken in orders(kind, length):
        assert taken.min() >= 0
        assert taken.max() < length
        changed = (taken != np.arange(length)).mean()
        assert changed >= 0.5
        if length > 4:
            assert changed > 0.5


def test_each_kind_is_what_it_says() -> None:
    times = np.arange(16)
    for taken in orders("frozen", 16):
        held = np.bincount(taken).max()
        assert held >= 11
    for taken in orders("lag", 16):
        steps = np.abs(taken - times)
        assert np.median(steps) <= 5
        assert np.abs(np.diff(taken)).max() <= 1
    for taken in orders("repeat", 16):
        assert len(np.unique(taken)) <= 6
        assert np.all(taken <= times)
    for taken in orders("drop", 16):
        assert np.all(np.diff(taken) >= 0)
        assert np.diff(taken).max() >= 2 or taken[0] > 0
        assert np.all(taken >= times)
    for taken in orders("swap", 16):
        assert sorted(taken) == list(times)
        assert np.abs(taken - times).max() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_come_from_the_named_frames(kind: str, clip: MakerClip) -> None:
    """On a face that stands still, the middle of the mask is the named frame's picture itself."""
    fixed = MakerClip(clip.faces, np.repeat(clip.landmarks[:1], 8, 0))
    made = MAKERS.build("temporal_face", kind=kind)(fixed, np.random.default_rng(4))
    assert made.parameters["kind"] == kind
    for t, source in enumerate(made.parameters["frames"]):
        if source == t:
            assert made.mask[t].max() == 0
        full = made.mask[t] == 1
        assert np.array_equal(made.faces[t][full], clip.faces[source][full])


def test_all_kinds_are_drawn(clip: MakerClip) -> None:
    make = MAKERS.build("temporal_face")
    assert {make(clip, np.random.default_rng(s)).parameters["kind"] for s in range(40)} == set(KINDS)


def test_reflection_at_the_ends() -> None:
    assert reflect(np.arange(-3, 9), 4).tolist() == [3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert reflect(np.arange(3), 1).tolist() == [0, 0, 0]


def test_curves_are_bounded_and_as_slow_as_asked() -> None:
    for seed in range(20):
        curve = slow_curve(64, np.random.default_rng(seed), frames_per_knot=16)
        assert np.abs(curve).max() <= 1
        assert np.abs(np.diff(curve)).max() <= np.pi / 16
    white = jitter(4000, np.random.default_rng(0), inertia=0.0)[:, 0]
    slow = jitter(4000, np.random.default_rng(0), inertia=0.9)[:, 0]
    assert np.corrcoef(white[1:], white[:-1])[0, 1] == pytest.approx(0, abs=0.06)
    assert np.corrcoef(slow[1:], slow[:-1])[0, 1] == pytest.approx(0.9, abs=0.05)
    assert white.std() == pytest.approx(slow.std(), abs=0.08)


def test_what_cannot_be_done_is_refused(clip: MakerClip) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'frozen'"):
        MAKERS.build("temporal_face", kind="froze")
    with pytest.raises(ConfigError, match="most_lag is 0"):
        MAKERS.build("temporal_face", most_lag=0)
    with pytest.raises(UsageError, match="at least 2"):
        MAKERS.build("temporal_face")(MakerClip(clip.faces[:1], clip.landmarks[:1]), np.random.default_rng(0))
