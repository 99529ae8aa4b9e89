"""Cam-softmax against its equation, and the properties of its curve."""

from __future__ import annotations

import math

import pytest
import torch

from vidfake.losses import LossContext
from vidfake.losses.cam_softmax import bent


def cam(u, c):
    p = -1 / (math.log2(1 + math.cos(c)) - 1)
    return (u + 1) ** p / 2 ** (p - 1) - 1


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize(("progress", "angle"), [(0.0, math.pi / 2), (0.2, 0.45 * math.pi), (1.0, 3 / 8 * math.pi)])
def test_values_and_gradients(batch, assert_same, build_head, slow_head, num_classes, progress, angle):
    loss = build_head("cam_softmax", num_classes, scale=6.0, stop_radians=3 / 8 * math.pi, decay_share=0.5)
    assert loss.zero_angle(progress) == pytest.approx(angle)
    oracle = slow_head(lambda c, i: cam(c, angle), scale=6.0)
    assert_same(loss, oracle, *batch(num_classes), context=LossContext(progress=progress))


@pytest.mark.parametrize(("angle", "power"), [(math.pi / 2, 1.0), (math.pi / 3, 2.41), (math.pi / 4, 4.38)])
def test_curve_crosses_zero_at_its_angle(angle, power):
    points = torch.tensor([1.0, -1.0, math.cos(angle)], dtype=torch.float64)
    assert bent(points, angle).tolist() == pytest.approx([1.0, -1.0, 0.0], abs=1e-5)
    assert -1 / (math.log2(1 + math.cos(angle)) - 1) == pytest.approx(power, abs=0.01)


def test_at_a_right_angle_nothing_is_bent():
    u = torch.linspace(-0.99, 1, 50, dtype=torch.float64)
    torch.testing.assert_close(bent(u, math.pi / 2), u)


def test_opposite_clips_have_finite_gradients():
    u = torch.tensor([-1.0, -1.0 - 1e-7], requires_grad=True)
    bent(u, math.pi / 4).sum().backward()
    assert torch.isfinite(u.grad).all()
