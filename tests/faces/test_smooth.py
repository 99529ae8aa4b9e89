from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from vidfake.faces.smooth import interpolate, reach_seconds, smooth
from vidfake.types import FloatArray

SIGMA = 0.08


def uneven_times(n: int = 60, seed: int = 0) -> FloatArray:
    return np.cumsum(np.random.default_rng(seed).uniform(0.01, 0.09, n)) + 3.0


def line_fit(times: FloatArray, values: FloatArray, at: float, sigma: float) -> FloatArray:
    """The definition, by numpy's own weighted least squares."""
    near = np.abs(times - at) <= reach_seconds(sigma)
    weights = np.exp(-0.5 * ((times[near] - at) / sigma) ** 2)
    return np.polyfit(times[near] - at, values[near], deg=1, w=np.sqrt(weights))[1]


def test_equals_weighted_least_squares_line() -> None:
    times = uneven_times()
    values = np.random.default_rng(1).normal(size=(60, 3))
    expected = np.stack([line_fit(times, values, t, SIGMA) for t in times])
    np.testing.assert_allclose(smooth(times, values, times, sigma_seconds=SIGMA), expected, atol=1e-9)


def test_equals_gaussian_filter_inside_even_samples() -> None:
    times = np.arange(100) / 25
    values = np.random.default_rng(2).normal(size=(100, 2))
    # 3 sigma of 0.08 s at 25 fps is 6 samples
    expected = gaussian_filter1d(values, SIGMA * 25, axis=0, radius=6)
    ours = smooth(times, values, times, sigma_seconds=SIGMA)
    np.testing.assert_allclose(ours[6:-6], expected[6:-6], atol=1e-9)


@given(st.integers(2, 50), st.integers(0, 1000), st.floats(-50, 50), st.floats(0.01, 0.5))
def test_steady_motion_is_unchanged_up_to_the_ends(n: int, seed: int, speed: float, sigma: float) -> None:
    times = uneven_times(n, seed)
    values = np.stack([speed * times + 7, np.full(n, 4.0)], axis=1)
    np.testing.assert_allclose(smooth(times, values, times, sigma_seconds=sigma), values, atol=1e-6)


def test_no_delay_backwards_in_time_is_the_same_backwards() -> None:
    times = uneven_times()
    values = np.random.default_rng(3).normal(size=(60, 1))
    forward = smooth(times, values, times, sigma_seconds=SIGMA)
    backward = smooth(-times[::-1], values[::-1], -times[::-1], sigma_seconds=SIGMA)
    np.testing.assert_allclose(forward, backward[::-1], atol=1e-12)


def test_part_with_reach_equals_whole_to_the_last_bit() -> None:
    times = uneven_times(300)
    values = np.random.default_rng(4).normal(size=(300, 14))
    whole = smooth(times, values, times, sigma_seconds=SIGMA)
    for start, stop in ((0, 5), (100, 116), (250, 300)):
        at = times[start:stop]
        near = (times >= at[0] - reach_seconds(SIGMA)) & (times <= at[-1] + reach_seconds(SIGMA))
        part = smooth(times[near], values[near], at, sigma_seconds=SIGMA)
        assert part.tobytes() == whole[start:stop].tobytes()


def test_noise_goes_down() -> None:
    times = np.arange(400) / 25
    noise = np.random.default_rng(5).normal(size=(400, 1))
    assert smooth(times, noise, times, sigma_seconds=SIGMA).std() < 0.45 * noise.std()


def test_lone_sample_is_its_own_value() -> None:
    times, values = np.array([1.0, 9.0]), np.array([[3.0], [5.0]])
    np.testing.assert_array_equal(smooth(times, values, times, sigma_seconds=SIGMA), values)


def test_sigma_zero_interpolates() -> None:
    times, values = np.array([0.0, 1.0]), np.array([[0.0], [10.0]])
    np.testing.assert_allclose(smooth(times, values, np.array([0.25]), sigma_seconds=0.0), [[2.5]])


@pytest.mark.parametrize("n", [1, 2, 20])
def test_interpolate_equals_numpy_column_by_column(n: int) -> None:
    times = uneven_times(n)
    values = np.random.default_rng(6).normal(size=(n, 3))
    at = np.linspace(times[0] - 0.1, times[-1] + 0.1, 37)
    expected = np.stack([np.interp(at, times, column) for column in values.T], axis=1)
    np.testing.assert_allclose(interpolate(times, values, at), expected, atol=1e-9)
