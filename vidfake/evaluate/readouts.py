"""What belongs to the read-out that training selected, and to no other: threshold, validation scores."""

from __future__ import annotations

from pathlib import Path

from vidfake.errors import UsageError
from vidfake.inference.load import LoadedDetector
from vidfake.losses.readout import default_readout


def selected_readout(detector: LoadedDetector) -> str:
    """The read-out that training chose, and fitted calibration and thresholds for."""
    return str(detector.checkpoint.extra.get("readout") or default_readout(detector.loss))


def readout_is_selected(detector: LoadedDetector) -> bool:
    """Whether the detector is read out as training chose."""
    return detector.readout_name == selected_readout(detector)


def other_readout(detector: LoadedDetector) -> list[str]:
    """A note where it is not: scores of another read-out are on another scale."""
    if readout_is_selected(detector):
        return []
    return [
        f"detector '{detector.name}' is read out by '{detector.readout_name}'; training chose its threshold and "
        f"calibration for '{selected_readout(detector)}', so neither is used here."
    ]


def validation_scores(detector: LoadedDetector) -> Path:
    """The score table of validation that training wrote for this very detector.

    Raises UsageError when it is not there, or is of other weights or of another read-out.
    """
    folder = detector.checkpoint.path
    path = folder.parent / "validation.jsonl"
    if not readout_is_selected(detector):
        raise UsageError(
            f"A pooling is chosen on the validation scores that training wrote, and those of '{detector.name}' are "
            f"of the read-out '{selected_readout(detector)}', not '{detector.readout_name}'. Leave out --readout, "
            "or --pooling-study."
        )
    if folder.name != "best.vidfake" or not path.is_file():
        raise UsageError(
            f"{folder}: no validation scores of these weights. A pooling study takes a finished run: RUN or "
            "RUN/best.vidfake, with validation.jsonl beside it."
        )
    return path
