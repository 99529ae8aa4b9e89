"""Position vectors: the closed form, and what interpolation of learned rows does."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidfake.models.aggregators.positions import Positions, sinusoidal


@given(position=st.floats(0, 500), half=st.integers(1, 16))
def test_sinusoidal_is_the_closed_form(position: float, half: int) -> None:
    width = 2 * half
    vector = sinusoidal(torch.tensor([[position]]), width)[0, 0]
    value = torch.tensor(position).item()  # as float32 holds it
    for i in range(half):
        angle = value / 10000 ** (2 * i / width)
        assert vector[2 * i].item() == pytest.approx(math.sin(angle), abs=1e-4)
        assert vector[2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-4)


def test_shifting_time_is_a_rotation() -> None:
    """Why this code suits relative time: the product of two positions depends on their distance only."""
    times = torch.arange(12.0).view(1, 12)
    vectors = sinusoidal(times, 32)[0].double()
    products = vectors @ vectors.T
    for distance in range(1, 6):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[0].expand_as(diagonal), rtol=1e-4, atol=1e-4)


def learned(**changes: object) -> Positions:
    options = {"width": 4, "kind": "learned", "time_unit": "seconds", "num_frames": 5}
    return Positions(**{**options, "positions_per_second": 25.0, "span_seconds": 2.0, **changes})  # type: ignore[arg-type]


def test_learned_rows_are_spread_over_the_span_and_interpolated() -> None:
    positions = learned()
    table = positions.position_table
    assert table is not None
    times = torch.tensor([[0.0, 0.5, 0.75, 2.0, 9.0]])
    vectors = positions(torch.zeros(1, 5), times)[0]
    expected = torch.stack([table[0], table[1], (table[1] + table[2]) / 2, table[4], table[4]])
    torch.testing.assert_close(vectors, expected)


def test_learned_rows_in_frames_are_the_table() -> None:
    positions = learned(time_unit="frames")
    table = positions.position_table
    assert table is not None
    assert torch.equal(positions(torch.arange(5.0).view(1, 5), torch.zeros(1, 5))[0], table)
    halfway = positions(torch.tensor([[0.5]]), torch.zeros(1, 1))[0, 0]
    torch.testing.assert_close(halfway, (table[0] + table[1]) / 2)


def test_one_row_serves_every_time() -> None:
    positions = learned(num_frames=1)
    vectors = positions(torch.zeros(1, 3), torch.tensor([[0.0, 1.0, 5.0]]))
    assert (vectors == vectors[:, :1]).all()
