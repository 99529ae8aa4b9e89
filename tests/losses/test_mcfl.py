"""Multi-label contrastive focal loss: loops, attribute tables, its score."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])
SWAP_OR_REENACTMENT = ((0, 0, 0), (1, 1, 0), (1, 1, 0), (1, 0, 1), (1, 0, 1))


def build(num_classes, **options):
    return LOSSES.build("mcfl_r", num_classes=num_classes, embedding_dim=6, **options)


def slow(table, positive_gamma, negative_gamma, gap, gap_weight, counts=None):
    def loss(z, y, m):
        num_attributes = len(table[0])
        focal, gaps = [], []
        for a in range(num_attributes):
            have, lack = [], []
            up = down = 1.0
            if counts is not None:
                share = sum(n * row[a] for n, row in zip(counts, table, strict=True)) / sum(counts)
                up, down = 0.5 / share, 0.5 / (1 - share)
            for v, label in zip(z, y, strict=True):
                logit = (m.weight[a] * v).sum() + m.bias[a]
                p = 1 / (1 + (-logit).exp())
                if table[label][a]:
                    have.append(logit)
                    focal.append(-up * (1 - p) ** positive_gamma * p.log())
                else:
                    lack.append(logit)
                    focal.append(-down * p**negative_gamma * (1 - p).log())
            if have and lack:
                gaps.append(torch.relu(gap - (sum(have) / len(have) - sum(lack) / len(lack))))
        return torch.stack(focal).mean() + gap_weight * torch.stack(gaps).mean()

    return loss


@CLASSES
@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("gammas", [(1.0, 2.0), (0.0, 0.0), (0.5, 4.0)])
def test_values_and_gradients(batch, assert_same, num_classes, gammas, counted):
    table = (
        [[0], [1]] if num_classes == 2 else [[0] * 5] + [[1] + [int(m == j) for m in range(4)] for j in range(4)]
    )
    counts = tuple(float(10 + 7 * j) for j in range(num_classes)) if counted else None
    p, n = gammas
    ours = build(
        num_classes, positive_gamma=p, negative_gamma=n, gap=1.5, gap_weight=0.7, class_counts=counts
    ).double()
    if counts:  # single-precision weights would hide behind the tolerance of double precision
        shares = (
            torch.tensor(table, dtype=torch.float64).T @ torch.tensor(counts, dtype=torch.float64) / sum(counts)
        )
        torch.testing.assert_close(ours.positive_weights.double(), 0.5 / shares, rtol=1e-6, atol=0)
        ours.positive_weights, ours.negative_weights = 0.5 / shares, 0.5 / (1 - shares)
    assert_same(ours, slow(table, p, n, 1.5, 0.7, counts), *batch(num_classes))


def test_a_table_of_one_s_own(batch, assert_same):
    ours = build(5, attributes=SWAP_OR_REENACTMENT)
    assert_same(ours, slow(SWAP_OR_REENACTMENT, 1.0, 2.0, 2.0, 0.1), *batch(5))


def test_without_focus_and_gap_it_is_binary_cross_entropy(batch):
    z, y = batch(2, dtype=torch.float32)
    ours = build(2, positive_gamma=0.0, negative_gamma=0.0, gap_weight=0.0)
    torch.testing.assert_close(ours(z, y), F.binary_cross_entropy_with_logits(ours.score(z), y.float()))


def test_large_logits_stay_finite():
    ours = build(2)
    z = (1e4 * torch.randn(8, 6)).requires_grad_()
    value = ours(z, torch.arange(8) % 2)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize(
    "table",
    [((0, 0), (1, 1)), ((1,), (0,)), ((0,), (1, 1)), ((0,), (1,), (1,)), ((0, 0), (1, 0)), ((0,), (0.5,))],
    ids=["fine", "fake first", "ragged", "a row too many", "an attribute nobody has", "not 0 or 1"],
)
def test_attribute_tables_are_checked(table):
    if table == ((0, 0), (1, 1)):
        build(2, attributes=table)
        return
    with pytest.raises(LossInputError, match="attributes is"):
        build(2, attributes=table)
