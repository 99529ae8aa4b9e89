"""Puts the toy runs of tests/train on the import path, and trains a binary and an attributing detector on them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "train" / "support"))
sys.path.insert(0, str(Path(__file__).parent / "support"))

import toy_runs
from registered import toy_encoder_registered
from toy_sets import write_test_set

from vidfake.settings import LossSettings
from vidfake.train.run import train_run


@pytest.fixture(scope="module", autouse=True)
def _toy_encoder() -> Iterator[None]:
    with toy_encoder_registered():
        yield


@pytest.fixture(scope="package")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both runs, ``binary`` and ``makers``, and of their clip store, ``store``."""
    folder = tmp_path_factory.mktemp("evaluated")
    store = toy_runs.write_toy_store(folder / "store")
    with toy_encoder_registered():
        train_run(toy_runs.toy_config(store, folder, name="binary"))
        train_run(toy_runs.toy_config(store, folder, name="makers", loss=LossSettings(task="manipulation")))
    return folder


@pytest.fixture(scope="package")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clip stores of sources that nobody was trained on: ``home`` of the training corpus, ``away`` of another,
    which has a manipulation that training had not, and a split ``test`` and a split ``rest``."""
    folder = tmp_path_factory.mktemp("sets")
    write_test_set(folder / "home", dataset="toy", manipulations=("swap", "mouth"))
    write_test_set(folder / "away", dataset="elsewhere", manipulations=("swap", "dub"))
    return folder
