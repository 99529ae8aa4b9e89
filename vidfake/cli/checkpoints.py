"""Which detector a command uses when none, or only a run folder, was named."""

from __future__ import annotations

import os
from pathlib import Path

from vidfake.errors import CheckpointError

VARIABLE = "VIDFAKE_CHECKPOINT"


def find_checkpoint(path: Path | None) -> Path:
    """The named checkpoint; of a run folder, its best one; else the one in the environment.

    Raises CheckpointError when there is none.
    """
    if path is None:
        if os.environ.get(VARIABLE):
            return find_checkpoint(Path(os.environ[VARIABLE]))
        raise CheckpointError(
            "No detector was named, and none ships with this version. Train one (`vidfake train CONFIG`, or "
            f"`vidfake demo`) and pass --checkpoint RUN/best.vidfake, or set {VARIABLE}."
        )
    best = path / "best.vidfake"
    return best if best.is_dir() else path
