"""Plain softmax against its equation, and what every cross-entropy head takes: smoothing, focal factor, weights."""

from __future__ import annotations

import pytest
import torch

from vidfake.errors import LossInputError

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def logits_of(row, loss):
    return [
        (row * w).sum() + (0 if loss.bias is None else b)
        for w, b in zip(loss.weight, loss.bias if loss.bias is not None else loss.weight, strict=True)
    ]


@CLASSES
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients(batch, assert_same, build_head, slow_cross_entropy, num_classes, bias):
    def oracle(z, y, loss):
        return sum(slow_cross_entropy(logits_of(r, loss), k) for r, k in zip(z, y, strict=True)) / len(z)

    loss = build_head("softmax", num_classes, bias=bias)
    if bias:
        loss.bias.data += torch.randn(num_classes)
    assert_same(loss, oracle, *batch(num_classes))


@CLASSES
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_smoothing_focal_factor_and_class_weights(
    batch, assert_same, build_head, slow_cross_entropy, num_classes, smoothing, gamma
):
    weights = [1.0 + 0.5 * j for j in range(num_classes)]

    def oracle(z, y, loss):
        total = 0
        for row, k in zip(z, y, strict=True):
            each = [slow_cross_entropy(logits_of(row, loss), j) for j in range(num_classes)]
            smoothed = (1 - smoothing) * each[k] + smoothing * sum(each) / num_classes
            total = total + weights[k] * (1 - torch.exp(-each[k])) ** gamma * smoothed
        return total / len(z)

    loss = build_head("softmax", num_classes, label_smoothing=smoothing, focal_gamma=gamma, class_weights=weights)
    assert_same(loss, oracle, *batch(num_classes))


def test_focal_factor_below_one_is_finite_where_the_class_is_certain(build_head):
    loss = build_head("softmax", 2, focal_gamma=0.5, weights="simplex")
    z = (1e4 * loss.weight[1:2]).clone().requires_grad_()
    value = loss(z, torch.tensor([1]))
    value.backward()
    assert value >= 0
    assert torch.isfinite(z.grad).all()


def test_score_is_the_logit_difference(batch, build_head):
    z, _ = batch(2)
    loss = build_head("softmax", 2)
    logits = loss.logits(z)
    torch.testing.assert_close(loss.score(z), logits[:, 1] - logits[:, 0])


@pytest.mark.parametrize(
    "options",
    [{"label_smoothing": 0.9}, {"focal_gamma": -1.0}, {"class_weights": [1.0]}, {"class_weights": [1.0, -1.0]}],
)
def test_options_out_of_range_are_refused(build_head, options):
    with pytest.raises(LossInputError, match=next(iter(options))):
        build_head("softmax", 2, **options)


def test_unknown_weights_are_refused(build_head):
    with pytest.raises(LossInputError, match="'frozen'; it takes learned, simplex"):
        build_head("softmax", 2, weights="frozen")
