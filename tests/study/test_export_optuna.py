"""Trials in an Optuna storage: complete, repeatable, and of use to Optuna's own samplers."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_studies import make_study
from typer.testing import CliRunner

from vidfake.cli.main import app
from vidfake.errors import ConfigError, MissingPackageError, StorageError
from vidfake.study.export_optuna import export_optuna
from vidfake.study.results import StudyFolder, best_trial


@pytest.fixture(scope="module")
def optuna() -> Any:
    return pytest.importorskip("optuna", reason="needs the optuna extra: pip install 'vidfake[optuna]'")


@pytest.fixture
def made(tmp_path: Path) -> StudyFolder:
    return make_study(
        tmp_path / "study", {"softmax": 1.0, "cosface": 1.5}, seeds=1, trials=4, tests=("known",),
        failed_trials={"cosface": 1}, sources=3,
    )  # fmt: skip


def test_every_trial_is_there_and_samplers_go_on_from_them(optuna: Any, made: StudyFolder, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'trials.db'}"
    result = CliRunner().invoke(app, ["study", "export", str(made.path), "--optuna", url, "--json"])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(r["name"], r["added"]) for r in rows] == [("made/binary/softmax", 4), ("made/binary/cosface", 4)]
    study = optuna.load_study(
        study_name="made/binary/cosface",
        storage=url,
        sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=1),
    )
    records = made.records("binary", "cosface", "search")
    assert [t.state.name for t in study.trials] == ["FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    assert study.trials[0].user_attrs["reason"] == "diverged: loss is NaN"
    for trial, record in zip(study.trials, records, strict=True):
        assert trial.params == record.hyperparameters
        assert trial.value == record.objective
    best = best_trial(records)
    assert best is not None
    assert study.best_trial.user_attrs["vidfake_trial"] == best.trial
    asked = study.ask(study.trials[1].distributions)
    assert asked.params["loss.margin"] in (0.0, 0.35, 0.9)
    assert 0.3 <= asked.params["optim.learning_rate_factor"] <= 3.0


def test_an_export_again_adds_only_what_is_new(optuna: Any, made: StudyFolder, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'trials.db'}"
    export_optuna(made, url)
    last = made.records("binary", "softmax", "search")[-1]
    made.write_record(replace(last, trial=4))
    other = {**last.hyperparameters, "loss.scale": 5.0}
    made.write_record(replace(last, trial=5, hyperparameters=other))
    softmax, cosface = export_optuna(made, url)
    assert (softmax.added, softmax.present, softmax.left_out) == (1, 4, 1), "5.0 is none of the scales"
    assert (cosface.added, cosface.present) == (0, 4)
    made.write_state(replace(made.state(), basis="other"))
    with pytest.raises(ConfigError, match="Name another storage"):
        export_optuna(made, url)


def test_what_is_no_storage_is_refused(optuna: Any, made: StudyFolder, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sqlite:///"):
        export_optuna(made, "trials.db")
    with pytest.raises(StorageError, match="Check the URL"):
        export_optuna(made, f"sqlite:///{tmp_path / 'no' / 'folder' / 'trials.db'}")


def test_without_optuna_it_says_what_to_install(made: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingPackageError, match=r"vidfake\[optuna\]"):
        export_optuna(made, "sqlite:///trials.db")
