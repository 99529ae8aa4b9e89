"""Shared fixtures: where the real videos are, and a random state that no test leaves behind."""

from __future__ import annotations

import importlib.util
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _restore_random_state() -> Iterator[None]:
    import torch

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    yield
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of real videos (see docs/contributing.md). Skips where it is absent."""
    root = Path(os.environ.get("VIDFAKE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not (root / "videos.csv").is_file():
        pytest.skip(f"real videos not found at {root}; set VIDFAKE_DATA to a folder with a videos.csv")
    return root


@pytest.fixture(scope="session")
def load_tool() -> Callable[[str], ModuleType]:
    """Imports ``tools/NAME.py``, which is no part of the package."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(
            f"{name}_tool", Path(__file__).parents[1] / "tools" / f"{name}.py"
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked `gpu` skips without CUDA, unless FAIL_WITHOUT_CUDA is set, where its absence is a failure."""
    if item.get_closest_marker("gpu") is None:
        return
    import torch

    if not torch.cuda.is_available():
        if os.environ.get("FAIL_WITHOUT_CUDA"):
            pytest.fail("FAIL_WITHOUT_CUDA is set, and this machine has no CUDA device")
        pytest.skip("needs a CUDA device")
