"""Combined margin against its equation, and against the losses it contains."""

from __future__ import annotations

import math

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LossContext

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def continued(angle):
    k = math.floor(angle.item() / math.pi)
    return (-1) ** k * torch.cos(angle) - 2 * k


@CLASSES
@pytest.mark.parametrize(("m1", "m2", "m3"), [(1.0, 0.3, 0.2), (0.9, 0.4, 0.15), (1.35, 0.0, 0.0), (2.0, 1.0, 0.5)])
def test_values_and_gradients(batch, assert_same, build_head, slow_head, num_classes, m1, m2, m3):
    loss = build_head("combined_margin", num_classes, scale=6.0, margin_multiplier=m1, margin_radians=m2, margin=m3)
    oracle = slow_head(lambda c, i: continued(m1 * torch.acos(c) + m2) - m3, scale=6.0)
    assert_same(loss, oracle, *batch(num_classes, size=20))


def test_filter_sets_high_negatives_to_zero(batch, assert_same, build_head, slow_head):
    loss = build_head("combined_margin", 5, scale=6.0, interclass_filter=0.3)
    oracle = slow_head(
        lambda c, i: continued(torch.acos(c) + 0.3) - 0.2, lambda c, true, i: 0 * c if c > 0.3 else c, scale=6.0
    )
    assert_same(loss, oracle, *batch(5, size=20))


def test_alone_each_margin_is_its_own_loss(batch, build_head):
    z, y = batch(5)
    cosface = build_head("cosface", 5, scale=8.0, margin=0.35)
    same = build_head("combined_margin", 5, scale=8.0, margin_multiplier=1.0, margin_radians=0.0, margin=0.35)
    torch.testing.assert_close(same(z, y), cosface(z, y), rtol=1e-6, atol=1e-6)


def test_all_margins_warm_up(batch, assert_same, build_head, slow_head):
    options = {"margin_multiplier": 1.4, "margin_radians": 0.4, "margin": 0.2, "margin_warmup": 0.1}
    loss = build_head("combined_margin", 2, scale=6.0, **options)
    oracle = slow_head(lambda c, i: continued(1.2 * torch.acos(c) + 0.2) - 0.1, scale=6.0)
    assert_same(loss, oracle, *batch(2), context=LossContext(progress=0.05))


@pytest.mark.parametrize("options", [{"margin_multiplier": 0.1}, {"interclass_filter": 2.0}, {"margin": 3.0}])
def test_options_out_of_range_are_refused(build_head, options):
    with pytest.raises(LossInputError, match=next(iter(options))):
        build_head("combined_margin", 2, **options)
