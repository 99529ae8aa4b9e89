from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vidfake.faces.windows import plan_windows
from vidfake.settings import ExtractSettings

SETTINGS = ExtractSettings()


@pytest.mark.parametrize(
    ("frame_rate", "step"),
    [(10, 1), (23.976, 1), (24, 1), (25, 1), (29.97, 1), (30, 1), (50, 2), (59.94, 2), (60, 2)],
)
@pytest.mark.parametrize("ticks", [None, 1000, 90_000])
def test_steps_are_even_at_every_usual_rate(frame_rate: float, step: int, ticks: int | None) -> None:
    times = np.arange(round(11.3 * frame_rate)) / frame_rate + 1.4
    if ticks:
        times = np.round(times * ticks) / ticks  # as containers round them
    windows = plan_windows(times, SETTINGS, variable_frame_rate=False)
    assert len(windows) >= 3
    assert all(len(window) == SETTINGS.num_frames for window in windows)
    assert {int(s) for window in windows for s in np.diff(window)} == {step}
    assert windows[0][0] == 0
    assert windows[-1][-1] >= len(times) - 1 - step


def test_interval_zero_takes_every_frame() -> None:
    windows = plan_windows(
        np.arange(200) / 60, replace(SETTINGS, frame_interval_seconds=0.0), variable_frame_rate=False
    )
    assert {int(s) for window in windows for s in np.diff(window)} == {1}


def test_uneven_times_give_frames_near_the_wanted_times() -> None:
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.05, 600))
    for window in plan_windows(times, SETTINGS, variable_frame_rate=True):
        assert (np.diff(window) > 0).all()
        assert np.median(np.diff(times[window])) == pytest.approx(SETTINGS.frame_interval_seconds, abs=0.01)


@pytest.mark.parametrize("n", [1, 3, 15])
def test_a_short_video_is_one_window_of_all_its_frames(n: int) -> None:
    windows = plan_windows(np.arange(n) / 25, SETTINGS, variable_frame_rate=False)
    assert [window.tolist() for window in windows] == [list(range(n))]


def test_no_frames_no_windows() -> None:
    assert plan_windows(np.empty(0), SETTINGS, variable_frame_rate=False) == []


def test_a_long_video_has_at_most_max_clips_spread_over_it() -> None:
    times = np.arange(25 * 600) / 25
    windows = plan_windows(times, replace(SETTINGS, max_clips=7), variable_frame_rate=False)
    assert len(windows) == 7
    starts = times[[window[0] for window in windows]]
    assert np.ptp(np.diff(starts)) < 0.1
    assert windows[-1][-1] == len(times) - 1
