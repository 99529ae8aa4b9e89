"""ArcFace against its equation, its guards, its two-class identity, and pytorch-metric-learning."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses.angular import ARC_GUARDS, add_angle

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def guarded(c, m, guard):
    theta = torch.acos(c)
    if guard == "easy":
        return torch.cos(theta + m) if c > 0 else c
    if guard == "none" or theta + m <= math.pi:
        return torch.cos(theta + m)
    return c - m * math.sin(m) if guard == "linear" else torch.cos(torch.clamp(theta + m, max=math.pi))


@CLASSES
@pytest.mark.parametrize("guard", ARC_GUARDS)
def test_values_and_gradients(batch, assert_same, build_head, slow_head, num_classes, guard):
    loss = build_head("arcface", num_classes, scale=8.0, margin_radians=1.1, arc_guard=guard)
    z, y = batch(num_classes, size=40)
    beyond = torch.acos(loss.cosines(z).gather(1, y[:, None])) + 1.1 > math.pi
    assert 0 < beyond.sum() < len(z)  # both sides of the seam are tested
    assert_same(loss, slow_head(lambda c, i: guarded(c, 1.1, guard), scale=8.0), z, y)


@CLASSES
def test_detached_gradient_is_the_plain_cosines(batch, assert_same, build_head, slow_head, num_classes):
    loss = build_head("arcface", num_classes, scale=8.0, margin_radians=0.5, gradient="detached")
    oracle = slow_head(lambda c, i: c + (guarded(c, 0.5, "linear") - c).detach(), scale=8.0)
    assert_same(loss, oracle, *batch(num_classes))


@CLASSES
def test_library_agrees(batch, build_head, assert_library_agrees, num_classes):
    from pytorch_metric_learning.losses import ArcFaceLoss

    # the library takes degrees
    theirs = ArcFaceLoss(num_classes=num_classes, embedding_size=6, margin=float(np.rad2deg(0.5)), scale=16)
    ours = build_head("arcface", num_classes, margin_radians=0.5, scale=16.0)
    assert_library_agrees(ours, theirs, *batch(num_classes, size=30))


def test_two_class_identity(build_head):
    m, s = 0.8, 5.0
    loss = build_head("arcface", 2, dim=2, scale=s, margin_radians=m, weights="simplex", arc_guard="none")
    base = math.atan2(loss.weight[1, 1], loss.weight[1, 0])
    theta = torch.linspace(0.02, math.pi - 0.02, 50, dtype=torch.float64)
    z = torch.stack([torch.cos(base + theta), torch.sin(base + theta)], dim=1)
    expected = torch.nn.functional.softplus(-s * 2 * math.cos(m / 2) * torch.cos(theta + m / 2))
    torch.testing.assert_close(loss.per_clip(z, torch.ones(50, dtype=torch.int64)), expected)


@pytest.mark.parametrize("guard", ["linear", "clamp"])
@pytest.mark.parametrize("margin", [0.0, 0.2, 0.5, 1.1, math.pi / 2])
def test_guarded_margin_never_rises_with_the_angle(guard, margin):
    theta = torch.linspace(0.0, math.pi, 20_001, dtype=torch.float64)
    c = theta.cos().requires_grad_()
    psi = add_angle(c, margin, guard)
    assert (psi.diff() <= 1e-12).all()
    (slope,) = torch.autograd.grad(psi.sum(), c)
    assert (slope >= 0).all()
    assert torch.isfinite(slope).all()


def test_unguarded_margin_pushes_the_wrong_way_beyond_the_seam():
    c = torch.tensor([math.cos(2.7), math.cos(3.0)], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(add_angle(c, 0.5, "none").sum(), c)
    assert slope.tolist() == pytest.approx([-0.136, -2.486], abs=2e-3)


def test_linear_guard_steps_down_at_the_seam():
    seam = -math.cos(0.5)
    before, after = add_angle(torch.tensor([seam + 1e-9, seam - 1e-9], dtype=torch.float64), 0.5, "linear")
    assert before.item() - after.item() == pytest.approx(0.117, abs=1e-3)


def test_degrees_are_recognised_as_a_mistake(build_head):
    with pytest.raises(LossInputError, match=r"margin_radians is 28\.6; it takes 0 to 1\.57.*radians"):
        build_head("arcface", 2, margin_radians=28.6)


def test_unknown_guard_is_refused(build_head):
    with pytest.raises(LossInputError, match="arc_guard is 'cgd'; it takes linear, clamp, easy, none"):
        build_head("arcface", 2, arc_guard="cgd")
