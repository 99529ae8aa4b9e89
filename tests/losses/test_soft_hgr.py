"""Soft HGR: loops, known correlations, its bound."""

from __future__ import annotations

import pytest
import torch

from vidfake.losses import LOSSES
from vidfake.losses.soft_hgr import soft_hgr

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def build(num_classes, **options):
    return LOSSES.build("soft_hgr", num_classes=num_classes, embedding_dim=6, **options)


@CLASSES
def test_values_and_gradients(batch, assert_same, num_classes):
    def slow(z, y, m):
        f, g = [m.projection @ v for v in z], [m.label_vectors[label] for label in y]
        n, k = len(z), len(f[0])
        f_mean, g_mean = sum(f) / n, sum(g) / n
        inner = sum(((a - f_mean) * (b - g_mean)).sum() for a, b in zip(f, g, strict=True)) / (n - 1)
        trace = 0
        for p in range(k):
            for q in range(k):
                cov_f = sum((a - f_mean)[p] * (a - f_mean)[q] for a in f) / (n - 1)
                cov_g = sum((b - g_mean)[p] * (b - g_mean)[q] for b in g) / (n - 1)
                trace = trace + cov_f * cov_g
        return -(inner - 0.5 * trace)

    assert_same(build(num_classes, components=3), slow, *batch(num_classes))


def test_whitened_equal_features_reach_half_their_number():
    """f = g with covariance 1: J = k - k/2."""
    x = torch.randn(200, 4, dtype=torch.float64)
    x = x - x.mean(0)
    x = x @ torch.linalg.inv(torch.linalg.cholesky(x.T @ x / 199)).T
    assert soft_hgr(x, x).item() == pytest.approx(2.0, rel=1e-9)


def test_a_shift_of_the_features_changes_nothing():
    f, g = torch.randn(20, 3, dtype=torch.float64), torch.randn(20, 3, dtype=torch.float64)
    torch.testing.assert_close(soft_hgr(f + 100, g - torch.arange(3)), soft_hgr(f, g))


@CLASSES
def test_trained_on_separable_clips_it_nears_its_bound(num_classes):
    y = torch.arange(60) % num_classes
    z = 3.0 * torch.eye(6)[y] + 0.01 * torch.randn(60, 6)
    ours = build(num_classes, components=8)
    optimizer = torch.optim.Adam(ours.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        value = ours(z, y)
        value.backward()
        optimizer.step()
    bound = -(num_classes - 1) / 2
    # the sample covariance divides by B - 1 where the labels' own would divide by B
    assert bound - 0.05 < value.item() < 0.95 * bound


def test_one_clip_is_zero_with_a_gradient():
    z = torch.randn(1, 6, requires_grad=True)
    value = build(2)(z, torch.tensor([1]))
    value.backward()
    assert value == 0
    assert torch.equal(z.grad, torch.zeros_like(z))
