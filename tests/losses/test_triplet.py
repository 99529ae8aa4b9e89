"""Triplet loss: loops over all triplets, the library, collapse, class-aware negatives."""

from __future__ import annotations

import math

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def build(num_classes, dim=6, **options):
    return LOSSES.build("triplet", num_classes=num_classes, embedding_dim=dim, **options)


def slow(*, margin=0.2, mining="semihard", soft=False, squared=False, normalise=True, negatives="other_class"):
    def apart(a, b):
        if normalise:
            a, b = a / a.norm(), b / b.norm()
        return ((a - b) ** 2).sum() if squared else (a - b).norm()

    def is_negative(a, b):
        return a != b if negatives == "other_class" else (a > 0) != (b > 0)

    def loss(z, y, _):
        everyone = range(len(z))
        terms = []
        for a in everyone:
            near = [apart(z[a], z[p]) for p in everyone if p != a and y[p] == y[a]]
            far = [apart(z[a], z[n]) for n in everyone if is_negative(y[a], y[n])]
            if mining == "hard":
                gap = max(near) - min(far)
                terms.append(torch.log(1 + gap.exp()) if soft else torch.relu(gap + margin))
                continue
            for p in near:
                for n in far:
                    if p - n + margin > 0 and (mining == "all" or n > p):
                        terms.append(p - n + margin)
        return torch.stack(terms).mean() if terms else z[0].sum() * 0

    return loss


@CLASSES
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mining": "all"},
        {"mining": "all", "margin": 1.0, "normalise": False},
        {"squared": True, "margin": 0.3},
        {"mining": "hard"},
        {"mining": "hard", "soft": True},
        {"mining": "hard", "squared": True, "normalise": False},
        {"mining": "all", "negatives": "other_side"},
        {"mining": "hard", "negatives": "other_side"},
    ],
    ids=str,
)
def test_values_and_gradients(batch, assert_same, num_classes, options):
    z, y = batch(num_classes)
    assert_same(build(num_classes, **options), slow(**options), z, y)


@CLASSES
@pytest.mark.parametrize("mining", ["all", "semihard", "hard"])
def test_metric_learning_library_agrees(batch, num_classes, mining):
    from pytorch_metric_learning.losses import TripletMarginLoss
    from pytorch_metric_learning.miners import BatchHardMiner, TripletMarginMiner
    from pytorch_metric_learning.reducers import MeanReducer

    z, y = batch(num_classes, size=20)
    a, b = z.clone().requires_grad_(), z.clone().requires_grad_()
    mine = build(num_classes, mining=mining)(a, y)
    if mining == "hard":
        theirs = TripletMarginLoss(margin=0.2, reducer=MeanReducer())(b, y, BatchHardMiner()(b, y))
    else:
        miner = TripletMarginMiner(margin=0.2, type_of_triplets="all" if mining == "all" else "semihard")
        theirs = TripletMarginLoss(margin=0.2)(b, y, miner(b, y))
    torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(*(torch.autograd.grad(v, x)[0] for v, x in ((mine, a), (theirs, b))))


@pytest.mark.parametrize("mining", ["all", "semihard", "hard"])
def test_per_clip_values_are_shares_of_the_loss(batch, mining):
    z, y = batch(5)
    loss = build(5, mining=mining)
    torch.testing.assert_close(loss.per_clip(z, y).mean(), loss(z, y))


def test_a_clip_whose_triplets_are_solved_has_no_share():
    z = torch.tensor([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0], [0.8, 0.6]])
    values = build(2, dim=2, mining="all").per_clip(z, torch.tensor([0, 0, 1, 1]))
    assert values[0] == 0
    assert values[3] > 0


@pytest.mark.parametrize(("soft", "expected"), [(False, 0.2), (True, math.log(2))])
def test_collapse_shows_as_the_margin_exactly(soft, expected):
    z = torch.randn(1, 6).expand(10, 6).clone().requires_grad_()
    value = build(2, mining="hard", soft=soft)(z, torch.arange(10) % 2)
    value.backward()
    assert value.item() == pytest.approx(expected, abs=1e-7)
    assert torch.equal(z.grad, torch.zeros_like(z))


def test_two_manipulations_are_left_alone_by_side_negatives():
    z = torch.tensor([[1.0, 0.1], [1.0, 0.0], [1.0, -0.1], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.1]])
    y = torch.tensor([1, 1, 2, 2, 0, 0])
    assert build(3, dim=2, mining="hard", negatives="other_side")(z, y) == 0
    assert build(3, dim=2, mining="hard")(z, y) > 0.1


def test_a_large_batch_keeps_its_digits():
    generator = torch.Generator().manual_seed(3)
    z = torch.randn(256, 16, generator=generator, dtype=torch.float64)
    y = torch.arange(256) % 2
    exact = build(2, dim=16, mining="all")(z, y)
    assert build(2, dim=16, mining="all")(z.float(), y).item() == pytest.approx(exact.item(), rel=2e-6)


def test_options_that_contradict_are_refused():
    with pytest.raises(LossInputError, match="mining='hard'"):
        build(2, soft=True)
    with pytest.raises(LossInputError, match="mining"):
        build(2, mining="hardest")
    with pytest.raises(LossInputError, match="margin"):
        build(2, margin=0.0)
