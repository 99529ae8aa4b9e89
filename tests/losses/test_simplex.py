"""Simplex weights: their angles, their place in any head, and the head that is only that."""

from __future__ import annotations

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses.simplex import simplex_rows


@pytest.mark.parametrize(("rows", "dim"), [(2, 2), (2, 128), (3, 3), (5, 16), (10, 256)])
def test_corners_are_unit_and_equally_far_apart(rows, dim):
    weight = simplex_rows(rows, dim).double()
    expected = torch.full((rows, rows), -1.0 / (rows - 1), dtype=torch.float64)
    expected.fill_diagonal_(1.0)
    torch.testing.assert_close(weight @ weight.T, expected, rtol=0, atol=1e-6)


def test_no_coordinate_is_special():
    weight = simplex_rows(5, 64)
    assert (weight.square().sum(0) < 0.25).all()


def test_more_corners_than_dimensions_are_refused():
    with pytest.raises(LossInputError, match="simplex of 5 class weights does not fit into 4 dimensions"):
        simplex_rows(5, 4)


@pytest.mark.parametrize("name", ["softmax", "arcface", "subcenter_arcface", "p2sgrad", "uniface"])
def test_any_head_takes_them_and_does_not_train_them(batch, build_head, name):
    z, y = batch(2, dim=8)
    loss = build_head(name, 2, dim=8, weights="simplex")
    before = loss.weight.clone()
    assert "weight" not in dict(loss.named_parameters())
    assert "weight" in loss.state_dict()
    z.requires_grad_()
    loss(z, y).backward()
    assert z.grad.abs().sum() > 0
    assert torch.equal(loss.weight, before)


@pytest.mark.parametrize("num_classes", [2, 5])
def test_head_values_and_gradients(batch, assert_same, build_head, slow_head, num_classes):
    loss = build_head("fixed_simplex", num_classes, scale=3.0)
    assert not list(loss.parameters())
    # weights are stored in float32, so the oracle's own normalisation differs in the ninth digit
    loss.weight.copy_(torch.nn.functional.normalize(loss.weight))
    assert_same(loss, slow_head(lambda c, i: c, scale=3.0), *batch(num_classes))
