"""NormFace against its equation, its least value, pytorch-metric-learning, and its learned scale."""

from __future__ import annotations

import math

import pytest
import torch

from vidfake.errors import LossInputError

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


@CLASSES
def test_values_and_gradients(batch, assert_same, build_head, slow_head, num_classes):
    loss = build_head("normface", num_classes, scale=7.0)
    assert_same(loss, slow_head(lambda c, i: c, scale=7.0), *batch(num_classes))


@CLASSES
def test_learned_scale_has_its_gradient(batch, assert_same, build_head, cosine, slow_cross_entropy, num_classes):
    def oracle(z, y, loss):
        s = torch.exp(loss.log_scale)
        losses = [slow_cross_entropy([s * cosine(r, w) for w in loss.weight], k) for r, k in zip(z, y, strict=True)]
        return sum(losses) / len(z)

    assert_same(build_head("normface", num_classes, scale=5.0, learn_scale=True), oracle, *batch(num_classes))


@CLASSES
def test_library_agrees(batch, build_head, assert_library_agrees, num_classes):
    from pytorch_metric_learning.losses import NormalizedSoftmaxLoss

    theirs = NormalizedSoftmaxLoss(num_classes=num_classes, embedding_size=6, temperature=0.05)
    assert_library_agrees(build_head("normface", num_classes, scale=20.0), theirs, *batch(num_classes))


@pytest.mark.parametrize("scale", [1.0, 4.0, 8.0])
def test_least_loss_of_two_classes(build_head, scale):
    loss = build_head("normface", 2, scale=scale, weights="simplex")
    best = loss(loss.weight.clone(), torch.tensor([0, 1]))
    assert best.item() == pytest.approx(math.log1p(math.exp(-2 * scale)), abs=1e-7)  # weights are float32


def test_learned_scale_is_held_within_bounds(build_head):
    loss = build_head("normface", 2, scale=16.0, learn_scale=True)
    loss.log_scale.data.fill_(9.0)
    assert loss.score_scale == pytest.approx(64.0)
    loss.log_scale.data.fill_(-9.0)
    assert loss.score_scale == pytest.approx(1.0)


def test_scale_out_of_range_is_refused(build_head):
    with pytest.raises(LossInputError, match="scale is 0"):
        build_head("normface", 2, scale=0.0)
    with pytest.raises(LossInputError, match="scale is 100; it takes 1 to 64"):
        build_head("normface", 2, scale=100.0, learn_scale=True)
