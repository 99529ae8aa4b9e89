"""The shipped detector: found inside the installed package, checked against its card, loaded as any checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from vidfake.default.card import FILE_NAME, read_card
from vidfake.errors import CheckpointError
from vidfake.inference.load import LoadedDetector, load_detector
from vidfake.models.checkpoint_files import JSON_NAME

FOLDER = Path(__file__).resolve().parent / "detector.vidfake"
"""Where `tools/ship_default` puts it; package data."""

MAX_BYTES = 30 * 10**6
"""Of all its files together."""


def find_shipped() -> Path | None:
    """The folder of the shipped detector, or None in a version that ships none."""
    return FOLDER if (FOLDER / JSON_NAME).is_file() else None


def load_default(*, readout: str | None = None, device: torch.device | str = "cpu") -> LoadedDetector:
    """The shipped detector, ready to score, with its card's figures.

    Raises CheckpointError when none ships with this version, or when a byte of it changed.
    """
    folder = find_shipped()
    if folder is None:
        raise CheckpointError(
            "No default detector ships with this version. Train one (tools/train_default, or `vidfake train`) and "
            "name its checkpoint."
        )
    return with_card(load_detector(folder, readout=readout, device=device))


def with_card(detector: LoadedDetector) -> LoadedDetector:
    """The detector with the figures of the card beside its checkpoint; as it is where there is no card.

    Raises CheckpointError for a card of other weights.
    """
    checkpoint = detector.checkpoint
    card = read_card(checkpoint.path)
    if card is None:
        return detector
    if card.weights.sha256 != checkpoint.sha256:
        raise CheckpointError(
            f"{checkpoint.path / FILE_NAME}: is of weights {card.weights.sha256[:16]}…, but the tensors beside it "
            f"are {checkpoint.sha256[:16]}…. Copy the detector again, or ship it again (tools/ship_default)."
        )
    return replace(detector, card=card.short())
