"""A run that is killed before its first epoch ends can be gone on with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy_runs import toy_config

from vidfake.errors import ConfigError, StoreError
from vidfake.files import write_text
from vidfake.train import run
from vidfake.train.loop import Fit
from vidfake.train.run import CONFIG_FILE, train_run


def test_death_in_the_first_steps(toy_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(toy_config(toy_store, tmp_path), name="killed")
    real_step, calls = Fit._step, [0]

    def dies(self: Fit, *arguments: object) -> dict[str, float]:
        calls[0] += 1
        if calls[0] == 3:
            raise MemoryError("killed here")
        return real_step(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Fit, "_step", dies)
    with pytest.raises(MemoryError):
        train_run(config)
    monkeypatch.setattr(Fit, "_step", real_step)
    assert train_run(config, resume=True).metrics["video_auc"] is not None


def test_a_second_process_does_not_train_into_the_same_folder(
    toy_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(toy_config(toy_store, tmp_path), name="twice")
    real_step = Fit._step

    def begins_again(self: Fit, *arguments: object) -> dict[str, float]:
        monkeypatch.setattr(Fit, "_step", real_step)
        with pytest.raises(StoreError, match="another process is writing here"):
            train_run(config, resume=True)
        return real_step(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Fit, "_step", begins_again)
    folder = train_run(config).folder
    assert Fit._step is real_step
    assert not list(folder.glob(".*")), "no lock is left"


def test_a_run_that_began_meanwhile_keeps_its_config(
    toy_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two starts of one command see an empty folder each; the slower one must not write over the other's config."""
    config = replace(toy_config(toy_store, tmp_path), name="raced")
    theirs = tmp_path / "raced" / CONFIG_FILE
    real_build = run.build_feeder

    def begun_meanwhile(*arguments: Any) -> Any:
        write_text(theirs, "# of the other run")
        return real_build(*arguments)

    monkeypatch.setattr(run, "build_feeder", begun_meanwhile)
    with pytest.raises(ConfigError, match="already holds a run"):
        train_run(config)
    assert theirs.read_text() == "# of the other run"
