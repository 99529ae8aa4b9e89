"""CurricularFace against its equation over several steps, and the keeping of t."""

from __future__ import annotations

import math

import pytest
import torch

from vidfake.losses import LossContext


def margin_of(c, m):
    return torch.cos(torch.acos(c) + m) if torch.acos(c) + m <= math.pi else c - m * math.sin(m)


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("start", [0.0, 0.6])
def test_values_and_gradients(batch, assert_same, build_head, cosine, slow_cross_entropy, num_classes, start):
    s, m, momentum = 6.0, 0.5, 0.9

    def oracle(z, y, loss):
        rows = [[cosine(r, w) for w in loss.weight] for r in z]
        mean = sum(row[k].item() for row, k in zip(rows, y, strict=True)) / len(z)
        t = momentum * start + (1 - momentum) * mean
        total = 0
        for row, k in zip(rows, y, strict=True):
            hard = torch.cos(torch.acos(row[k]) + m)
            logits = [margin_of(c, m) if j == k else (c * (t + c) if c > hard else c) for j, c in enumerate(row)]
            total = total + slow_cross_entropy([s * v for v in logits], k)
        return total / len(z)

    loss = build_head("curricularface", num_classes, scale=s, margin_radians=m, momentum=momentum)
    loss.t.fill_(start)
    assert_same(loss, oracle, *batch(num_classes, size=20))


def test_t_is_a_running_mean_of_the_target_cosine(batch, build_head):
    loss = build_head("curricularface", 5, momentum=0.9)
    t = 0.0
    for seed in range(4):
        z, y = batch(5, seed=seed)
        loss(z, y)
        t = 0.9 * t + 0.1 * loss.cosines(z).gather(1, y[:, None]).mean().item()
        assert loss.t.item() == pytest.approx(t, rel=1e-9)
    assert "t" in loss.state_dict()


def test_t_rests_in_evaluation_and_repeated_passes(batch, build_head):
    z, y = batch(5)
    loss = build_head("curricularface", 5)
    loss(z, y, context=LossContext(repeated=True))
    loss.eval()(z, y)
    assert loss.t.item() == 0.0
