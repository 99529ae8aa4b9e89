"""OC-Softmax against its equation, and its score."""

from __future__ import annotations

import pytest
import torch

from vidfake.errors import LossInputError


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("prototypes", [1, 3])
def test_values_and_gradients(batch, assert_same, build_head, cosine, num_classes, prototypes):
    def oracle(z, y, loss):
        total = 0
        for row, k in zip(z, y, strict=True):
            s = max((cosine(row, w) for w in loss.weight), key=lambda c: c.item())
            miss = 0.8 - s if k == 0 else s - 0.1
            total = total + torch.log(1 + torch.exp(7.0 * miss))
        return total / len(z)

    loss = build_head("oc_softmax", num_classes, scale=7.0, real_margin=0.8, fake_margin=0.1, prototypes=prototypes)
    assert_same(loss, oracle, *batch(num_classes))


def test_score_is_minus_the_cosine_to_the_prototype(build_head):
    loss = build_head("oc_softmax", 2, dim=2)
    loss.weight.data = torch.tensor([[2.0, 0.0]], dtype=torch.float64)
    z = torch.tensor([[3.0, 0.0], [0.0, 1.0], [-5.0, 0.0]], dtype=torch.float64)
    assert loss.score(z).tolist() == [-1.0, 0.0, 1.0]


def test_fakes_past_their_margin_are_all_but_silent_wherever_they_are(build_head):
    loss = build_head("oc_softmax", 2, dim=3, scale=40.0)
    loss.weight.data = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    z = torch.tensor([[1.0, 0, -0.3], [-1.0, 0, -0.3], [0, 1.0, -1.0]], dtype=torch.float64)
    assert loss(z, torch.tensor([1, 1, 1])) < 1e-6


def test_thresholds_in_the_wrong_order_are_refused(build_head):
    with pytest.raises(LossInputError, match=r"fake_margin is 0\.95, above real_margin \(0\.9\)"):
        build_head("oc_softmax", 2, fake_margin=0.95)
