"""A toy detector with thresholds and calibration, shipped; none of it depends on what really ships."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "train" / "support"))
sys.path.insert(0, str(Path(__file__).parents[1] / "cli" / "support"))
sys.path.insert(0, str(Path(__file__).parents[1] / "evaluate" / "support"))

import toy_runs
from registered import toy_encoder_registered
from toy_sets import write_test_set

from vidfake.default.ship import CardFields, ship
from vidfake.models.checkpoint import load_checkpoint, save_checkpoint
from vidfake.train.run import train_run

THRESHOLDS = {
    "likely_fake": 0.5, "likely_real": -0.5, "false_positive_rate": 0.05, "miss_rate": 0.1,
    "num_validation_real": 100, "num_validation_fake": 200,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _toy_encoder() -> Iterator[None]:
    with toy_encoder_registered():
        yield


@pytest.fixture(autouse=True)
def _nothing_ships(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("VIDFAKE_CHECKPOINT", raising=False)
    monkeypatch.setattr("vidfake.default.shipped.FOLDER", tmp_path / "none ships")


@pytest.fixture(scope="package")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder; its few validation videos carry no thresholds, so they are written in."""
    folder = tmp_path_factory.mktemp("trained")
    store = toy_runs.write_toy_store(folder / "store")
    with toy_encoder_registered():
        result = train_run(toy_runs.toy_config(store, folder, name="toy"))
        best = load_checkpoint(result.checkpoint)
        save_checkpoint(
            result.checkpoint,
            detector_state=best.detector.state_dict(),
            config=best.config,
            class_names=best.class_names,
            loss_state=best.loss_state,
            readout_state=best.readout_state,
            calibration=best.calibration,
            metrics=best.metrics,
            extra={**best.extra, "thresholds": THRESHOLDS},
        )
    return result.folder


@pytest.fixture(scope="package")
def shipped(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy detector as it would ship."""
    out = tmp_path_factory.mktemp("package") / "detector.vidfake"
    with toy_encoder_registered():
        ship(trained, out, fields=CardFields(licence="none", date="2026-01-02", fails=("on anything but toys",)))
    return out


@pytest.fixture
def default(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy detector as the one that ships."""
    monkeypatch.setattr("vidfake.default.shipped.FOLDER", shipped)
    return shipped


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip store of sources that the toy detector was not trained on."""
    return write_test_set(tmp_path_factory.mktemp("sets") / "home", dataset="away", manipulations=("swap", "dub"))


@pytest.fixture(scope="module")
def ship_tool(load_tool: Callable[[str], ModuleType]) -> ModuleType:
    return load_tool("ship_default")


@pytest.fixture(scope="module")
def train_tool(load_tool: Callable[[str], ModuleType]) -> ModuleType:
    return load_tool("train_default")


@pytest.fixture(scope="module")
def ablate_tool(load_tool: Callable[[str], ModuleType]) -> ModuleType:
    return load_tool("ablate_default")
