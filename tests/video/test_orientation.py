"""All eight orientations, against matrices multiplied out point by point."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidfake.types import Region
from vidfake.video.orientation import Orientation

ONE = 1 << 16
EIGHT = [
    (a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30)
    for a, b, c, d in [
        (1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1),
        (0, 1, 1, 0), (0, 1, -1, 0), (0, -1, 1, 0), (0, -1, -1, 0),
    ]
]  # fmt: skip


def shown(matrix: tuple[int, ...], stored: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Each pixel put where ISO 14496-12 sends its centre: x' = a x + c y, y' = b x + d y."""
    a, b, _, c, d = (value // ONE for value in matrix[:5])
    points = {
        (a * (2 * x + 1) + c * (2 * y + 1), b * (2 * x + 1) + d * (2 * y + 1)): stored[y, x]
        for y, x in itertools.product(range(stored.shape[0]), range(stored.shape[1]))
    }
    xs, ys = sorted({x for x, _ in points}), sorted({y for _, y in points})
    return np.array([[points[x, y] for x in xs] for y in ys])


@pytest.mark.parametrize("matrix", EIGHT)
def test_every_orientation(matrix: tuple[int, ...]) -> None:
    stored = np.arange(15).reshape(3, 5)
    orientation = Orientation.from_matrix(matrix)
    upright = orientation.apply(stored)
    assert np.array_equal(upright, shown(matrix, stored))
    assert orientation.upright_size(5, 3) == upright.shape[::-1]
    for x, y, w, h in itertools.product(range(3), range(3), (1, 2), (1, 2)):
        if x + w <= upright.shape[1] and y + h <= upright.shape[0]:
            region = orientation.stored_region(Region(x, y, w, h), 5, 3)
            part = stored[region.y : region.y + region.height, region.x : region.x + region.width]
            assert np.array_equal(orientation.apply(part), upright[y : y + h, x : x + w])


@pytest.mark.parametrize("matrix", EIGHT)
def test_the_words_for_it(matrix: tuple[int, ...]) -> None:
    """A left-right mirror if `mirrored`, then a clockwise turn by `rotation_degrees`, is the same picture."""
    stored = np.arange(15).reshape(3, 5)
    orientation = Orientation.from_matrix(matrix)
    mirrored = np.fliplr(stored) if orientation.mirrored else stored
    turned = np.rot90(mirrored, -orientation.rotation_degrees // 90)
    assert np.array_equal(turned, orientation.apply(stored))


def test_no_matrix_no_change() -> None:
    assert Orientation.from_matrix([0] * 9) == Orientation() == Orientation.from_matrix(EIGHT[0])
    assert Orientation().rotation_degrees == 0


@pytest.mark.parametrize(("degrees", "expected"), [(3, 0), (44, 0), (46, 90), (87, 90), (178, 180), (-92, 270)])
def test_an_angle_between_goes_to_the_nearest_quarter(degrees: float, expected: int) -> None:
    cosine, sine = (round(f(np.radians(degrees)) * ONE) for f in (np.cos, np.sin))
    orientation = Orientation.from_matrix([cosine, sine, 0, -sine, cosine, 0, 0, 0, 1 << 30])
    assert (orientation.rotation_degrees, orientation.mirrored) == (expected, False)


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=9, max_size=9))
def test_any_nine_numbers_give_some_orientation(matrix: list[int]) -> None:
    picture = np.arange(6).reshape(2, 3)
    assert sorted(Orientation.from_matrix(matrix).apply(picture).ravel()) == list(range(6))
