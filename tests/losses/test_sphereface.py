"""SphereFace, its annealing, SphereFace-R and its variants, against their equations and pytorch-metric-learning."""

from __future__ import annotations

import math

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LossContext
from vidfake.losses.multiplied_angle import multiplied_cosine

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def psi(c, m):
    theta = torch.acos(c)
    k = math.floor(m * theta.item() / math.pi)
    return (-1) ** k * torch.cos(m * theta) - 2 * k


@CLASSES
@pytest.mark.parametrize("margin", [1, 2, 3, 4])
@pytest.mark.parametrize("progress", [0.0, 0.2, 1.0])
def test_values_and_gradients(
    batch, assert_same, build_head, cosine, slow_cross_entropy, num_classes, margin, progress
):
    weight = max(5.0, 1000.0 / (1 + (math.sqrt(200) - 1) * progress / 0.5) ** 2)

    def oracle(z, y, loss):
        total = 0
        for row, k in zip(z, y, strict=True):
            cosines = [cosine(row, w) for w in loss.weight]
            true = (weight * cosines[k] + psi(cosines[k], margin)) / (1 + weight)
            logits = [row.norm() * (true if j == k else c) for j, c in enumerate(cosines)]
            total = total + slow_cross_entropy(logits, k)
        return total / len(z)

    loss = build_head("sphereface", num_classes, margin=margin)
    assert_same(loss, oracle, *batch(num_classes), context=LossContext(progress=progress))


@CLASSES
@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
def test_library_agrees(batch, build_head, assert_library_agrees, num_classes):
    from pytorch_metric_learning.losses import SphereFaceLoss

    theirs = SphereFaceLoss(num_classes=num_classes, embedding_size=6, margin=4, scale=1)
    ours = build_head("sphereface", num_classes, margin=4, anneal_start=0.0, anneal_end=0.0)
    assert_library_agrees(ours, theirs, *batch(num_classes))


def test_annealing_falls_from_start_to_end(build_head):
    loss = build_head("sphereface", 2)
    assert loss.annealing(0.0) == 1000.0
    assert loss.annealing(0.5) == pytest.approx(5.0)
    assert loss.annealing(1.0) == 5.0
    steps = [loss.annealing(p / 100) for p in range(101)]
    assert steps == sorted(steps, reverse=True)


@pytest.mark.parametrize("multiplier", [1, 2, 3, 4, 8])
def test_multiplied_cosine_falls_from_one_to_one_minus_twice_m(multiplier):
    theta = torch.linspace(0, math.pi, 5001, dtype=torch.float64)
    values = multiplied_cosine(theta.cos(), multiplier)
    assert (values.diff() <= 1e-9).all()
    assert values[0].item() == pytest.approx(1.0)
    assert values[-1].item() == pytest.approx(1 - 2 * multiplier)


def test_logits_are_cosines_times_the_norm(batch, build_head):
    z, _ = batch(5)
    loss = build_head("sphereface", 5)
    torch.testing.assert_close(loss.logits(z), loss.cosines(z) * z.norm(dim=1, keepdim=True))


@CLASSES
@pytest.mark.parametrize("variant", ["falling", "v1", "v2"])
@pytest.mark.parametrize("margin", [1.35, 1.7, 4.0])
def test_sphereface_r_values_and_gradients(batch, assert_same, build_head, slow_head, num_classes, variant, margin):
    def target(c, i):
        if variant == "falling":
            return psi(c, margin)
        return torch.cos(torch.clamp(margin * torch.acos(c), max=math.pi)) if variant == "v1" else c

    def other(c, true, i):
        return torch.cos(torch.acos(c) / margin) if variant == "v2" else c

    loss = build_head("sphereface_r", num_classes, scale=6.0, margin=margin, variant=variant, gradient="full")
    assert_same(loss, slow_head(target, other, scale=6.0), *batch(num_classes))


def test_sphereface_r_is_detached_by_default(batch, assert_same, build_head, slow_head):
    loss = build_head("sphereface_r", 5, scale=6.0, margin=1.7)
    assert_same(loss, slow_head(lambda c, i: c + (psi(c, 1.7) - c).detach(), scale=6.0), *batch(5))


def test_sphereface_r_margin_warms_up_from_one(batch, assert_same, build_head, slow_head):
    loss = build_head("sphereface_r", 2, scale=6.0, margin=1.8, gradient="full", margin_warmup=0.4)
    assert_same(loss, slow_head(lambda c, i: psi(c, 1.4), scale=6.0), *batch(2), context=LossContext(progress=0.2))


def test_margins_below_one_are_refused(build_head):
    with pytest.raises(LossInputError, match=r"margin is 0\.5; it takes 1 to 8"):
        build_head("sphereface_r", 2, margin=0.5)
