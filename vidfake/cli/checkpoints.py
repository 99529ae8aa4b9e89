"""Which detector a command uses when none, only a run folder, or `default` was named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from vidfake.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from vidfake.inference.load import LoadedDetector
    from vidfake.inference.scorer import Precision

VARIABLE = "VIDFAKE_CHECKPOINT"
DEFAULT = "default"


def find_checkpoint(path: Path | None) -> Path:
    """The named checkpoint; of a run folder, its best one; else the one in the environment, else the shipped one.

    Raises CheckpointError when there is none.
    """
    from vidfake.default.shipped import find_shipped

    if path is None:
        if os.environ.get(VARIABLE):
            return find_checkpoint(Path(os.environ[VARIABLE]))
        shipped = find_shipped()
        if shipped is not None:
            return shipped
        raise CheckpointError(
            "No detector was named, and none ships with this version. Train one (`vidfake train CONFIG`, or "
            f"`vidfake demo`) and pass --checkpoint RUN/best.vidfake, or set {VARIABLE}."
        )
    if is_default(path):
        shipped = find_shipped()
        if shipped is None:
            raise CheckpointError(
                f"'{DEFAULT}' is the detector that ships with vidfake, and none ships with this version. Train one "
                "(`vidfake train CONFIG`) and name RUN/best.vidfake."
            )
        return shipped
    best = path / "best.vidfake"
    return best if best.is_dir() else path


def is_default(path: Path) -> bool:
    """Whether the word `default` was given, for the shipped detector.

    Raises UsageError where a detector or clip store here is called that too: neither is taken silently.
    """
    if str(path) != DEFAULT:
        return False
    if any((path / name).exists() for name in ("checkpoint.json", "best.vidfake", "store.json")):
        raise UsageError(
            f"'{DEFAULT}' is the shipped detector, and there is a folder of that name here too. For the folder "
            f"write {path.resolve()}."
        )
    return True


def open_detector(
    path: Path | None, *, readout: str | None = None, device: str = "cpu", precision: Precision = "float32"
) -> LoadedDetector:
    """The detector that `find_checkpoint` finds, with its model card's figures where it has a card."""
    from vidfake.default.shipped import with_card
    from vidfake.inference.load import load_detector

    return with_card(load_detector(find_checkpoint(path), readout=readout, device=device, precision=precision))
