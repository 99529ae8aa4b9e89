"""Exact times and indices by hand, and the promises of the docstrings for any input."""

from __future__ import annotations

import doctest
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidfake.video import sampling
from vidfake.video.sampling import choose_frames, clip_spans, merge_spans, plan_clips

PLAN = {"num_frames": 16, "frame_interval_seconds": 0.04, "clip_interval_seconds": 2.5, "max_clips": 32}

times = st.lists(st.integers(1, 500), min_size=0, max_size=60).map(
    lambda steps: np.concatenate([[0], np.cumsum(steps)]) / 1000
)


def test_documented_examples() -> None:
    result = doctest.testmod(sampling, extraglobs={"np": np})
    assert result.attempted >= 8
    assert result.failed == 0


def starts(clips: list[Any]) -> list[float]:
    return [round(float(clip[0]), 6) for clip in clips]


def plan(start: float, end: float, **changes: Any) -> list[Any]:
    return plan_clips(start, end, **(PLAN | changes))


def test_ten_seconds_at_the_defaults() -> None:
    """Frames at 0 … 9.96 s; a clip lasts 0.6 s, so starts lie in 0 … 9.36: four of them, at least 2.5 s apart."""
    clips = plan(0.0, 9.96)
    assert starts(clips) == [0.0, 3.12, 6.24, 9.36]
    assert all(len(clip) == 16 for clip in clips)
    assert np.allclose(clips[-1], 9.36 + 0.04 * np.arange(16))


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (0.6, [0.0]),  # exactly one clip
        (3.0, [1.2]),  # room of 2.4 s: a second one would start too soon, so the one is in the middle
        (3.1, [0.0, 2.5]),  # room of 2.5 s: exactly two
        (5.6, [0.0, 2.5, 5.0]),
        (5.5, [0.0, 4.9]),  # a hair less than three: two, spread to the ends
    ],
)
def test_number_and_place_of_clips(end: float, expected: list[float]) -> None:
    assert starts(plan(0.0, end)) == expected


def test_an_hour_is_covered_evenly_by_the_most_clips_allowed() -> None:
    clips = plan(10.0, 3610.0)
    assert len(clips) == 32
    assert np.allclose(np.diff(starts(clips)), (3600 - 0.6) / 31)
    assert (clips[0][0], clips[-1][-1]) == (10.0, 3610.0)


def test_shorter_than_a_clip() -> None:
    assert np.allclose(plan(2.0, 2.36)[0], 2.0 + 0.04 * np.arange(10))
    assert plan(2.0, 2.0)[0].tolist() == [2.0]


def test_rounding_does_not_cost_a_frame() -> None:
    """A track of 16 frames at 25 fps whose times came out of a division."""
    pts = np.arange(301, 317) / 25
    (clip,) = plan(pts[0], pts[-1])
    assert choose_frames(pts, clip).tolist() == list(range(16))


@given(
    st.floats(-100, 100), st.floats(0, 2000), st.integers(1, 40), st.sampled_from([0.0, 0.01, 0.04, 1 / 3, 2.0]),
    st.sampled_from([0.1, 1.0, 2.5, 60.0]), st.integers(1, 40),
)  # fmt: skip
def test_plans_in_general(
    start: float, length: float, num_frames: int, interval: float, clip_interval: float, max_clips: int
) -> None:
    end = start + length
    clips = plan_clips(
        start, end, num_frames=num_frames, frame_interval_seconds=interval, clip_interval_seconds=clip_interval,
        max_clips=max_clips,
    )  # fmt: skip
    assert 1 <= len(clips) <= max_clips
    duration = (num_frames - 1) * interval
    for clip in clips:
        assert 1 <= len(clip) <= num_frames
        assert start <= clip[0] <= clip[-1] <= end
        assert np.allclose(np.diff(clip), interval, atol=1e-6)
        assert len(clip) == num_frames or (len(clips) == 1 and clip[-1] + interval > end)
    gaps = np.diff([clip[0] for clip in clips])
    if len(clips) > 1:
        assert clips[0][0] == start
        assert np.isclose(clips[-1][-1], end)
        assert np.allclose(gaps, gaps[0])
        assert gaps[0] >= clip_interval - 1e-6
        # one more would not have fit, or was not allowed
        assert len(clips) == max_clips or (length - duration) / len(clips) < clip_interval
    elif length >= duration:
        assert np.isclose(clips[0][0] - start, end - clips[0][0] - duration, atol=1e-5)
        assert max_clips == 1 or length - duration < clip_interval


