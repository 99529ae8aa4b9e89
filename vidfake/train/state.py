"""Where a run stands: everything needed to go on exactly as if it had never stopped."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from vidfake.errors import CheckpointError
from vidfake.files import atomic_writer
from vidfake.train.optim import WeightAverage

FORMAT = 1


@dataclass
class Progress:
    """Counters of a run. `step_in_epoch` batches of epoch `epoch` are done; `step` optimiser steps in all.

    `made` and `skipped` count fakes by `video_id`: those seen, and those in which nothing visible changed."""

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    best_metric: float | None = None
    best_epoch: int | None = None
    made: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)


def random_state() -> dict[str, Any]:
    """States of python's, numpy's and torch's generators, in plain types and tensors."""
    kind, keys, position, has_gauss, cached = np.random.get_state()
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": (kind, torch.from_numpy(np.asarray(keys, np.int64)), position, has_gauss, cached),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Undo whatever was drawn since `random_state`."""
    version, keys, gauss = state["python"]
    random.setstate((version, tuple(keys), gauss))
    kind, numbers, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, numbers.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def save_state(
    path: Path,
    progress: Progress,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage | None,
    config_hash: str,
) -> None:
    """Write the state atomically: a crash leaves the previous state in place."""
    content = {
        "format": FORMAT,
        "config_hash": config_hash,
        "progress": asdict(progress),
        "module": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": None if average is None else {"state": average.state, "step": average.step},
        "random": random_state(),
    }
    with atomic_writer(path) as handle:
        torch.save(content, handle)


def load_state(
    path: Path,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage | None,
    config_hash: str,
) -> Progress:
    """Put the saved state into the given objects and return the counters.

    Raises CheckpointError when the file is missing, damaged or of a run with other settings.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no state to resume from. Start the run without --resume.") from error
    except Exception as error:
        raise CheckpointError(
            f"{path}: the state cannot be read ({error}). Start the run without --resume."
        ) from error
    if content.get("format") != FORMAT:
        raise CheckpointError(f"{path}: state format {content.get('format')!r}; this version reads {FORMAT}.")
    if content["config_hash"] != config_hash:
        raise CheckpointError(
            f"{path}: the run was made with other settings, so going on would not be the same run. Use the "
            "settings in config.toml beside it, or choose another --set name=…"
        )
    module.load_state_dict(content["module"])
    optimizer.load_state_dict(content["optimizer"])
    if average is not None and content["average"] is not None:
        average.state, average.step = content["average"]["state"], content["average"]["step"]
    restore_random_state(content["random"])
    return Progress(**content["progress"])
