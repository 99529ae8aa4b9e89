"""Contrastive loss against loops, and against pytorch-metric-learning."""

from __future__ import annotations

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def unit(v):
    return v / v.norm()


def mean(terms, like):
    return torch.stack(terms).mean() if terms else like.sum() * 0


def slow(positive_margin, negative_margin, squared):
    def loss(z, y, _):
        pulls, pushes = [], []
        for i in range(len(z)):
            for j in range(len(z)):
                if i == j:
                    continue
                d = (unit(z[i]) - unit(z[j])).norm()
                if y[i] == y[j] and d > positive_margin:
                    pulls.append((d - positive_margin) ** (2 if squared else 1))
                if y[i] != y[j] and d < negative_margin:
                    pushes.append((negative_margin - d) ** (2 if squared else 1))
        return mean(pulls, z[0]) + mean(pushes, z[0])

    return loss


@CLASSES
@pytest.mark.parametrize("options", [(0.0, 1.0, False), (0.9, 1.5, False), (0.3, 1.8, True)])
def test_values_and_gradients(batch, assert_same, num_classes, options):
    z, y = batch(num_classes)
    p, n, squared = options
    ours = LOSSES.build(
        "contrastive",
        num_classes=num_classes,
        embedding_dim=6,
        positive_margin=p,
        negative_margin=n,
        squared=squared,
    )
    assert_same(ours, slow(p, n, squared), z, y)


@CLASSES
def test_metric_learning_library_agrees(batch, num_classes):
    from pytorch_metric_learning.losses import ContrastiveLoss

    z, y = batch(num_classes, size=20)
    ours = LOSSES.build(
        "contrastive", num_classes=num_classes, embedding_dim=6, positive_margin=0.25, negative_margin=1.2
    )
    a, b = z.clone().requires_grad_(), z.clone().requires_grad_()
    mine, theirs = ours(a, y), ContrastiveLoss(pos_margin=0.25, neg_margin=1.2)(b, y)
    torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(*(torch.autograd.grad(v, x)[0] for v, x in ((mine, a), (theirs, b))))


def test_solved_pairs_cost_nothing():
    z = torch.tensor([[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0], [-3.0, 0.0]], requires_grad=True)
    value = LOSSES.build("contrastive", num_classes=2, embedding_dim=2)(z, torch.tensor([0, 0, 1, 1]))
    value.backward()
    assert value == 0
    assert torch.equal(z.grad, torch.zeros_like(z))


@pytest.mark.parametrize("options", [{"positive_margin": -0.1}, {"positive_margin": 2.0}, {"negative_margin": 2.5}])
def test_margins_out_of_range_are_refused(options):
    with pytest.raises(LossInputError, match=next(iter(options))):
        LOSSES.build("contrastive", num_classes=2, embedding_dim=2, **options)
