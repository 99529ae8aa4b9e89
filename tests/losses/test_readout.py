"""Read-outs against literal versions, their state, their limits, and that they make no ties."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES, READOUTS, build_readout, load_readout
from vidfake.losses.readout import default_readout

NAMES = pytest.mark.parametrize("name", READOUTS.names())


def clips(n=60, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    z = torch.randn(n, 6, generator=generator) + 1.5 * torch.eye(6)[y]
    return z * (0.5 + torch.rand(n, 1, generator=generator)), y


def arcface():
    torch.manual_seed(0)
    return LOSSES.build("arcface", num_classes=3, embedding_dim=6)


def unit(v):
    return v / v.norm()


def test_prototype_is_the_nearest_fake_mean_against_the_real_mean():
    z, y = clips()
    test, _ = clips(seed=1)
    means = [unit(sum(unit(v) for v, k in zip(z, y, strict=True) if k == j)) for j in range(3)]
    expected = [
        max((unit(v) @ means[1]).item(), (unit(v) @ means[2]).item()) - (unit(v) @ means[0]).item() for v in test
    ]
    got = build_readout("prototype").fit(z, y).score(test)
    assert got.tolist() == pytest.approx(expected, abs=1e-6)


def test_neighbours_are_the_nearest_of_each_kind():
    z, y = clips()
    test, _ = clips(seed=1)

    def nearest(v, stored, k):
        return sum(sorted(((unit(v) @ unit(s)).item() for s in stored), reverse=True)[:k]) / k

    expected = [nearest(v, z[y > 0], 5) - nearest(v, z[y == 0], 5) for v in test]
    assert build_readout("knn", k=5).fit(z, y).score(test).tolist() == pytest.approx(expected, abs=1e-6)


def test_probe_minimises_the_balanced_logistic_loss():
    z, y = clips()
    probe = build_readout("probe", regularisation=2.0).fit(z, y)
    state = probe.state()
    w = state["coefficients"].double().requires_grad_()
    b = state["intercept"].double().requires_grad_()
    x = torch.nn.functional.normalize(z).double()
    sign = torch.where(y > 0, 1.0, -1.0).double()
    counts = torch.where(y > 0, (y > 0).sum(), (y == 0).sum())
    loss = (len(y) / (2 * counts) * torch.nn.functional.softplus(-sign * (x @ w + b))).sum() + w @ w / 4
    for slope in torch.autograd.grad(loss, [w, b]):
        assert slope.abs().max() < 1e-2
    torch.testing.assert_close(probe.score(z), (x @ w + b).float().detach(), rtol=1e-4, atol=1e-4)


def test_native_is_the_losss_own_score():
    z, y = clips()
    loss = arcface()
    readout = build_readout("native", loss=loss).fit(z, y)
    assert torch.equal(readout.score(z), loss.score(z))
    assert readout.state() == {}
    assert not readout.score(z).requires_grad


@NAMES
def test_state_is_plain_tensors_and_round_trips(name, tmp_path):
    from safetensors.torch import load_file, save_file

    z, y = clips()
    loss = arcface()
    readout = build_readout(name, loss=loss).fit(z, y)
    save_file({**readout.state(), "one": torch.ones(1)}, tmp_path / "state.safetensors")
    stored = load_file(tmp_path / "state.safetensors")
    again = load_readout(name, stored, loss=loss)
    assert torch.equal(again.score(z), readout.score(z))


@NAMES
def test_scores_are_float32_without_ties_or_gradient(name):
    z, y = clips(n=300)
    readout = build_readout(name, loss=arcface()).fit(z, y)
    score = readout.score((50 * z).double().requires_grad_())
    assert score.dtype == torch.float32
    assert not score.requires_grad
    assert len(np.unique(score.numpy())) == 300
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(readout.score(50 * z), score, rtol=1e-5, atol=1e-6)


@NAMES
def test_scores_do_not_depend_on_length_or_company(name):
    z, y = clips()
    readout = build_readout(name, loss=arcface()).fit(z, y)
    torch.testing.assert_close(readout.score(7 * z[:5]), readout.score(z)[:5], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["prototype", "probe", "knn"])
def test_binary_and_manipulation_labels_are_both_read(name):
    z, y = clips()
    for labels in (y, (y > 0).long()):
        score = build_readout(name).fit(z, labels).score(z)
        assert score[y > 0].mean() > score[y == 0].mean()


def test_neighbours_are_capped_by_a_seeded_draw():
    z, y = clips(n=90)  # 30 real, 60 fake
    state = build_readout("knn", max_stored=40).fit(z, y).state()
    assert (len(state["reals"]), len(state["fakes"])) == (20, 20)
    state = build_readout("knn", max_stored=80).fit(z, y).state()
    assert (len(state["reals"]), len(state["fakes"])) == (30, 50)
    first, same, other = (build_readout("knn", max_stored=40, seed=s).fit(z, y).state()["fakes"] for s in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_fewer_clips_than_neighbours_is_fine():
    z, y = clips(n=6)
    assert torch.isfinite(build_readout("knn", k=20).fit(z, y).score(z)).all()


@pytest.mark.parametrize("name", ["prototype", "probe", "knn"])
def test_what_cannot_be_fitted_is_an_error(name):
    z, y = clips()
    with pytest.raises(LossInputError, match="60 reals and 0 fakes"):
        build_readout(name).fit(z, torch.zeros_like(y))
    with pytest.raises(LossInputError, match="1 of 60 training embeddings hold NaN"):
        build_readout(name).fit(torch.where(torch.arange(60)[:, None] == 3, torch.nan, z), y)
    with pytest.raises(LossInputError, match=r"\(60, 6\) and labels \(59,\)"):
        build_readout(name).fit(z, y[:-1])
    with pytest.raises(LossInputError, match="not fitted"):
        build_readout(name).score(z)
    with pytest.raises(LossInputError, match="state lacks"):
        load_readout(name, {})


def test_native_needs_a_loss_that_scores():
    supcon = LOSSES.build("supcon", num_classes=2, embedding_dim=6)
    assert default_readout(supcon) == "prototype"
    assert default_readout(arcface()) == "native"
    with pytest.raises(LossInputError, match="SupCon has no native score"):
        build_readout("native", loss=supcon)
    with pytest.raises(LossInputError, match="needs the loss"):
        build_readout("native")
