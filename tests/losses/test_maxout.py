"""Probability Guided Maxout against a loop: what is kept, how it is scaled, and that evaluation drops nothing."""

from __future__ import annotations

import pytest
import torch

from vidfake.errors import ConfigError
from vidfake.losses import LOSSES


def build(num_classes=2, dim=6, **options):
    torch.manual_seed(0)
    return LOSSES.build("maxout", num_classes=num_classes, embedding_dim=dim, **options).double()


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("most_dropped", [0.0, 0.5, 0.75])
def test_values_and_gradients(batch, assert_same, slow_cross_entropy, num_classes, most_dropped):
    def logits_of(row, head):
        return [(row * w).sum() + b for w, b in zip(head.weight, head.bias, strict=True)]

    def oracle(z, y, loss):
        total = 0
        for row, k in zip(z, y, strict=True):
            exps = [torch.exp(v).item() for v in logits_of(row, loss.head)]
            share = 1 - most_dropped * exps[k] / sum(exps)
            smallest_first = sorted(range(len(row)), key=lambda e, row=row: abs(row[e].item()))
            kept = set(smallest_first[: round(len(row) * share)])
            mask = torch.tensor([float(e in kept) for e in range(len(row))], dtype=torch.float64)
            total = total + slow_cross_entropy(logits_of(row * mask * loss.factor / share, loss.head), k)
        return total / len(z)

    loss = build(num_classes, most_dropped=most_dropped)
    loss.factor.data.fill_(1.3)
    assert_same(loss, oracle, *batch(num_classes, size=20))


def test_the_largest_activations_of_a_certain_clip_are_dropped():
    loss = build(dim=4)
    loss.head.weight.data = torch.tensor([[-9.0, 0, 0, 0], [9.0, 0, 0, 0]], dtype=torch.float64)
    z = torch.tensor([[3.0, 0.1, -2.0, 0.2]], dtype=torch.float64)
    torch.testing.assert_close(
        loss._dropped(z, torch.tensor([1])),
        torch.tensor([[0.0, 0.2, 0.0, 0.4]], dtype=torch.float64),
    )


def test_evaluation_is_the_head(batch):
    z, y = batch(2)
    loss = build(head="arcface").eval()
    assert loss(z, y) == loss.head(z, y)
    assert torch.equal(loss.score(z), loss.head.score(z))


def test_only_heads_can_be_wrapped():
    with pytest.raises(ConfigError, match="'supcon', which owns no class weights"):
        build(head="supcon")
