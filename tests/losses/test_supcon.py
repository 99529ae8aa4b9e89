"""Supervised contrastive loss, one- and two-level: loops, the library, its floors."""

from __future__ import annotations

import math

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def build(num_classes, *, name="supcon", dim=6, **options):
    return LOSSES.build(name, num_classes=num_classes, embedding_dim=dim, **options)


def slow(temperature, same_side=0.0):
    def loss(z, y, _):
        everyone = range(len(z))
        terms = []
        for i in everyone:
            s = [(z[i] * z[j]).sum() / z[i].norm() / z[j].norm() / temperature for j in everyone]
            total = torch.log(sum(s[a].exp() for a in everyone if a != i))
            weighted = weight = 0.0
            for p in everyone:
                both_fake = y[p] > 0 and y[i] > 0
                w = 0.0 if p == i else 1.0 if y[p] == y[i] else same_side if both_fake else 0.0
                weighted, weight = weighted + w * (total - s[p]), weight + w
            if weight:
                terms.append(weighted / weight)
        return torch.stack(terms).mean()

    return loss


@CLASSES
@pytest.mark.parametrize("temperature", [0.07, 0.1, 0.5])
@pytest.mark.parametrize("size", [12, 6])
def test_values_and_gradients(batch, assert_same, num_classes, temperature, size):
    z, y = batch(num_classes, size=size)
    assert_same(build(num_classes, temperature=temperature), slow(temperature), z, y)


@CLASSES
@pytest.mark.parametrize("weight", [0.1, 1.0])
def test_two_level_values_and_gradients(batch, assert_same, num_classes, weight):
    z, y = batch(num_classes)
    ours = build(num_classes, name="supcon_two_level_r", same_side_weight=weight)
    assert_same(ours, slow(0.1, weight), z, y)


@CLASSES
def test_metric_learning_library_agrees(batch, num_classes):
    from pytorch_metric_learning.losses import SupConLoss

    z, y = batch(num_classes, size=20)
    a, b = z.clone().requires_grad_(), z.clone().requires_grad_()
    mine, theirs = build(num_classes)(a, y), SupConLoss(temperature=0.1)(b, y)
    torch.testing.assert_close(mine, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(v, x)[0] for v, x in ((mine, a), (theirs, b))))


def test_two_level_at_weight_one_is_real_against_fake(batch):
    z, y = batch(5)
    two_level = build(5, name="supcon_two_level_r", same_side_weight=1.0)
    torch.testing.assert_close(two_level(z, y), build(2)(z, (y > 0).long()))


def test_two_classes_have_one_level(batch):
    z, y = batch(2)
    torch.testing.assert_close(build(2, name="supcon_two_level_r")(z, y), build(2)(z, y))


@pytest.mark.parametrize("size", [8, 32])
def test_floor_of_two_collapsed_opposite_classes(size):
    y = torch.arange(size) % 2
    z = torch.zeros(size, 6)
    z[:, 0] = 1.0 - 2.0 * y
    assert build(2, temperature=0.05)(z, y).item() == pytest.approx(math.log(size / 2 - 1), rel=1e-5)


@pytest.mark.parametrize("size", [8, 32])
def test_floor_of_one_collapsed_point(size):
    assert build(2)(torch.ones(size, 6), torch.arange(size) % 2).item() == pytest.approx(
        math.log(size - 1), rel=1e-5
    )


def test_per_clip_averages_to_the_loss_and_is_zero_without_a_positive(batch):
    z, y = batch(2)
    torch.testing.assert_close(build(2).per_clip(z, y).mean(), build(2)(z, y))
    y = torch.tensor([0, 0, 0, 1])
    values = build(2).per_clip(z[:4], y)
    assert values[3] == 0
    torch.testing.assert_close(build(2)(z[:4], y), values[:3].mean())


def test_options_out_of_range_are_refused():
    with pytest.raises(LossInputError, match="temperature"):
        build(2, temperature=0.0)
    with pytest.raises(LossInputError, match="use 'supcon'"):
        build(2, name="supcon_two_level_r", same_side_weight=0.0)
