"""Sums of losses, defaults by number of classes, and what is refused before training."""

from __future__ import annotations

import pytest
import torch

from vidfake.errors import ConfigError, LossInputError, UnknownNameError
from vidfake.losses import LOSSES, CombinedLoss, LossContext, build_loss, defaults_for
from vidfake.losses.combine import parse_sum
from vidfake.settings import LossSettings


def build(name, options=None, *, num_classes=2, norm_can_vary=True):
    torch.manual_seed(0)
    settings = LossSettings(name=name, options=options or {})
    return build_loss(settings, num_classes=num_classes, embedding_dim=6, norm_can_vary=norm_can_vary)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("arcface", [(1.0, "arcface")]),
        ("arcface + 0.01*center", [(1.0, "arcface"), (0.01, "center")]),
        (" 2 * softmax+1e-3*ring ", [(2.0, "softmax"), (0.001, "ring")]),
    ],
)
def test_sums_are_read(text, terms):
    assert parse_sum(text) == terms


@pytest.mark.parametrize(
    "text", ["", "arcface +", "arcface - center", "0*arcface", "1..2*arcface", "-1*arcface", "arcface*2", "a b"]
)
def test_what_is_no_sum_is_refused(text):
    with pytest.raises(ConfigError, match="is not a loss. Write a name, or a sum"):
        parse_sum(text)


def test_a_loss_twice_is_refused():
    with pytest.raises(ConfigError, match="'arcface' occurs twice"):
        parse_sum("arcface + arcface")


def test_a_sum_is_the_weighted_sum_of_its_parts(batch):
    z, y = batch(2, dtype=torch.float32)
    loss = build("arcface + 0.01*center + 0.5*supcon", {"arcface": {"scale": 8.0}})
    assert isinstance(loss, CombinedLoss)
    context = LossContext()
    parts = [loss.parts[name](z, y, context=context).item() for name in ("arcface", "center", "supcon")]
    assert loss(z, y).item() == pytest.approx(parts[0] + 0.01 * parts[1] + 0.5 * parts[2], rel=1e-6)
    assert loss.has_native_score
    assert torch.equal(loss.score(z), loss.parts["arcface"].score(z))
    assert loss.parts["arcface"].score_scale == 8.0
    assert loss.needs.clips_per_class == LOSSES.row("supcon").factory.needs.clips_per_class


def test_per_clip_values_add_up_where_all_parts_have_them(batch):
    z, y = batch(2, dtype=torch.float32)
    loss = build("arcface + 0.5*softmax")
    torch.testing.assert_close(loss.per_clip(z, y).mean(), loss(z, y))
    with pytest.raises(LossInputError, match="no per-clip value"):
        build("arcface + contrastive").per_clip(z, y)


def test_a_sum_without_a_head_has_no_native_score(batch):
    loss = build("supcon + 0.1*triplet")
    assert not loss.has_native_score
    with pytest.raises(LossInputError, match="no native score"):
        loss.score(batch(2)[0])


def test_weight_alone_makes_a_scaled_loss(batch):
    z, y = batch(2, dtype=torch.float32)
    assert build("2*softmax")(z, y).item() == pytest.approx(2 * build("softmax")(z, y).item())


def test_options_of_a_single_loss_are_flat_or_a_table():
    assert build("arcface", {"scale": 9.0}).score_scale == 9.0
    assert build("arcface", {"arcface": {"scale": 9.0}}).score_scale == 9.0


@pytest.mark.parametrize("options", [{"scale": 9.0}, {"cosface": {"scale": 9.0}}, {"arcface": 3}])
def test_options_of_a_sum_are_tables(options):
    with pytest.raises(ConfigError, match="one table per loss: arcface, center"):
        build("arcface + center", options)


def test_unknown_names_and_options_are_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'arcface'"):
        build("arcfase")
    with pytest.raises(ConfigError, match="takes no option 'scales'"):
        build("arcface", {"scales": 3.0})


@pytest.mark.parametrize("num_classes", [2, 4])
def test_few_classes_take_the_two_class_defaults(num_classes):
    assert defaults_for("cosface", num_classes) == {}
    assert build("cosface", num_classes=num_classes).score_scale == 16.0


def test_many_classes_take_their_own_defaults_unless_set():
    assert defaults_for("cosface", 5) == {"scale": 32.0, "margin": 0.35}
    assert build("cosface", num_classes=5).score_scale == 32.0
    assert build("cosface", {"scale": 8.0}, num_classes=5).score_scale == 8.0
    assert build("cosface", {"scale": 8.0}, num_classes=5).margin == 0.35


@pytest.mark.parametrize("name", ["magface", "adaface", "softmax + 0.1*ring"])
def test_losses_that_read_the_norm_are_refused_where_it_is_constant(name):
    with pytest.raises(ConfigError, match="reads the norm of the embedding"):
        build(name, norm_can_vary=False)
    assert build(name).needs.norm_must_vary
