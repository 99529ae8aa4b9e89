"""Sub-center ArcFace against its equation with unequal centres, pytorch-metric-learning, usage and outliers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


@CLASSES
@pytest.mark.parametrize("pooling", ["max", "soft"])
@pytest.mark.parametrize(("real", "fake"), [(1, 4), (2, 2), (1, 1)])
def test_values_and_gradients(
    batch, assert_same, build_head, cosine, slow_cross_entropy, num_classes, pooling, real, fake
):
    s, m, temperature = 6.0, 0.5, 0.2

    def pooled(cosines):
        if pooling == "max":
            return max(cosines, key=lambda c: c.item())
        weights = [torch.exp(c / temperature) for c in cosines]
        return sum(w * c for w, c in zip(weights, cosines, strict=True)) / sum(weights)

    def margin(c):
        return torch.cos(torch.acos(c) + m) if torch.acos(c) + m <= math.pi else c - m * math.sin(m)

    def oracle(z, y, loss):
        total = 0
        for row, k in zip(z, y, strict=True):
            of_centres = [cosine(row, w) for w in loss.weight]
            groups = [of_centres[:real]]
            groups += [of_centres[real + j * fake : real + (j + 1) * fake] for j in range(num_classes - 1)]
            cosines = [pooled(g) for g in groups]
            total = total + slow_cross_entropy([s * (margin(c) if j == k else c) for j, c in enumerate(cosines)], k)
        return total / len(z)

    loss = build_head(
        "subcenter_arcface",
        num_classes,
        scale=s,
        margin_radians=m,
        centres_real=real,
        centres_fake=fake,
        pooling=pooling,
        temperature=temperature,
    )
    assert loss.weight.shape == (real + fake * (num_classes - 1), 6)
    assert_same(loss, oracle, *batch(num_classes, size=20))


@CLASSES
def test_library_agrees(batch, build_head, assert_library_agrees, num_classes):
    from pytorch_metric_learning.losses import SubCenterArcFaceLoss

    theirs = SubCenterArcFaceLoss(
        num_classes=num_classes, embedding_size=6, margin=float(np.rad2deg(0.5)), scale=16, sub_centers=3
    )
    ours = build_head(
        "subcenter_arcface", num_classes, margin_radians=0.5, scale=16.0, centres_real=3, centres_fake=3
    )
    assert_library_agrees(ours, theirs, *batch(num_classes, size=30))


def known_centres(build_head):
    loss = build_head("subcenter_arcface", 2, dim=3, centres_real=1, centres_fake=2)
    loss.weight.data = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    z = torch.tensor([[0.1, 0, 2.0], [3.0, 0.2, 0], [2.0, 0.1, 0], [0, 1.0, 0.1]], dtype=torch.float64)
    return loss, z, torch.tensor([0, 1, 1, 1])


def test_usage_counts_the_nearest_centres_of_each_class(build_head):
    loss, z, y = known_centres(build_head)
    assert loss.centre_usage(z, y).tolist() == pytest.approx([1.0, 2 / 3, 1 / 3])
    assert loss.centre_usage(z[:1], y[:1]).tolist() == [1.0, 0.0, 0.0]


def test_outliers_are_far_from_the_dominant_centre(build_head):
    loss, z, y = known_centres(build_head)
    assert loss.outliers(z, y).tolist() == [False, False, False, True]
    assert loss.outliers(z, y, max_degrees=100.0).tolist() == [False] * 4


def test_score_pools_the_centres(build_head):
    loss, z, _ = known_centres(build_head)
    cosines = torch.nn.functional.normalize(z) @ loss.weight.T
    torch.testing.assert_close(loss.score(z), cosines[:, 1:].max(1).values - cosines[:, 0])
