"""Unified cross-entropy against its equation, and its threshold."""

from __future__ import annotations

import math

import pytest
import torch


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("negative_weight", [0.5, 1.0])
def test_values_and_gradients(batch, assert_same, build_head, cosine, num_classes, negative_weight):
    s, m = 6.0, 0.3

    def oracle(z, y, loss):
        total = 0
        for row, k in zip(z, y, strict=True):
            for j, w in enumerate(loss.weight):
                c = cosine(row, w)
                if j == k:
                    total = total + torch.log(1 + torch.exp(-(s * (c - m) - loss.threshold)))
                else:
                    total = total + negative_weight * torch.log(1 + torch.exp(s * c - loss.threshold))
        return total / len(z)

    loss = build_head("uniface", num_classes, scale=s, margin=m, negative_weight=negative_weight)
    assert_same(loss, oracle, *batch(num_classes))


def test_threshold_starts_at_ln_ten_classes(build_head):
    assert build_head("uniface", 2).threshold.item() == pytest.approx(math.log(20))


def test_threshold_score_is_positive_above_the_cosine_threshold(build_head):
    loss = build_head("uniface", 2, dim=2, scale=10.0)
    loss.weight.data = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    loss.threshold.data.fill_(5.0)
    z = torch.tensor([[0.6, 0.8], [0.4, math.sqrt(0.84)]], dtype=torch.float64)
    assert loss.threshold_score(z).tolist() == pytest.approx([0.1, -0.1])
    assert (loss.logits(z)[:, 1] > 0).tolist() == [True, False]


def test_far_arguments_keep_their_gradient(build_head):
    loss = build_head("uniface", 2, dim=2, scale=64.0, margin=2.0)
    loss.weight.data = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    z = torch.tensor([[0.05, 1.0]], dtype=torch.float64, requires_grad=True)
    loss(z, torch.tensor([1])).backward()
    assert z.grad.abs().max() > 1
