"""`vidfake study` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import toy_study
from typer.testing import CliRunner

from vidfake.cli.main import app
from vidfake.cli.study import _shard, _with_detector
from vidfake.config import to_toml
from vidfake.errors import ConfigError, StoreError
from vidfake.study.definition import load_study, with_stores


@pytest.fixture
def file(store: Path, tmp_path: Path) -> Path:
    path = tmp_path / "toy.toml"
    path.write_text(to_toml(toy_study.study(store)))
    return path


def test_plan_is_printed_without_running(file: Path, store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["study", "run", str(file), "--out", str(out), "--dry-run", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["hash"] == toy_study.study(store).hash
    assert not out.exists()


def test_status_and_table_of_a_finished_study(finished: Path) -> None:
    status = CliRunner().invoke(app, ["study", "status", str(finished), "--json"])
    values = json.loads(status.stdout)
    assert values["changes"] == []
    assert [(arm["arm"], arm["trials"], arm["seeds"]) for arm in values["arms"]] == [
        ("softmax", 3, 2), ("cosface", 3, 2),
    ]  # fmt: skip
    table = CliRunner().invoke(app, ["study", "table", str(finished), "--json"])
    rows = [json.loads(line) for line in table.stdout.splitlines()]
    assert {row["arm"] for row in rows} == {"softmax", "cosface"}
    assert rows[0]["value"] >= rows[1]["value"], "best first"
    for command in ("status", "table"):
        assert CliRunner().invoke(app, ["study", command, str(finished)]).exit_code == 0


def test_folder_without_a_study(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["study", "table", str(tmp_path)])
    assert isinstance(result.exception, StoreError)


def test_torchrun_shares_the_arms_and_every_process_trains_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert _shard("") == (1, 4)
    assert "WORLD_SIZE" not in os.environ
    assert _shard("2/3") == (2, 3)


def test_stores_by_name(file: Path) -> None:
    study = with_stores(load_study(file), ["study=a", "people=b"])
    assert (study.data.store, study.tests[0].store) == ("a", "b")
    with pytest.raises(ConfigError, match="a name of: study, people"):
        with_stores(study, ["other=c"])


def test_encoder_of_a_run_or_of_the_shipped_detector(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run" / "best.vidfake").mkdir(parents=True)
    (tmp_path / "shipped").mkdir()
    monkeypatch.setattr("vidfake.default.shipped.find_shipped", lambda: tmp_path / "shipped")
    monkeypatch.chdir(tmp_path)

    def taken(given: str) -> str:
        study = load_study(file, [f"data.encoder_checkpoint={given}"])
        return _with_detector(study).data.encoder_checkpoint

    assert taken(str(tmp_path / "run")) == str(tmp_path / "run" / "best.vidfake")
    assert taken("default") == str(tmp_path / "shipped")
    assert _with_detector(load_study(file)) == load_study(file)
