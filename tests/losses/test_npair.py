"""N-pair loss: loops, the library, and why two classes are refused."""

from __future__ import annotations

import math

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES


def build(**options):
    return LOSSES.build("npair", **{"num_classes": 5, "embedding_dim": 6, **options})


def slow(scale, normalise, norm_weight):
    def loss(z, y, _):
        pairs = []
        for c in sorted(set(y)):
            members = [i for i, label in enumerate(y) if label == c]
            if len(members) >= 2:
                pairs.append(members[:2])
        length = (lambda v: v / v.norm()) if normalise else (lambda v: v)
        terms, norms = [], []
        for a, p in pairs:
            scores = [scale * (length(z[a]) * length(z[other])).sum() for _, other in pairs]
            own = scale * (length(z[a]) * length(z[p])).sum()
            terms.append(torch.log(sum(s.exp() for s in scores)) - own)
            norms += [(z[a] ** 2).sum() / 2, (z[p] ** 2).sum() / 2]
        return torch.stack(terms).mean() + norm_weight * torch.stack(norms).mean()

    return loss


@pytest.mark.parametrize("options", [(16.0, True, 0.0), (1.0, False, 0.0), (0.5, False, 0.1)])
@pytest.mark.parametrize("size", [12, 7])
def test_values_and_gradients(batch, assert_same, options, size):
    scale, normalise, norm_weight = options
    z, y = batch(5, size=size)
    ours = build(scale=scale, normalise=normalise, norm_weight=norm_weight)
    assert_same(ours, slow(*options), z, y)


def test_metric_learning_library_agrees(batch):
    from pytorch_metric_learning.losses import NPairsLoss

    z, y = batch(5, size=20)
    torch.testing.assert_close(build(scale=1.0)(z, y), NPairsLoss()(z, y))


def test_four_equal_pairs_cost_log_four():
    z = torch.ones(8, 6)
    y = torch.arange(8) // 2
    assert build()(z, y).item() == pytest.approx(math.log(4), rel=1e-6)


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, 0, 1, 2], [0]])
def test_fewer_than_two_pairs_is_zero_with_a_gradient(labels):
    z = torch.randn(len(labels), 6, requires_grad=True)
    value = build()(z, torch.tensor(labels))
    value.backward()
    assert value == 0
    assert torch.equal(z.grad, torch.zeros_like(z))


def test_two_classes_are_refused_with_the_reason():
    with pytest.raises(LossInputError, match="four clips of a batch"):
        build(num_classes=2)


def test_a_norm_penalty_on_unit_vectors_is_refused():
    with pytest.raises(LossInputError, match="normalise=False"):
        build(norm_weight=0.1)
