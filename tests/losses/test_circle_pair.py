"""Circle loss on pairs: loops, the library, its boundary."""

from __future__ import annotations

import math

import pytest
import torch

from vidfake.losses import LOSSES

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def build(num_classes, dim=6, **options):
    return LOSSES.build("circle_pair", num_classes=num_classes, embedding_dim=dim, **options)


def slow(margin, gamma):
    def loss(z, y, _):
        everyone = range(len(z))
        terms = []
        for i in everyone:
            s = [(z[i] * z[j]).sum() / z[i].norm() / z[j].norm() for j in everyone]
            pulls, pushes = [], []
            for j in everyone:
                if j == i:
                    continue
                if y[j] == y[i]:
                    weight = max(1 + margin - s[j].item(), 0.0)
                    pulls.append((-gamma * weight * (s[j] - (1 - margin))).exp())
                else:
                    weight = max(s[j].item() + margin, 0.0)
                    pushes.append((gamma * weight * (s[j] - margin)).exp())
            terms.append(torch.log(1 + sum(pulls) * sum(pushes)))
        return torch.stack(terms).mean()

    return loss


@CLASSES
@pytest.mark.parametrize(("margin", "gamma"), [(0.25, 64.0), (0.4, 16.0), (0.1, 8.0)])
def test_values_and_gradients(batch, assert_same, num_classes, margin, gamma):
    z, y = batch(num_classes)
    assert_same(build(num_classes, margin=margin, gamma=gamma), slow(margin, gamma), z, y)


@CLASSES
def test_metric_learning_library_agrees(batch, num_classes):
    from pytorch_metric_learning.losses import CircleLoss

    z, y = batch(num_classes, size=20)
    a, b = z.clone().requires_grad_(), z.clone().requires_grad_()
    mine, theirs = build(num_classes, margin=0.4, gamma=80.0)(a, y), CircleLoss(m=0.4, gamma=80)(b, y)
    torch.testing.assert_close(mine, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(v, x)[0] for v, x in ((mine, a), (theirs, b))))


def test_a_pair_on_the_circle_costs_log_two():
    """(S_n)² + (1 - S_p)² = 2 m² is where the two sums balance: softplus(0)."""
    m = 0.3
    s_p, s_n = 1 - m, m
    z = torch.tensor([[1.0, 0.0], [s_p, math.sqrt(1 - s_p**2)], [s_n, -math.sqrt(1 - s_n**2)]], dtype=torch.float64)
    value = build(2, dim=2, margin=m).per_clip(z, torch.tensor([0, 0, 1]))[0]
    assert value.item() == pytest.approx(math.log(2), rel=1e-12)


def test_largest_scale_is_finite_in_float32():
    z = torch.cat([torch.ones(4, 6), -torch.ones(4, 6)]).requires_grad_()
    value = build(2, gamma=256.0)(z, torch.arange(8) % 2)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(z.grad).all()
