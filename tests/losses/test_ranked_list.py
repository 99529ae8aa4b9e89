"""Ranked list loss: loops, the library, its two balls."""

from __future__ import annotations

import warnings

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def build(num_classes, dim=6, **options):
    return LOSSES.build("ranked_list", num_classes=num_classes, embedding_dim=dim, **options)


def slow(*, alpha=1.2, margin=0.4, negative_temperature=10.0, negative_share=0.5, gradient="full"):
    def loss(z, y, _):
        u = [v / v.norm() for v in z]
        everyone = range(len(z))
        terms = []
        for i in everyone:
            d = [(u[i] - u[j]).norm() if j != i else torch.zeros((), dtype=u[i].dtype) for j in everyone]
            far = [d[j] - (alpha - margin) for j in everyone if j != i and y[j] == y[i] and d[j] > alpha - margin]
            near = [alpha - d[j] for j in everyone if y[j] != y[i] and d[j] < alpha]
            w = [(negative_temperature * (n if gradient == "full" else n.detach())).exp() for n in near]
            pull = sum(far) / len(far) if far else 0.0
            push = sum(a * b for a, b in zip(w, near, strict=True)) / sum(w) if near else 0.0
            terms.append(u[i].sum() * 0 + (1 - negative_share) * pull + negative_share * push)
        return torch.stack(terms).mean()

    return loss


@CLASSES
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"gradient": "detached"},
        {"alpha": 1.4, "margin": 0.6, "negative_temperature": 1.0},
        {"negative_temperature": 0.0, "negative_share": 0.8},
    ],
    ids=str,
)
def test_values_and_gradients(batch, assert_same, num_classes, options):
    z, y = batch(num_classes)
    assert_same(build(num_classes, **options), slow(**options), z, y)


@CLASSES
def test_metric_learning_library_agrees(batch, num_classes):
    from pytorch_metric_learning.losses import RankedListLoss

    z, y = batch(num_classes, size=20)
    a, b = z.clone().requires_grad_(), z.clone().requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it warns of temperatures above 5
        library = RankedListLoss(margin=0.4, Tn=10, alpha=1.2)
    mine, theirs = build(num_classes)(a, y), library(b, y)
    # the library adds 1e-5 to every weight, also to those of pairs that do not count
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-4)
    gradients = (torch.autograd.grad(v, x)[0] for v, x in ((mine, a), (theirs, b)))
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-4)


def test_classes_inside_their_balls_cost_nothing():
    angles = torch.tensor([-0.3, 0.0, 0.3, 2.9, 3.2, 3.4])
    z = torch.stack([angles.cos(), angles.sin()], dim=1)
    assert build(2, dim=2)(z, torch.tensor([0, 0, 0, 1, 1, 1])) == 0


def test_per_clip_averages_to_the_loss(batch):
    z, y = batch(5)
    torch.testing.assert_close(build(5).per_clip(z, y).mean(), build(5)(z, y))


def test_largest_temperature_is_finite():
    z = torch.ones(8, 6, requires_grad=True)
    value = build(2, alpha=2.0, negative_temperature=30.0)(z, torch.arange(8) % 2)
    value.backward()
    assert value.item() == pytest.approx(1.0)
    assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize(
    "options", [{"alpha": 2.5}, {"margin": 1.3}, {"negative_temperature": 60.0}, {"negative_share": -0.1}], ids=str
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(LossInputError, match=next(iter(options))):
        build(2, **options)
