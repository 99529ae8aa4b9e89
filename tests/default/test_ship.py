"""Shipping: half precision that scores alike, nothing of the machine inside, and every changed byte refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from vidfake.default import load_default
from vidfake.default.card import read_card, write_card
from vidfake.default.render import markdown
from vidfake.default.ship import compare, random_clips, ship
from vidfake.default.shipped import with_card
from vidfake.errors import CheckpointError
from vidfake.inference.load import load_detector
from vidfake.models.checkpoint import load_checkpoint, save_checkpoint


def test_it_scores_as_weights_rounded_by_hand(trained: Path, shipped: Path) -> None:
    """The oracle: the original detector with every matrix rounded to half precision and back."""
    single, half = load_detector(trained / "best.vidfake"), load_detector(shipped)
    rounded = load_checkpoint(trained / "best.vidfake").detector
    with torch.no_grad():
        for tensor in rounded.state_dict().values():
            if tensor.is_floating_point() and tensor.ndim > 1:
                tensor.copy_(tensor.half().float())
    batch = random_clips(32, 4, seed=3)
    expected = rounded.eval()(batch.frames, batch.mask, batch.pts_seconds)
    found = half.scorer(batch)
    torch.testing.assert_close(found.embeddings, expected.embeddings, atol=1e-5, rtol=1e-5)
    exact = single.scorer(batch)
    assert np.abs(found.clip_scores - exact.clip_scores).max() > 0, "half precision does round"
    parity = compare(half, single)
    assert 0 < parity.relative < 0.01
    assert compare(single, single).relative == 0


def test_matrices_are_half_and_the_rest_is_untouched(trained: Path, shipped: Path) -> None:
    before = load_file(trained / "best.vidfake" / "model.safetensors")
    after = load_file(shipped / "model.safetensors")
    assert any(tensor.dtype == torch.float16 for tensor in after.values())
    for name, tensor in after.items():
        if name.startswith("detector.") and before[name].ndim > 1:
            assert tensor.dtype == torch.float16
        else:
            torch.testing.assert_close(tensor, before[name], atol=0, rtol=0)
    assert not any(name.startswith("readout.") for name in after), "the selected read-out is native"
    detector = load_checkpoint(shipped)
    assert detector.is_half
    assert {t.dtype for t in detector.detector.state_dict().values() if t.is_floating_point()} == {torch.float32}
    assert json.loads((shipped / "checkpoint.json").read_text())["format_version"] == 2
    assert json.loads((trained / "best.vidfake" / "checkpoint.json").read_text())["format_version"] == 1


def test_what_scoring_needs_goes_along_and_nothing_of_the_machine(trained: Path, shipped: Path) -> None:
    before, after = load_checkpoint(trained / "best.vidfake"), load_checkpoint(shipped)
    assert after.calibration == before.calibration
    for key in ("thresholds", "threshold", "readout", "training_sources", "training_datasets"):
        assert after.extra[key] == before.extra[key]
    assert (after.class_names, after.extract, after.metrics) == (before.class_names, before.extract, before.metrics)
    for path in shipped.iterdir():
        assert str(trained.parent).encode() not in path.read_bytes(), path
    card = read_card(shipped)
    assert card is not None
    assert (card.weights.sha256, card.weights.source_sha256) == (after.sha256, before.sha256)
    assert card.date == "2026-01-02"
    assert card.training.config["optim"]["epochs"] == 4


@pytest.mark.parametrize("name", ["model.safetensors", "checkpoint.json", "card.json"])
def test_a_changed_byte_is_an_error_that_names_the_file(
    default: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert load_default().name == "toy"
    copy = tmp_path / "copy.vidfake"
    shutil.copytree(default, copy)
    monkeypatch.setattr("vidfake.default.shipped.FOLDER", copy)
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=name):
        load_default()


def test_a_card_of_other_weights_is_refused(trained: Path, shipped: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.vidfake"
    shutil.copytree(trained / "best.vidfake", copy)
    assert with_card(load_detector(copy)).card is None
    shutil.copy(shipped / "card.json", copy)
    with pytest.raises(CheckpointError, match=r"card.json: is of weights"):
        with_card(load_detector(copy))


def test_a_card_of_a_newer_version_is_refused(shipped: Path, tmp_path: Path) -> None:
    card = read_card(shipped)
    assert card is not None
    path = write_card(tmp_path, card)
    assert read_card(tmp_path) == card
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 9'))
    with pytest.raises(CheckpointError, match="Install a newer version"):
        read_card(tmp_path)


@pytest.mark.parametrize("what", ["thresholds", "calibration"])
def test_weights_without_a_verdict_do_not_ship(trained: Path, tmp_path: Path, what: str) -> None:
    best = load_checkpoint(trained / "best.vidfake")
    save_checkpoint(
        tmp_path / "best.vidfake",
        detector_state=best.detector.state_dict(), config=best.config, class_names=best.class_names,
        loss_state=best.loss_state, calibration=None if what == "calibration" else best.calibration,
        extra={**best.extra, "thresholds": None if what == "thresholds" else best.extra["thresholds"]},
    )  # fmt: skip
    with pytest.raises(CheckpointError, match=f"has no {what}"):
        ship(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    ship(tmp_path, tmp_path / "out", is_trial=True)


def test_what_is_too_large_or_too_big_for_half_does_not_ship(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidfake.default.ship.MAX_BYTES", 1000)
    with pytest.raises(CheckpointError, match="MB ship"):
        ship(trained, tmp_path / "out")
    best = load_checkpoint(trained / "best.vidfake")
    state = dict(best.detector.state_dict())
    state["frame_head.weight"] = state["frame_head.weight"] * 0 + 1e6
    with pytest.raises(CheckpointError, match=r"detector.frame_head.weight: holds 1e\+06"):
        save_checkpoint(
            tmp_path / "big", detector_state=state, config=best.config, class_names=best.class_names, half=True
        )


def test_shipping_again_gives_the_same_bytes(trained: Path, shipped: Path, tmp_path: Path) -> None:
    ship(trained, tmp_path / "again.vidfake")
    for name in ("model.safetensors", "checkpoint.json"):
        assert (tmp_path / "again.vidfake" / name).read_bytes() == (shipped / name).read_bytes()


def test_single_precision_ships_where_half_scores_otherwise(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidfake.default.ship.MAX_RELATIVE_DIFFERENCE", 1e-9)
    card, parity = ship(trained, tmp_path / "out.vidfake")
    assert parity.relative > 1e-9, "of the half precision that was turned down"
    assert card.weights.precision == "single"
    assert "in single precision" in markdown(card)
    before, after = load_checkpoint(trained / "best.vidfake"), load_checkpoint(tmp_path / "out.vidfake")
    assert not after.is_half
    for name, tensor in before.detector.state_dict().items():
        assert torch.equal(after.detector.state_dict()[name], tensor), name
