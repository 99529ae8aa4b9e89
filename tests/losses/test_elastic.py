"""ElasticFace: drawn margins against the equation, their distribution, order, seed and position."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from vidfake.losses import LossContext
from vidfake.losses.elastic import drawn_margins

FORMS = pytest.mark.parametrize("name", ["elastic_arcface", "elastic_cosface"])


def guarded(c, m):
    return torch.cos(torch.acos(c) + m) if torch.acos(c) + m <= math.pi else c - m * math.sin(m)


@FORMS
@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("harder_more", [False, True])
def test_values_and_gradients(batch, assert_same, build_head, slow_head, name, num_classes, harder_more):
    z, y = batch(num_classes)
    loss = build_head(name, num_classes, scale=6.0, sigma=0.1, harder_more=harder_more)
    margins = 0.5 + 0.1 * copy.deepcopy(loss).draws.normal(len(z), again=False).double()
    if harder_more:
        cosines = loss.cosines(z).gather(1, y[:, None]).squeeze(1)
        hardest_first = cosines.argsort()
        dealt = torch.empty_like(margins)
        dealt[hardest_first] = margins.sort(descending=True).values
        margins = dealt
    target = {
        "elastic_arcface": lambda c, i: guarded(c, margins[i].item()),
        "elastic_cosface": lambda c, i: c - margins[i].item(),
    }[name]
    assert_same(loss, slow_head(target, scale=6.0), z, y)


def test_margins_are_normal_about_their_mean(build_head):
    loss = build_head("elastic_cosface", 2)
    noise = torch.cat([loss.draws.normal(1000, again=False) for _ in range(20)])
    assert noise.mean().abs() < 0.03
    assert noise.std().item() == pytest.approx(1.0, abs=0.02)


def test_harder_clips_get_larger_margins():
    cosine = torch.tensor([0.9, -0.5, 0.3])
    margins = drawn_margins(cosine, torch.tensor([0.0, 1.0, -1.0]), mean=0.5, sigma=0.1, harder_more=True)
    assert margins.tolist() == pytest.approx([0.4, 0.6, 0.5])


@FORMS
def test_a_resumed_loss_draws_what_it_would_have_drawn(batch, build_head, name):
    z, y = batch(2)
    loss = build_head(name, 2)
    first = loss(z, y)
    stored = copy.deepcopy(loss.state_dict())
    second = loss(z, y)
    assert first != second
    resumed = build_head(name, 2, seed=7)
    resumed.load_state_dict(stored)
    assert resumed(z, y) == second
    assert resumed(z, y, context=LossContext(repeated=True)) == second


@FORMS
def test_evaluation_has_the_mean_margin(batch, build_head, name):
    z, y = batch(2)
    plain = build_head(name.removeprefix("elastic_"), 2)
    torch.testing.assert_close(build_head(name, 2).eval()(z, y), plain(z, y))
