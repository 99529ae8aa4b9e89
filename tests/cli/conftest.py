"""Puts `support` on the import path; a detector and two videos for every test here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

import commands


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return commands.write_checkpoint(tmp_path_factory.mktemp("detector"))


@pytest.fixture(scope="session")
def face_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return commands.face_video(tmp_path_factory.mktemp("videos") / "face.mp4")
