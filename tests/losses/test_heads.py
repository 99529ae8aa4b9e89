"""What every head shares: scores without saturation, readings, listed options, float32 in half precision."""

from __future__ import annotations

import inspect

import pytest
import torch
from sklearn.metrics import roc_auc_score

from vidfake.errors import ConfigError, LossInputError
from vidfake.losses import LOSSES, LossContext
from vidfake.losses.angular import add_angle, angle_of, inverse_norm
from vidfake.losses.heads import MarginLogits


def test_two_class_score_is_the_cosine_difference(batch, build_head):
    z, _ = batch(2)
    loss = build_head("arcface", 2)
    cosines = loss.cosines(z)
    assert torch.equal(loss.score(z), cosines[:, 1] - cosines[:, 0])


def test_score_over_several_fakes_is_the_logit_of_not_real(batch, build_head):
    z, _ = batch(5)
    loss = build_head("cosface", 5, scale=9.0)
    real = torch.softmax(loss.logits(z), dim=1)[:, 0]
    torch.testing.assert_close(loss.score(z) * 9.0, torch.log((1 - real) / real))


def test_readings(batch, build_head):
    z, _ = batch(5)
    loss = build_head("cosface", 5)
    cosines, readings = loss.cosines(z), loss.score_readings(z)
    assert set(readings) == {"logsumexp", "max", "one_class"}
    assert torch.equal(readings["logsumexp"], loss.score(z))
    torch.testing.assert_close(readings["max"], cosines[:, 1:].max(1).values - cosines[:, 0])
    assert torch.equal(readings["one_class"], -cosines[:, 0])


def test_float32_scores_keep_the_order_that_probabilities_lose(build_head):
    """At s = 30 a float32 probability is exactly 1 above a difference of 0.55; the score makes no ties."""
    loss = build_head("cosface", 2, dim=2, scale=30.0, weights="simplex")
    labels = torch.arange(600) % 2
    difference = 0.3 + 0.7 * torch.rand(600, dtype=torch.float64) + 0.1 * labels
    theta = torch.acos(difference / 2)[:, None]  # with opposite weights c_1 - c_0 = 2 cos θ
    along, across = loss.weight[1], loss.weight[1].flip(0) * torch.tensor([1, -1])
    z = theta.cos() * along + theta.sin() * across

    exact = torch.softmax(loss.logits(z), dim=1)[:, 1]
    loss, z = loss.float(), z.float()
    score = loss.score(z)
    saturated = torch.softmax(loss.logits(z), dim=1)[:, 1]
    assert score.dtype == torch.float32
    assert (saturated == 1).sum() > 300
    assert len(score.unique()) == 600
    auc = roc_auc_score(labels, score)
    assert auc == roc_auc_score(labels, exact)
    assert abs(auc - roc_auc_score(labels, saturated)) > 0.01


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_cosines_are_float32_under_autocast(build_head, dtype):
    loss = build_head("arcface", 2).float()
    z = torch.randn(4, 6)
    with torch.autocast("cpu", dtype=dtype):
        for value in (loss.cosines(z), loss.logits(z), loss.score(z)):
            assert value.dtype == torch.float32
        assert torch.equal(loss.cosines(z), build_head("arcface", 2).float().cosines(z))


def test_registry_lists_inherited_options_with_their_defaults():
    options = LOSSES.row("arcface").options()
    assert options["margin_radians"].default == 0.5
    assert options["focal_gamma"].default == 0.0
    assert options["weights"].default == "learned"
    assert options["num_classes"].default is inspect.Parameter.empty
    assert "label_smoothing" not in LOSSES.row("p2sgrad").options()
    assert "margin_warmup" not in LOSSES.row("normface").options()


def test_a_misspelt_option_names_the_nearest():
    with pytest.raises(ConfigError, match="takes no option 'margin_radian'.*Did you mean 'margin_radians'"):
        LOSSES.build("arcface", num_classes=2, embedding_dim=4, margin_radian=0.3)


def test_scoring_checks_its_input(build_head):
    loss = build_head("arcface", 2)
    with pytest.raises(LossInputError, match=r"embeddings are \(3, 5\); expected \(B, 6\)"):
        loss.score(torch.randn(3, 5))
    assert loss.score(torch.zeros(0, 6)).shape == (0,)


def test_a_vector_without_length_has_cosine_zero_and_no_gradient():
    z = torch.zeros(2, 3, requires_grad=True)
    value = inverse_norm(z)
    value.sum().backward()
    assert value.tolist() == [[0.0], [0.0]]
    assert torch.equal(z.grad, torch.zeros(2, 3))


@pytest.mark.parametrize("guard", ["linear", "clamp", "easy", "none"])
def test_angles_at_the_poles_have_finite_gradients(guard):
    c = torch.tensor([1.0, -1.0, 1.0 + 1e-6, -1.0 - 1e-6], requires_grad=True)
    (add_angle(c, 0.5, guard).sum() + angle_of(c).sum()).backward()
    assert torch.isfinite(c.grad).all()


MARGIN_HEADS = [row.name for row in LOSSES if issubclass(row.factory, MarginLogits) and "weights" in row.options()]


@pytest.mark.parametrize("name", MARGIN_HEADS)
def test_the_target_logit_of_every_margin_head_never_rises_with_the_angle(name):
    options = {"centres_real": 1, "centres_fake": 1} if name == "subcenter_arcface" else {}
    loss = LOSSES.build(name, num_classes=2, embedding_dim=4, weights="simplex", **options).double().eval()
    theta = torch.linspace(0, torch.pi, 2001, dtype=torch.float64)
    along = loss.weight[1] / loss.weight[1].norm()
    across = torch.linalg.svd(loss.weight)[2][-1]
    z = theta.cos()[:, None] * along + theta.sin()[:, None] * across
    y = torch.ones(len(theta), dtype=torch.int64)
    target = loss.training_logits(z, y, LossContext(progress=1.0))[:, 1]
    assert (target.diff() <= 1e-4).all()
    assert target[0] - target[-1] > 1.0
