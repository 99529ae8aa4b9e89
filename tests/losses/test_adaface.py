"""AdaFace against its equation over two steps, and the keeping of its running norms."""

from __future__ import annotations

import math
import statistics

import pytest
import torch

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def psi(c, m, quality):
    angle = torch.clamp(torch.acos(c) - m * quality, 1e-3, math.pi - 1e-3)
    return torch.cos(angle) - (m + m * quality)


@CLASSES
@pytest.mark.parametrize("concentration", [0.0, 0.333, 2.0])
def test_values_and_gradients(
    batch, assert_same, build_head, cosine, slow_cross_entropy, num_classes, concentration
):
    s, m, momentum = 6.0, 0.4, 0.9
    first, labels = batch(num_classes, seed=1)

    def oracle(z, y, loss):
        before = [row.norm().item() for row in first]
        norms = [row.norm().item() for row in z]
        mean = momentum * statistics.fmean(before) + (1 - momentum) * statistics.fmean(norms)
        deviation = momentum * statistics.stdev(before) + (1 - momentum) * statistics.stdev(norms)
        total = 0
        for row, k, norm in zip(z, y, norms, strict=True):
            quality = max(-1.0, min(1.0, concentration * (norm - mean) / (deviation + 1e-3)))
            cosines = [cosine(row, w) for w in loss.weight]
            logits = [s * (psi(c, m, quality) if j == k else c) for j, c in enumerate(cosines)]
            total = total + slow_cross_entropy(logits, k)
        return total / len(z)

    loss = build_head("adaface", num_classes, scale=s, margin=m, concentration=concentration, momentum=momentum)
    loss(first, labels)
    assert_same(loss, oracle, *batch(num_classes, seed=2))


def test_without_concentration_it_is_cosface(batch, build_head):
    z, y = batch(5)
    adaface = build_head("adaface", 5, scale=6.0, margin=0.4, concentration=0.0)
    torch.testing.assert_close(adaface(z, y), build_head("cosface", 5, scale=6.0, margin=0.4)(z, y))


def test_one_clip_has_no_deviation_and_a_finite_loss(batch, build_head):
    z, y = batch(2)
    loss = build_head("adaface", 2)
    assert torch.isfinite(loss(z[:1], y[:1]))
    assert loss.norm_deviation.item() == 0.0
    assert loss.norm_mean.item() == pytest.approx(z[0].norm().item())


def test_running_norms_rest_in_evaluation(batch, build_head):
    z, y = batch(2)
    loss = build_head("adaface", 2)
    loss(z, y)
    before = {name: value.clone() for name, value in loss.state_dict().items()}
    loss.eval()(3 * z, y)
    for name, value in loss.state_dict().items():
        assert torch.equal(value, before[name]), name
