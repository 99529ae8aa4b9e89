"""Puts the toy detector of tests/train and the drawn videos of tests/cli on the import path."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "train" / "support"))
sys.path.insert(0, str(Path(__file__).parents[1] / "cli" / "support"))
sys.path.insert(0, str(Path(__file__).parents[1] / "evaluate" / "support"))

from registered import toy_encoder_registered


@pytest.fixture(scope="module", autouse=True)
def _toy_encoder() -> Iterator[None]:
    with toy_encoder_registered():
        yield
