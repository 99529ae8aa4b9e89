"""The mask loss against arithmetic done by hand, and a run that learns with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_runs import toy_config

from vidfake.errors import ConfigError
from vidfake.settings import EncoderSettings
from vidfake.train.module import mask_loss
from vidfake.train.run import train_run


def by_hand(logits: np.ndarray, masks: np.ndarray) -> float:
    """Binary cross-entropy, cell by cell, where a cell of the target is the mean of 2 x 2 cells of the mask."""
    frames = []
    for logit, mask in zip(logits, masks, strict=True):
        if mask.min() < 0:
            continue
        target = mask.reshape(2, 2, 2, 2).mean(axis=(1, 3))
        p = 1 / (1 + np.exp(-logit))
        frames.append(-(target * np.log(p) + (1 - target) * np.log(1 - p)).mean())
    return float(np.mean(frames))


def test_against_arithmetic_by_hand() -> None:
    rng = np.random.default_rng(0)
    logits, masks = rng.normal(size=(3, 2, 2)), rng.uniform(size=(3, 4, 4))
    masks[1] = -1  # nobody knows
    found = mask_loss(torch.from_numpy(logits), torch.from_numpy(masks))
    assert found.item() == pytest.approx(by_hand(logits, masks), rel=1e-6)


def test_unknown_masks_alone_teach_nothing() -> None:
    logits = torch.randn(2, 3, 3, requires_grad=True)
    loss = mask_loss(logits, torch.full((2, 6, 6), -1.0))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert logits.grad.abs().sum() == 0


def test_a_run_learns_where(toy_store: Path, tmp_path: Path) -> None:
    config = toy_config(toy_store, tmp_path)
    config = replace(
        config,
        data=replace(config.data, makers=("self_blend",)),
        model=replace(
            config.model,
            encoder=EncoderSettings(name="mobilenet_v2", weights="none", input_size=64),
            mask_loss_weight=2.0,
        ),
        optim=replace(config.optim, epochs=3, encoder_learning_rate=2e-3),
    )
    folder = train_run(config).folder
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    losses = [line["mask_loss"] for line in lines if line["kind"] == "train"]
    assert all(np.isfinite(losses))
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
    line = next(line for line in lines if line["kind"] == "train")
    weight = config.model.frame_loss_weight
    assert line["loss"] == pytest.approx(
        line["clip_loss"] + weight * line["frame_loss"] + 2 * line["mask_loss"], rel=1e-4
    )


def test_cached_features_hold_no_map(toy_store: Path, tmp_path: Path) -> None:
    config = toy_config(toy_store, tmp_path)
    encoder = EncoderSettings(name="mobilenet_v2", weights="none", input_size=64, frozen=True)
    config = replace(config, model=replace(config.model, encoder=encoder, mask_loss_weight=1.0))
    with pytest.raises(ConfigError, match="mask teaches the encoder alone"):
        train_run(config)
