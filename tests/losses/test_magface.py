"""MagFace against its equation, its bounds, its warning and its refusal."""

from __future__ import annotations

import math
import warnings

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LossContext
from vidfake.losses.magface import measured_bounds

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def guarded(c, m):
    return torch.cos(torch.acos(c) + m) if torch.acos(c) + m <= math.pi else c - m * torch.sin(m)


@CLASSES
def test_values_and_gradients(batch, assert_same, build_head, cosine, slow_cross_entropy, num_classes):
    s, low, high, factor, m_low, m_high = 6.0, 1.0, 6.0, 1.5, 0.3, 0.9

    def oracle(z, y, loss):
        slope = (m_high - m_low) / (high - low)
        weight = factor * s * slope * high**2 * low**2 / (high**2 - low**2)
        total = 0
        for row, k in zip(z, y, strict=True):
            a = torch.clamp(row.norm(), low, high)
            m = m_low + slope * (a - low)
            cosines = [cosine(row, w) for w in loss.weight]
            logits = [s * (guarded(c, m) if j == k else c) for j, c in enumerate(cosines)]
            total = total + slow_cross_entropy(logits, k) + weight * (1 / a + a / high**2)
        return total / len(z)

    loss = build_head(
        "magface",
        num_classes,
        scale=s,
        margin_low=m_low,
        margin_high=m_high,
        norm_bounds=(low, high),
        regulariser_factor=factor,
    )
    loss.warned = True  # some norms of the batch are outside on purpose
    z, y = batch(num_classes, size=20)
    assert (z.norm(dim=1) < low).any()
    assert_same(loss, oracle, z, y)


def test_consistency_bound_of_the_published_settings(batch, build_head):
    # m 0.45 to 0.8, norms 10 to 110, s 64: the bound is 22.6, and the published 35 is 1.55 times it
    loss = build_head("magface", 2, scale=64.0, norm_bounds=(10.0, 110.0), regulariser_factor=1.0)
    loss.warned = True
    z, y = batch(2, size=1)
    z = z / z.norm() * 10.0
    arc = build_head("arcface", 2, scale=64.0, margin_radians=0.45)
    weight = (loss(z, y) - arc(z, y)).item() / (1 / 10 + 10 / 110**2)
    assert weight == pytest.approx(22.6, abs=0.05)


def test_bounds_are_measured_once_in_training(batch, build_head):
    z, y = batch(5, size=50)
    loss = build_head("magface", 5)
    loss.eval()(z, y)
    assert loss.bounds.isnan().all()
    loss.train()(z, y)
    low, high = loss.bounds.tolist()
    norms = z.norm(dim=1)
    assert low == pytest.approx(0.5 * torch.quantile(norms, 0.01).item(), rel=1e-5)
    assert high == pytest.approx(2.0 * torch.quantile(norms, 0.99).item(), rel=1e-5)
    loss(1.1 * z, y, context=LossContext())
    assert loss.bounds.tolist() == [low, high]


@pytest.mark.parametrize("norms", [[0.0, 0.0], [3.0], [0.0, 5.0]])
def test_measured_bounds_are_positive_and_apart(norms):
    low, high = measured_bounds(torch.tensor(norms)).tolist()
    assert 0 < low < high


def test_clamped_norms_are_warned_of_once(batch, build_head):
    z, y = batch(2, size=20)
    loss = build_head("magface", 2, norm_bounds=(50.0, 60.0))
    with pytest.warns(UserWarning, match=r"100% of this batch's norms lie outside norm_bounds \(50 to 60\)"):
        loss(z, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss(z, y)


@pytest.mark.parametrize("name", ["magface", "adaface"])
def test_norms_that_do_not_vary_are_refused(batch, build_head, name):
    z, y = batch(2, size=16)
    normalised = torch.nn.functional.layer_norm(z @ torch.randn(6, 256, dtype=torch.float64), (256,))
    loss = build_head(name, 2, dim=256)
    with pytest.raises(LossInputError, match="norms of these 16 clips hardly vary"):
        loss(normalised, y)
    build_head(name, 2, dim=256)(normalised[:4], y[:4])  # too few clips to tell


@pytest.mark.parametrize(
    "options", [{"norm_bounds": (5.0, 1.0)}, {"margin_high": 0.1}, {"regulariser_factor": -1.0}]
)
def test_options_out_of_range_are_refused(build_head, options):
    with pytest.raises(LossInputError, match=next(iter(options))):
        build_head("magface", 2, **options)
