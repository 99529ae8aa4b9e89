"""Class-level circle loss against its equation, and its circular boundary."""

from __future__ import annotations

import math

import pytest
import torch


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("margin", [0.1, 0.4])
def test_values_and_gradients(batch, assert_same, build_head, slow_head, num_classes, margin):
    def target(c, i):
        return max(0.0, 1 + margin - c.item()) * (c - (1 - margin))

    def other(c, true, i):
        return max(0.0, c.item() + margin) * (c - margin)

    loss = build_head("circle_class", num_classes, scale=8.0, margin=margin)
    z, y = batch(num_classes, size=20)
    assert (loss.cosines(z) < -margin).any()  # negatives that no longer push
    assert_same(loss, slow_head(target, other, scale=8.0), z, y)


def test_detached_gradient_is_the_plain_cosines(batch, assert_same, build_head, slow_head):
    def target(c, i):
        return c + ((1.25 - c) * (c - 0.75) - c).detach()

    def other(c, true, i):
        return c + (torch.relu(c + 0.25) * (c - 0.25) - c).detach()

    loss = build_head("circle_class", 5, scale=8.0, margin=0.25, gradient="detached")
    assert_same(loss, slow_head(target, other, scale=8.0), *batch(5))


def test_boundary_is_a_circle(build_head):
    margin = 0.3
    loss = build_head("circle_class", 2, dim=2, margin=margin)
    radius = math.sqrt(2) * margin
    for turn in (k * math.pi / 12 for k in range(6)):
        true, other = 1 - radius * math.cos(turn), radius * math.sin(turn)
        # weights placed so that the clip (1, 0) has exactly these cosines
        loss.weight.data = torch.tensor(
            [[true, math.sqrt(1 - true**2)], [other, math.sqrt(1 - other**2)]], dtype=torch.float64
        )
        value = loss(torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.tensor([0]))
        assert value.item() == pytest.approx(math.log(2), abs=1e-9)
