"""Focal loss against its equation, and against torchvision's sigmoid form for two classes."""

from __future__ import annotations

import pytest
import torch

from vidfake.errors import LossInputError


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize(("gamma", "alpha"), [(0.0, None), (2.0, None), (1.5, 0.25)])
def test_values_and_gradients(batch, assert_same, build_head, num_classes, gamma, alpha):
    def oracle(z, y, loss):
        total = 0
        for row, k in zip(z, y, strict=True):
            exps = [torch.exp((row * w).sum() + b) for w, b in zip(loss.weight, loss.bias, strict=True)]
            p = exps[k] / sum(exps)
            factor = 1.0 if alpha is None else (alpha if k > 0 else 1 - alpha)
            total = total - factor * (1 - p) ** gamma * torch.log(p)
        return total / len(z)

    assert_same(build_head("focal", num_classes, gamma=gamma, alpha=alpha), oracle, *batch(num_classes))


def test_two_classes_are_the_sigmoid_form(batch, build_head):
    from torchvision.ops import sigmoid_focal_loss

    z, y = batch(2)
    loss = build_head("focal", 2, gamma=2.0, alpha=0.25)
    expected = sigmoid_focal_loss(loss.score(z), y.double(), alpha=0.25, gamma=2.0, reduction="none")
    torch.testing.assert_close(loss.per_clip(z, y), expected)


@pytest.mark.parametrize("options", [{"gamma": -0.1}, {"alpha": 1.0}, {"alpha": 0.0}])
def test_options_out_of_range_are_refused(build_head, options):
    with pytest.raises(LossInputError, match=next(iter(options))):
        build_head("focal", 2, **options)
