"""Two processes with half a batch each train every loss as one process with the whole batch does."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vidfake.losses import LOSSES

SCRIPT = Path(__file__).parent / "two_processes.py"


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple[dict, dict]:
    folder = tmp_path_factory.mktemp("two")
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(rank), "2", str(folder / "meet"), str(folder / "found.pt")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    alone = runpy.run_path(str(SCRIPT))["train_all"](0, 1)
    outputs = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    return alone, torch.load(folder / "found.pt", weights_only=True)


@pytest.mark.parametrize("name", LOSSES.names())
def test_two_processes_are_one(both, name):
    alone, together = both[0][name], both[1][name]
    assert set(alone) == set(together)
    for key, expected in alone.items():
        torch.testing.assert_close(together[key], expected, rtol=1e-9, atol=1e-10, equal_nan=True, msg=key)
