"""Puts the toy runs of tests/train on the import path, and trains a binary and an attributing detector on them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "train" / "support"))
sys.path.insert(0, str(Path(__file__).parent / "support"))

import toy_runs
from toy_sets import write_test_set

from vidfake.models.interfaces import ENCODERS
from vidfake.models.weights import Published
from vidfake.settings import LossSettings
from vidfake.train.run import train_run


@pytest.fixture(scope="package", autouse=True)
def _toy_encoder() -> Iterator[None]:
    """The toy encoder is in the registry for these tests only."""
    ENCODERS.register(toy_runs.TOY_ENCODER, source="tests", kind="frame", published=Published(head=()))(
        toy_runs.toy_encoder
    )
    yield
    del ENCODERS._rows[toy_runs.TOY_ENCODER]


@pytest.fixture(scope="package")
def runs(tmp_path_factory: pytest.TempPathFactory, _toy_encoder: None) -> Path:
    """The folder of both runs, ``binary`` and ``makers``, and of their clip store, ``store``."""
    folder = tmp_path_factory.mktemp("evaluated")
    store = toy_runs.write_toy_store(folder / "store")
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
