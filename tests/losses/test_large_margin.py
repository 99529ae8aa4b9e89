"""L-Softmax against its equation and pytorch-metric-learning."""

from __future__ import annotations

import math

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LossContext

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def psi(c, m):
    theta = torch.acos(c)
    k = math.floor(m * theta.item() / math.pi)
    return (-1) ** k * torch.cos(m * theta) - 2 * k


@CLASSES
@pytest.mark.parametrize("margin", [1, 2, 3, 4])
@pytest.mark.parametrize("progress", [0.1, 1.0])
def test_values_and_gradients(batch, assert_same, build_head, slow_cross_entropy, num_classes, margin, progress):
    weight = max(5.0, 1000.0 / (1 + (math.sqrt(200) - 1) * progress / 0.5) ** 2)

    def oracle(z, y, loss):
        total = 0
        for row, k in zip(z, y, strict=True):
            logits = []
            for j, w in enumerate(loss.weight):
                lengths = row.norm() * w.norm()
                c = (row * w).sum() / lengths
                logits.append(lengths * ((weight * c + psi(c, margin)) / (1 + weight) if j == k else c))
            total = total + slow_cross_entropy(logits, k)
        return total / len(z)

    loss = build_head("large_margin", num_classes, margin=margin)
    assert_same(loss, oracle, *batch(num_classes), context=LossContext(progress=progress))


@CLASSES
@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
def test_library_agrees(batch, build_head, assert_library_agrees, num_classes):
    from pytorch_metric_learning.losses import LargeMarginSoftmaxLoss

    theirs = LargeMarginSoftmaxLoss(num_classes=num_classes, embedding_size=6, margin=4, scale=1)
    ours = build_head("large_margin", num_classes, margin=4, anneal_start=0.0, anneal_end=0.0)
    assert_library_agrees(ours, theirs, *batch(num_classes))


def test_detached_gradient_leaves_out_the_margins_slope(batch, build_head):
    z, y = batch(5)
    loss = build_head("large_margin", 5, gradient="detached", anneal_end=0.0)
    x = z.clone().requires_grad_()
    logits = loss.training_logits(x, y, LossContext(progress=1.0)).gather(1, y[:, None]).squeeze(1)
    (slope,) = torch.autograd.grad(logits.sum(), x)

    lengths = x.norm(dim=1) * loss.weight.norm(dim=1)[y].detach()
    cosine = (x * loss.weight[y]).sum(1) / lengths
    value = (logits / lengths).detach()
    (expected,) = torch.autograd.grad((lengths * (cosine + (value - cosine).detach())).sum(), x)
    torch.testing.assert_close(slope, expected)


@pytest.mark.parametrize("margin", [0, 9, 1.5])
def test_margin_must_be_a_small_whole_number(build_head, margin):
    with pytest.raises(LossInputError, match="whole number, 1 to 8"):
        build_head("large_margin", 2, margin=margin)
