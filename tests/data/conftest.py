"""Puts `support` on the import path, for worker processes too, and gives a small store."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

import made_stores

from vidfake.data.store import ClipStore


@pytest.fixture
def small_store(tmp_path: Path) -> ClipStore:
    """`made_stores.small_store`: 5 videos with 3 clips each, and one without faces."""
    return made_stores.small_store(tmp_path)
