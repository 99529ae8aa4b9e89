"""Two processes train what one does: the same batches, shared, give the same weights up to rounding."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from vidfake.models.checkpoint import load_checkpoint

SCRIPT = Path(__file__).parent / "support" / "run_toy.py"


def train(store: Path, out: Path, *, processes: int) -> dict[str, torch.Tensor]:
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--standalone"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*start, str(SCRIPT), str(store), str(out)], capture_output=True, text=True, timeout=240, env=environment,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    loaded = load_checkpoint(out / "toy" / "last.vidfake")
    assert (out / "toy" / "result.json").exists()
    return {**loaded.detector.state_dict(), **{f"loss.{k}": v for k, v in loaded.loss_state.items()}}


def test_two_processes_give_the_weights_of_one(toy_store: Path, tmp_path: Path) -> None:
    one = train(toy_store, tmp_path / "one", processes=1)
    assert (tmp_path / "one" / "toy" / "log.jsonl").read_text().count('"train"') == 8, "four batches in each epoch"
    two = train(toy_store, tmp_path / "two", processes=2)
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.allclose(value, two[name], atol=2e-4), name


def test_a_signal_to_the_whole_group_stops_cleanly_and_the_run_goes_on(toy_store: Path, tmp_path: Path) -> None:
    """As Ctrl-C in a terminal: main process and loader workers all get it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOY_WORKERS": "2", "TOY_EPOCHS": "200"}
    command = [sys.executable, str(SCRIPT), str(toy_store), str(tmp_path)]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    log = tmp_path / "toy" / "log.jsonl"
    deadline = time.monotonic() + 120
    while not (log.exists() and log.read_text().count("\n") > 6) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert "InterruptedRunError" in errors, errors[-2000:]
    assert "--resume" in errors
    assert (tmp_path / "toy" / "resume.pt").exists()