@pytest.mark.parametrize(
    "change",
    [
        {"num_frames": 0}, {"max_clips": 0}, {"frame_interval_seconds": -0.1}, {"clip_interval_seconds": 0.0},
    ],
)  # fmt: skip
def test_plans_that_cannot_be(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least"):
        plan(0.0, 10.0, **change)
    with pytest.raises(ValueError, match="finite"):
        plan(5.0, 4.0)
    with pytest.raises(ValueError, match="finite"):
        plan(0.0, float("nan"))


# ---- choosing


def chosen_by_search(pts: Any, targets: Any) -> list[int]:
    """The docstring, word by word and slowly."""
    if len(pts) < len(targets):
        return list(range(len(pts)))
    result: list[int] = []
    for k, target in enumerate(targets):
        first = result[-1] + 1 if result else 0
        last = len(pts) - (len(targets) - k)
        result.append(min(range(first, last + 1), key=lambda i: (abs(pts[i] - target), i)))
    return result


@pytest.mark.parametrize(
    ("pts", "targets", "expected"),
    [
        ([0, 1, 2, 3, 4], [0, 2, 4], [0, 2, 4]),
        ([0, 1, 2, 3, 4], [0.4, 0.6], [0, 1]),
        ([0, 1, 2, 3, 4], [0.5, 1.5, 2.5], [0, 1, 2]),  # ties go to the earlier frame
        ([0, 1, 2, 3, 4], [9, 9], [3, 4]),
        ([0, 1, 2, 3, 4], [-9, -9], [0, 1]),
        ([0, 1, 2, 3, 4], [2, 2, 2], [2, 3, 4]),  # interval 0
        ([0, 1, 2, 3, 4], [4, 4, 4], [2, 3, 4]),  # interval 0, no room after
        ([0, 10, 11, 12, 30], [0, 4, 8, 12], [0, 1, 2, 3]),  # variable frame rate
        ([0, 10, 11, 12, 30], [20.9], [3]),
        ([0, 10, 11, 12, 30], [21.1], [4]),
        ([7], [0, 1], [0]),
        ([], [1], []),
        ([1, 2], [], []),
    ],
)
def test_chosen_by_hand(pts: list[float], targets: list[float], expected: list[int]) -> None:
    assert choose_frames(np.array(pts, float), np.array(targets, float)).tolist() == expected


def test_every_small_case() -> None:
    """All sets of up to 5 frames on a grid of 6 times, with all sorted targets of up to 3 on a half-step grid."""
    grid = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    halves = [-1.0, 0.0, 0.5, 1.0, 2.5, 3.0, 4.5, 6.0]
    for size in range(1, 6):
        for pts in itertools.combinations(grid, size):
            for count in range(1, 4):
                for targets in itertools.combinations_with_replacement(halves, count):
                    got = choose_frames(np.array(pts), np.array(targets)).tolist()
                    assert got == chosen_by_search(pts, targets), (pts, targets)


@given(times, st.lists(st.integers(-2000, 20000), max_size=30).map(lambda t: np.sort(np.array(t, float)) / 1000))
@settings(max_examples=300)
def test_chosen_in_general(pts: Any, targets: Any) -> None:
    chosen = choose_frames(pts, targets)
    assert chosen.dtype == np.int64
    assert len(chosen) == min(len(pts), len(targets))
    assert np.all(np.diff(chosen) > 0)
    assert np.all((chosen >= 0) & (chosen < len(pts)))
    assert chosen.tolist() == chosen_by_search(pts, targets)
    assert np.array_equal(chosen, choose_frames(pts, targets))


@given(times, st.integers(2, 20))
def test_with_room_each_frame_is_the_nearest_of_all(pts: Any, count: int) -> None:
    """Targets further apart than the frames: no target has to step aside for another."""
    widest = float(np.max(np.diff(pts), initial=0.001))
    targets = pts[0] + np.arange(count) * widest * 1.001
    targets = targets[targets <= pts[-1]]
    for index, target in zip(choose_frames(pts, targets), targets, strict=True):
        assert abs(pts[index] - target) <= np.min(np.abs(pts - target)) + 1e-12


@given(times.filter(lambda t: len(t) > 1), st.integers(1, 20), st.integers(1, 5))
def test_interval_zero_takes_every_frame(pts: Any, num_frames: int, max_clips: int) -> None:
    for clip in plan_clips(
        pts[0], pts[-1], num_frames=num_frames, frame_interval_seconds=0.0, clip_interval_seconds=0.5,
        max_clips=max_clips,
    ):  # fmt: skip
        chosen = choose_frames(pts, clip)
        assert len(chosen) == min(num_frames, len(pts))
        assert np.all(np.diff(chosen) == 1)


# ---- spans


@given(times.filter(lambda t: len(t) > 4), st.integers(1, 8), st.sampled_from([0.0, 0.04, 0.2]), st.integers(1, 6))
@settings(max_examples=300)
def test_spans_hold_every_frame_that_is_chosen(pts: Any, num_frames: int, interval: float, max_clips: int) -> None:
    clips = plan_clips(
        pts[0], pts[-1], num_frames=num_frames, frame_interval_seconds=interval, clip_interval_seconds=0.3,
        max_clips=max_clips,
    )  # fmt: skip
    widest = float(np.diff(pts).max())
    spans = clip_spans(clips, frame_seconds=widest, padding_seconds=widest)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(spans))
    for clip in clips:
        for seconds in pts[choose_frames(pts, clip)]:
            assert any(start - 1e-9 <= seconds <= end + 1e-9 for start, end in spans)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10)).map(lambda t: (float(t[0]), float(sum(t))))))
def test_merging_changes_no_membership(spans: list[tuple[float, float]]) -> None:
    merged = merge_spans(spans)
    assert merged == sorted(merged)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(merged))
    for tick in range(0, 130):
        seconds = tick / 2
        assert any(a <= seconds <= b for a, b in spans) == any(a <= seconds <= b for a, b in merged)


def test_a_span_that_is_none() -> None:
    with pytest.raises(ValueError, match="does not end after it starts"):
        merge_spans([(1.0, float("nan"))])
