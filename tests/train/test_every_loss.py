"""Every loss of the registry trains, saves a detector, and scores; the ones that cannot say why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from toy_runs import toy_config

from vidfake.errors import LossInputError
from vidfake.inference.load import load_detector
from vidfake.inference.predict import predict
from vidfake.losses import LOSSES
from vidfake.settings import LossSettings, RunConfig
from vidfake.train.data import build_data
from vidfake.train.run import train_run

NOT_FOR_TWO_CLASSES = {"adacos", "npair"}


@pytest.fixture(scope="module")
def teacher(toy_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = toy_config(toy_store, tmp_path_factory.mktemp("teacher"))
    return train_run(replace(config, optim=replace(config.optim, epochs=1))).checkpoint


def run_of(store: Path, out: Path, teacher: Path, **loss: str) -> RunConfig:
    config = toy_config(store, out)
    needs_teacher = loss["name"].startswith("teacher_")
    settings = LossSettings(teacher=str(teacher) if needs_teacher else "", **loss)  # type: ignore[arg-type]
    return replace(config, loss=settings, optim=replace(config.optim, epochs=1, batch_size=12))


@pytest.mark.parametrize("name", LOSSES.names())
def test_trains_on_real_and_fake_and_scores(name: str, toy_store: Path, tmp_path: Path, teacher: Path) -> None:
    config = run_of(toy_store, tmp_path, teacher, name=name)
    if name in NOT_FOR_TWO_CLASSES:
        with pytest.raises(LossInputError, match="cannot work with 2 classes"):
            train_run(config)
        config = replace(config, loss=replace(config.loss, task="manipulation"))
    result = train_run(config)
    detector = load_detector(result.checkpoint)
    table = predict(detector.scorer, build_data(config).validation)
    assert len(table.clip_score) == 24
    assert len(set(table.clip_score.tolist())) > 12, "scores are not saturated into ties"


@pytest.mark.parametrize("name", ["cosface", "supcon", "subcenter_arcface", "arcface + 0.1*ring"])
def test_trains_on_manipulations(name: str, toy_store: Path, tmp_path: Path, teacher: Path) -> None:
    config = run_of(toy_store, tmp_path, teacher, name=name, task="manipulation")
    result = train_run(config)
    assert load_detector(result.checkpoint).loss.num_classes == 3
    assert result.metrics["video_auc"] is not None
