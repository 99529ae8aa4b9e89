"""Diagnostics on clips whose figures are known."""

from __future__ import annotations

import math

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES
from vidfake.losses.diagnostics import diagnose, effective_rank, pair_weights, silent_share


def test_angles_and_norms_of_known_clips():
    def at(degrees, norm):
        return [norm * math.cos(math.radians(degrees)), norm * math.sin(math.radians(degrees))]

    z = torch.tensor([at(-10, 1), at(10, 3), at(100, 2), at(140, 2)])
    found = diagnose(z, torch.tensor([0, 0, 1, 1]), num_classes=3)
    assert found.intra_degrees[:2] == pytest.approx([10.0, 20.0], abs=1e-4)
    assert found.inter_degrees[0][1] == pytest.approx(120.0, abs=1e-4)
    assert found.norm_mean[:2] == pytest.approx([2.0, 2.0])
    assert found.norm_deviation[:2] == pytest.approx([math.sqrt(2), 0.0], abs=1e-6)
    assert math.isnan(found.intra_degrees[2])
    assert math.isnan(found.inter_degrees[0][2])
    assert found.silent_share is None


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_effective_rank_counts_equal_directions(rank):
    x = torch.eye(4)[torch.arange(40) % rank]
    assert effective_rank(x) == pytest.approx(rank, abs=1e-6)


def test_effective_rank_of_nothing_is_zero():
    assert effective_rank(torch.zeros(3, 4)) == 0.0


def test_silent_clips_are_those_without_gradient():
    loss = LOSSES.build("angular_sparsemax_r", num_classes=2, embedding_dim=2, weights="simplex", scale=4.0)
    right, wrong = loss.weight[1], loss.weight[0]
    near = right + 0.1 * torch.tensor([right[1], -right[0]])
    z = torch.stack([near, near, wrong + 0.3 * right.flip(0)])
    assert silent_share(loss, z, torch.tensor([1, 1, 1])) == pytest.approx(2 / 3)
    found = diagnose(z, torch.tensor([1, 1, 1]), num_classes=2, loss=loss)
    assert found.silent_share == pytest.approx(2 / 3)


def test_no_state_moves():
    loss = LOSSES.build("curricularface", num_classes=2, embedding_dim=4)
    silent_share(loss, torch.randn(6, 4), torch.arange(6) % 2)
    assert loss.t == 0
    assert loss.training


def test_pair_weights_of_multi_similarity_are_its_published_ones():
    """w_ij of the multi-similarity paper, eq. 10 and 11, symmetrised; all pairs kept."""
    torch.manual_seed(0)
    alpha, beta, base = 2.0, 10.0, 0.5
    z, y = torch.randn(6, 8, dtype=torch.float64), torch.tensor([0, 0, 0, 1, 1, 1])
    loss = LOSSES.build(
        "multi_similarity", num_classes=2, embedding_dim=8, alpha=alpha, beta=beta, mining_epsilon=10.0
    )
    assert loss.base == base
    s, w = pair_weights(loss, z, y)
    expected = torch.zeros(6, 6, dtype=torch.float64)
    for i in range(6):
        ups = {j: math.exp(-alpha * (s[i, j] - base)) for j in range(6) if j != i and y[j] == y[i]}
        downs = {j: math.exp(beta * (s[i, j] - base)) for j in range(6) if y[j] != y[i]}
        for j, value in ups.items():
            expected[i, j] = value / (1 + sum(ups.values())) / 6
        for j, value in downs.items():
            expected[i, j] = value / (1 + sum(downs.values())) / 6
    torch.testing.assert_close(w, (expected + expected.T) / 2, rtol=1e-6, atol=1e-9)


def test_pair_weights_need_independent_clips():
    loss = LOSSES.build("supcon", num_classes=2, embedding_dim=4)
    with pytest.raises(LossInputError, match="6 clips of rank 4 in 4 dimensions"):
        pair_weights(loss, torch.randn(6, 4), torch.arange(6) % 2)
    with pytest.raises(LossInputError, match="4 clips of rank 1"):
        pair_weights(loss, torch.ones(4, 4), torch.arange(4) % 2)
