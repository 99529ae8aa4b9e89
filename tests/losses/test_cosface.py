"""CosFace against its equation, its two-class closed form, and pytorch-metric-learning."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vidfake.errors import LossInputError
from vidfake.losses import LossContext

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


@CLASSES
@pytest.mark.parametrize("gradient", ["full", "detached"])
def test_values_and_gradients(batch, assert_same, build_head, slow_head, num_classes, gradient):
    # the margin is a constant, so its gradient is 1 either way
    loss = build_head("cosface", num_classes, scale=8.0, margin=0.35, gradient=gradient)
    assert_same(loss, slow_head(lambda c, i: c - 0.35, scale=8.0), *batch(num_classes))


@CLASSES
def test_library_agrees(batch, build_head, assert_library_agrees, num_classes):
    from pytorch_metric_learning.losses import CosFaceLoss

    theirs = CosFaceLoss(num_classes=num_classes, embedding_size=6, margin=0.4, scale=30)
    assert_library_agrees(build_head("cosface", num_classes, margin=0.4, scale=30.0), theirs, *batch(num_classes))


@pytest.mark.parametrize(("scale", "margin"), [(64.0, 0.35), (16.0, 0.9), (4.0, 0.2)])
def test_two_classes_are_a_soft_hinge_on_the_difference(batch, build_head, scale, margin):
    z, y = batch(2)
    loss = build_head("cosface", 2, scale=scale, margin=margin)
    difference = loss.score(z) * (2 * y - 1)
    torch.testing.assert_close(loss.per_clip(z, y), F.softplus(-scale * (difference - margin)))


def test_margin_warms_up_linearly(batch, assert_same, build_head, slow_head):
    loss = build_head("cosface", 5, scale=8.0, margin=0.4, margin_warmup=0.2)
    oracle = slow_head(lambda c, i: c - 0.4 * 0.25, scale=8.0)
    assert_same(loss, oracle, *batch(5), context=LossContext(progress=0.05))


def test_scale_warms_up_from_one(batch, assert_same, build_head, slow_head):
    loss = build_head("cosface", 5, scale=9.0, margin=0.4, margin_warmup=0.0, scale_warmup=0.5)
    oracle = slow_head(lambda c, i: c - 0.4, scale=1.0 + 8.0 * 0.5)
    assert_same(loss, oracle, *batch(5), context=LossContext(progress=0.25))


def test_rare_classes_get_the_larger_margin(batch, assert_same, build_head, slow_head):
    z, y = batch(2)
    counts = [1600.0, 100.0]
    loss = build_head("cosface", 2, scale=8.0, margin=0.4, class_counts=counts)
    margins = [0.4 * (counts[k] / 100.0) ** -0.25 for k in y.tolist()]
    assert sorted(set(margins)) == pytest.approx([0.2, 0.4])
    assert_same(loss, slow_head(lambda c, i: c - margins[i], scale=8.0), z, y)


@pytest.mark.parametrize("options", [{"margin": -0.1}, {"margin": 2.5}, {"scale": 0.0}, {"margin_warmup": 2.0}])
def test_options_out_of_range_are_refused(build_head, options):
    name, value = next(iter(options.items()))
    with pytest.raises(LossInputError, match=f"{name} is {value:g}; it takes"):
        build_head("cosface", 2, **options)
