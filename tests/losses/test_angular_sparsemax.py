"""Sparsemax loss against its equation, its projection, its two-class closed form and its gradient."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from vidfake.losses.angular_sparsemax import sparsemax_loss


def projection(v):
    """Onto the simplex, by trying every support."""
    for size in range(len(v), 0, -1):
        for support in itertools.combinations(range(len(v)), size):
            tau = (sum(v[j].item() for j in support) - 1) / size
            if all(v[j] > tau for j in support) and all(v[j] <= tau for j in range(len(v)) if j not in support):
                return tau, support
    raise AssertionError


def slow(v, k):
    tau, support = projection(v)
    tau = (sum(v[j] for j in support) - 1) / len(support)
    return sum(v[j] ** 2 - tau**2 for j in support) / 2 - v[k] + 0.5


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_values_and_gradients(batch, assert_same, build_head, cosine, num_classes, scale):
    def margin(c):
        return torch.cos(torch.acos(c) + 0.3) if torch.acos(c) + 0.3 <= math.pi else c - 0.3 * math.sin(0.3)

    def oracle(z, y, loss):
        total = 0
        for row, k in zip(z, y, strict=True):
            cosines = [cosine(row, w) for w in loss.weight]
            total = total + slow([scale * (margin(c) if j == k else c) for j, c in enumerate(cosines)], k)
        return total / len(z)

    loss = build_head("angular_sparsemax_r", num_classes, scale=scale, margin_radians=0.3)
    assert_same(loss, oracle, *batch(num_classes))


def test_two_classes_are_the_modified_huber_loss():
    delta = torch.linspace(-3, 3, 61, dtype=torch.float64)
    v = torch.stack([delta + 5.0, torch.full_like(delta, 5.0)], dim=1)
    expected = torch.where(delta >= 1, 0.0, torch.where(delta <= -1, -delta, (1 - delta) ** 2 / 4))
    torch.testing.assert_close(sparsemax_loss(v, torch.zeros(61, dtype=torch.int64)), expected, rtol=0, atol=1e-12)


def test_gradient_is_projection_minus_one_hot():
    torch.manual_seed(0)
    v = torch.randn(20, 6, dtype=torch.float64, requires_grad=True)
    y = torch.arange(20) % 6
    (slope,) = torch.autograd.grad(sparsemax_loss(v, y).sum(), v)
    for row, grad, k in zip(v, slope, y.tolist(), strict=True):
        tau, _ = projection(row.detach())
        p = torch.clamp(row.detach() - tau, min=0)
        p[k] -= 1
        torch.testing.assert_close(grad, p)


def test_large_logits_keep_their_digits():
    v = torch.tensor([[1e4 + 0.25, 1e4]])
    assert sparsemax_loss(v, torch.tensor([0])).item() == pytest.approx(0.75**2 / 4, rel=1e-2)
