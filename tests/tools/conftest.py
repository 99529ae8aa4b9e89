"""Puts the toy detector of tests/train and the drawn videos of tests/cli on the import path."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "train" / "support"))
sys.path.insert(0, str(Path(__file__).parents[1] / "cli" / "support"))

import toy_runs

from vidfake.models.interfaces import ENCODERS
from vidfake.models.weights import Published


@pytest.fixture(scope="package", autouse=True)
def _toy_encoder() -> Iterator[None]:
    """The toy encoder is in the registry for these tests only."""
    ENCODERS.register(toy_runs.TOY_ENCODER, source="tests", kind="frame", published=Published(head=()))(
        toy_runs.toy_encoder
    )
    yield
    del ENCODERS._rows[toy_runs.TOY_ENCODER]
