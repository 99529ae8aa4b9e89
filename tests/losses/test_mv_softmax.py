"""MV-Softmax, cosine and arc, against their equations and their two-class form."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])
ADAPTIVE = pytest.mark.parametrize("adaptive", [True, False])


def raised(c, threshold, t, adaptive):
    if c <= threshold:
        return c
    return (t + 1) * c + t if adaptive else c + t


@CLASSES
@ADAPTIVE
def test_cosine_form(batch, assert_same, build_head, slow_head, num_classes, adaptive):
    loss = build_head("mv_cosface", num_classes, scale=6.0, margin=0.35, extra=0.3, adaptive=adaptive)
    oracle = slow_head(lambda c, i: c - 0.35, lambda c, true, i: raised(c, true - 0.35, 0.3, adaptive), scale=6.0)
    assert_same(loss, oracle, *batch(num_classes, size=20))


@CLASSES
@ADAPTIVE
def test_arc_form(batch, assert_same, build_head, slow_head, num_classes, adaptive):
    m = 0.8

    def target(c, i):
        return torch.cos(torch.acos(c) + m) if torch.acos(c) + m <= math.pi else c - m * math.sin(m)

    def other(c, true, i):
        return raised(c, torch.cos(torch.acos(true) + m), 0.3, adaptive)

    loss = build_head("mv_arcface", num_classes, scale=6.0, margin_radians=m, extra=0.3, adaptive=adaptive)
    assert_same(loss, slow_head(target, other, scale=6.0), *batch(num_classes, size=20))


def test_two_classes_add_a_margin_to_violators_only(batch, build_head):
    z, y = batch(2, size=40)
    s, m, t = 6.0, 0.35, 0.2
    loss = build_head("mv_cosface", 2, scale=s, margin=m, extra=t)
    cosines = loss.cosines(z)
    true, other = cosines.gather(1, y[:, None])[:, 0], cosines.gather(1, 1 - y[:, None])[:, 0]
    violates = other > true - m
    assert 0 < violates.sum() < len(z)
    extra = torch.where(violates, t * (1 + other), 0.0)
    torch.testing.assert_close(loss.per_clip(z, y), F.softplus(-s * (true - other - m - extra)))


def test_without_extra_it_is_cosface(batch, build_head):
    z, y = batch(5)
    mv = build_head("mv_cosface", 5, scale=6.0, margin=0.35, extra=0.0)
    torch.testing.assert_close(mv(z, y), build_head("cosface", 5, scale=6.0, margin=0.35)(z, y))
