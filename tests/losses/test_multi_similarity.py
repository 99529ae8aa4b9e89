"""Multi-similarity loss and its miner: loops and the library."""

from __future__ import annotations

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES
from vidfake.losses.multi_similarity import mine
from vidfake.losses.pairs import Pairs

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def build(num_classes, dim=6, **options):
    return LOSSES.build("multi_similarity", num_classes=num_classes, embedding_dim=dim, **options)


def slow(*, alpha=2.0, beta=50.0, base=0.5, mining_epsilon=0.1):
    def loss(z, y, _):
        everyone = range(len(z))
        terms = []
        for i in everyone:
            s = [(z[i] * z[j]).sum() / z[i].norm() / z[j].norm() for j in everyone]
            near = [j for j in everyone if j != i and y[j] == y[i]]
            far = [j for j in everyone if y[j] != y[i]]
            if mining_epsilon is not None:
                kept_near = [p for p in near if s[p] < max(s[n] for n in far) + mining_epsilon]
                far = [n for n in far if s[n] > min(s[p] for p in near) - mining_epsilon]
                near = kept_near
            pull = torch.log(1 + sum((-alpha * (s[p] - base)).exp() for p in near)) if near else s[0] * 0
            push = torch.log(1 + sum((beta * (s[n] - base)).exp() for n in far)) if far else s[0] * 0
            terms.append(pull / alpha + push / beta)
        return torch.stack(terms).mean()

    return loss


@CLASSES
@pytest.mark.parametrize(
    "options",
    [{}, {"mining_epsilon": None}, {"alpha": 3.0, "beta": 10.0, "base": 0.2, "mining_epsilon": 0.0}],
    ids=str,
)
def test_values_and_gradients(batch, assert_same, num_classes, options):
    z, y = batch(num_classes)
    assert_same(build(num_classes, **options), slow(**options), z, y)


@CLASSES
@pytest.mark.parametrize("epsilon", [None, 0.1])
def test_metric_learning_library_agrees(batch, num_classes, epsilon):
    from pytorch_metric_learning.losses import MultiSimilarityLoss
    from pytorch_metric_learning.miners import MultiSimilarityMiner

    z, y = batch(num_classes, size=20)
    a, b = z.clone().requires_grad_(), z.clone().requires_grad_()
    mine_value = build(num_classes, mining_epsilon=epsilon)(a, y)
    mined = None if epsilon is None else MultiSimilarityMiner(epsilon=epsilon)(b, y)
    theirs = MultiSimilarityLoss(alpha=2, beta=50, base=0.5)(b, y, mined)
    torch.testing.assert_close(mine_value, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(v, x)[0] for v, x in ((mine_value, a), (theirs, b))))


def test_miner_keeps_no_pair_of_an_anchor_without_negatives():
    pairs = Pairs.of(torch.randn(4, 3), torch.tensor([0, 0, 0, 0]))
    positives, negatives = mine(pairs.cosines(), pairs.positives, pairs.negatives, epsilon=0.1)
    assert not positives.any()
    assert not negatives.any()


def test_miner_drops_what_is_already_right():
    z = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    pairs = Pairs.of(z, torch.tensor([0, 0, 1, 1]))
    positives, negatives = mine(pairs.cosines(), pairs.positives, pairs.negatives, epsilon=0.1)
    assert not positives.any()
    assert not negatives.any()


def test_options_out_of_range_are_refused():
    for options in ({"alpha": 0.0}, {"base": 1.5}, {"mining_epsilon": -0.1}):
        with pytest.raises(LossInputError, match=next(iter(options))):
            build(2, **options)
