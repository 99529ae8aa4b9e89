"""Angular-margin pairs and code balance: loops and limits."""

from __future__ import annotations

import math

import pytest
import torch

from vidfake.losses import LOSSES, build_loss
from vidfake.settings import LossSettings

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def build(num_classes, name="pairwise_arcface_r", **options):
    return LOSSES.build(name, num_classes=num_classes, embedding_dim=6, **options)


def slow(scale, margin):
    def loss(z, y, _):
        everyone = range(len(z))
        terms = []
        for i in everyone:
            c = [(z[i] * z[k]).sum() / z[i].norm() / z[k].norm() for k in everyone]
            for j in everyone:
                if j == i or y[j] != y[i]:
                    continue
                angle = torch.acos(c[j])
                wide = torch.cos(angle + margin) if angle + margin < math.pi else c[j] - margin * math.sin(margin)
                top = (scale * wide).exp()
                terms.append(-torch.log(top / (top + sum((scale * c[k]).exp() for k in everyone if y[k] != y[i]))))
        return torch.stack(terms).mean()

    return loss


@CLASSES
@pytest.mark.parametrize(("scale", "margin"), [(16.0, 0.2), (4.0, 1.0), (8.0, 0.0)])
def test_values_and_gradients(batch, assert_same, num_classes, scale, margin):
    z, y = batch(num_classes)
    assert_same(build(num_classes, scale=scale, margin_radians=margin), slow(scale, margin), z, y)


@CLASSES
def test_without_a_margin_it_is_the_library_s_ntxent(batch, num_classes):
    from pytorch_metric_learning.losses import NTXentLoss

    z, y = batch(num_classes, size=20)
    ours = build(num_classes, margin_radians=0.0, scale=10.0)
    torch.testing.assert_close(ours(z, y), NTXentLoss(temperature=0.1)(z, y))


@CLASSES
def test_code_balance_values_and_gradients(batch, assert_same, num_classes):
    def loops(z, y, _):
        mean = sum(v / v.norm() for v in z) / len(z)
        return sum(m**2 for m in mean)

    assert_same(build(num_classes, "code_balance_r"), loops, *batch(num_classes))


def test_code_balance_is_zero_for_opposite_classes_and_one_when_collapsed():
    balance = build(2, "code_balance_r")
    z = torch.cat([torch.ones(4, 6), -2 * torch.ones(4, 6)])
    assert balance(z, torch.arange(8) // 4).item() == pytest.approx(0, abs=1e-7)
    assert balance(z.abs(), torch.arange(8) // 4).item() == pytest.approx(1, abs=1e-6)


def test_the_two_go_together_in_a_sum(batch):
    z, y = batch(2, dtype=torch.float32)
    both = build_loss(LossSettings(name="pairwise_arcface_r + 0.5*code_balance_r"), num_classes=2, embedding_dim=6)
    torch.testing.assert_close(both(z, y), build(2)(z, y) + 0.5 * build(2, "code_balance_r")(z, y))
