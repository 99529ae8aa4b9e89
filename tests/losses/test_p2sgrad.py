"""P2SGrad against its equation, the paper's gradient, and pytorch-metric-learning."""

from __future__ import annotations

import pytest
import torch

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


@CLASSES
def test_values_and_gradients(batch, assert_same, build_head, cosine, num_classes):
    def oracle(z, y, loss):
        total = 0
        for row, k in zip(z, y, strict=True):
            for j, w in enumerate(loss.weight):
                total = total + (cosine(row, w) - (1 if j == k else 0)) ** 2
        return total / len(z)

    assert_same(build_head("p2sgrad", num_classes), oracle, *batch(num_classes))


@CLASSES
def test_library_agrees_but_for_its_mean_over_classes(batch, build_head, num_classes):
    from pytorch_metric_learning.losses import P2SGradLoss

    z, y = batch(num_classes)
    ours = build_head("p2sgrad", num_classes)
    theirs = P2SGradLoss(descriptors_dim=6, num_classes=num_classes).double()
    theirs.weight = torch.nn.Parameter(torch.nn.functional.normalize(ours.weight.detach()).T.clone())
    a, b = z.clone().requires_grad_(), z.clone().requires_grad_()
    mine, library = ours(a, y), theirs(b, y) * num_classes
    torch.testing.assert_close(mine, library, rtol=1e-7, atol=1e-8)
    torch.testing.assert_close(torch.autograd.grad(mine, a)[0], torch.autograd.grad(library, b)[0])


def test_gradient_is_softmaxs_with_cosines_for_probabilities(batch, build_head):
    z, y = batch(5)
    loss = build_head("p2sgrad", 5)
    cosines = loss.cosines(z).detach().requires_grad_()
    one_hot = torch.nn.functional.one_hot(y, 5).double()
    (slope,) = torch.autograd.grad((cosines - one_hot).square().sum() / 2, cosines)
    torch.testing.assert_close(slope, cosines.detach() - one_hot)
