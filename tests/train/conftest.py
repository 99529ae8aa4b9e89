"""Puts `support` on the import path and gives a clip store whose fakes can be learnt."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

import toy_runs

from vidfake.models.interfaces import ENCODERS
from vidfake.models.weights import Published


@pytest.fixture(scope="session")
def toy_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_runs.write_toy_store(tmp_path_factory.mktemp("toy") / "store")


@pytest.fixture(scope="package", autouse=True)
def _toy_encoder() -> Iterator[None]:
    """The toy encoder is in the registry for these tests only."""
    ENCODERS.register(toy_runs.TOY_ENCODER, source="tests", kind="frame", published=Published(head=()))(
        toy_runs.toy_encoder
    )
    yield
    del ENCODERS._rows[toy_runs.TOY_ENCODER]
