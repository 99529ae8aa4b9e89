"""Puts `support` (of the reports too) on the import path; one toy store and one finished study for all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
sys.path.insert(0, str(Path(__file__).parents[1] / "report" / "support"))

import toy_study

from vidfake.models.interfaces import ENCODERS
from vidfake.study.run import run_study


@pytest.fixture(scope="package", autouse=True)
def _encoder() -> Iterator[None]:
    toy_study.register()
    with pytest.MonkeyPatch.context() as patch:  # no test here is about the code that happens to be checked out
        patch.setattr("vidfake.study.run.code_version", lambda: toy_study.CODE)
        yield
    del ENCODERS._rows[toy_study.ENCODER]


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_study.write_store(tmp_path_factory.mktemp("study") / "store")


@pytest.fixture(scope="package")
def finished(store: Path, tmp_path_factory: pytest.TempPathFactory, _encoder: None) -> Path:
    """The folder of a study that ran to its end."""
    out = tmp_path_factory.mktemp("study") / "out"
    run_study(toy_study.study(store), out, workers=0)
    return out
