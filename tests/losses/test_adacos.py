"""AdaCos: its update against the equation, its bounds, and its refusal of two classes."""

from __future__ import annotations

import math

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES, LossContext


def test_values_gradients_and_update(batch, assert_same, build_head, cosine, slow_cross_entropy):
    before = 9.0

    def oracle(z, y, loss):
        rows = [[cosine(r, w) for w in loss.weight] for r in z]
        angles = sorted(math.acos(row[k].item()) for row, k in zip(rows, y, strict=True))
        median = (angles[len(y) // 2 - 1] + angles[len(y) // 2]) / 2
        sums = [
            sum(math.exp(before * c.item()) for j, c in enumerate(row) if j != k)
            for row, k in zip(rows, y, strict=True)
        ]
        s = math.log(sum(sums) / len(sums)) / math.cos(min(math.pi / 4, median))
        s = max(s, 0.0)
        losses = [slow_cross_entropy([s * c for c in row], k) for row, k in zip(rows, y, strict=True)]
        return sum(losses) / len(z)

    loss = build_head("adacos", 5, min_target_probability=0.0)
    loss.scale.fill_(before)
    z, y = batch(5, size=12)
    assert_same(loss, oracle, z, y)
    loss(z, y)
    assert loss.score_scale != before


def test_fixed_scale_is_the_published_one(batch, assert_same, build_head, slow_head):
    loss = build_head("adacos", 5, mode="fixed", min_target_probability=0.0)
    assert loss.score_scale == pytest.approx(1.96, abs=0.01)
    assert_same(loss, slow_head(lambda c, i: c, scale=math.sqrt(2) * math.log(4)), *batch(5))


@pytest.mark.parametrize(("p", "bound"), [(0.9, 2.87), (0.99, 4.79), (0.999, 6.63), (0.9999, 8.48)])
def test_scale_stays_above_the_bound(build_head, p, bound):
    assert build_head("adacos", 5, min_target_probability=p).score_scale == pytest.approx(bound, abs=0.01)


def test_scale_stays_below_its_ceiling_when_all_clips_collapse(build_head):
    loss = build_head("adacos", 5)
    z = loss.weight.detach().sum(0, keepdim=True).expand(10, -1)
    with torch.no_grad():
        loss.weight.copy_(z[:5])
        for _ in range(60):
            loss(z, torch.arange(10) % 5)
    assert loss.score_scale == 64.0


def test_scale_rests_in_evaluation_and_repeated_passes(batch, build_head):
    z, y = batch(5)
    loss = build_head("adacos", 5, min_target_probability=0.0)
    loss.scale.fill_(9.0)
    loss(z, y, context=LossContext(repeated=True))
    loss.eval()(z, y)
    assert loss.score_scale == 9.0


def test_two_classes_are_refused_with_the_reason():
    with pytest.raises(LossInputError, match=r"cannot work with 2 classes.*ln\(C - 1\).*normface"):
        LOSSES.build("adacos", num_classes=2, embedding_dim=4)
