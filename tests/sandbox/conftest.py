"""Puts `support` on the import path; a face video, and children that are ended after every module."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
sys.path.insert(1, str(Path(__file__).parents[1] / "cli" / "support"))

import commands

from vidfake.sandbox import close_children


@pytest.fixture(scope="session")
def face_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2.4 s of one face."""
    return commands.face_video(tmp_path_factory.mktemp("videos") / "face.mp4", frames=60)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return commands.write_checkpoint(tmp_path_factory.mktemp("detector"))


@pytest.fixture(autouse=True, scope="module")
def _no_child_is_left() -> Iterator[None]:
    yield
    close_children()
