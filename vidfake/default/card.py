"""A model card: what a shipped detector is for, what it was made from, how well it does, and where it fails.

``card.json`` lies in the checkpoint's folder, names the tensors by their SHA-256, and carries its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vidfake.config import from_dict, to_dict
from vidfake.errors import CheckpointError, ConfigError
from vidfake.files import sha256_json, write_json

FILE_NAME = "card.json"
FORMAT, FORMAT_VERSION = "vidfake-model-card", 1
MAX_BYTES = 4 * 2**20


@dataclass(frozen=True)
class DataUsed:
    """`number` videos or photographs (`what`) of one origin and one set of terms."""

    role: str
    origin: str
    what: str
    number: int
    terms: str


@dataclass(frozen=True)
class TrainingFacts:
    """How the weights came about. `config` is the run's, without paths."""

    command: str = ""
    hardware: str = ""
    minutes: float | None = None
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Weights:
    """What is shipped. `max_relative_difference` is that of half- and single-precision scores on random input;
    `precision` is that of the matrices and kernels as they are stored.
    """

    sha256: str
    num_bytes: int
    encoder: str
    aggregator: str
    loss: str
    readout: str
    source_sha256: str = ""
    max_relative_difference: float | None = None
    precision: Literal["half", "single"] = "half"


@dataclass(frozen=True)
class Measured:
    """AUC of one level on some rows (``all``, ``pairs``) of a data set, with a 95 % interval over whole sources."""

    dataset: str
    rows: str
    level: str
    auc: float | None
    low: float | None
    high: float | None
    num_videos: int
    num_real: int
    num_fake: int
    num_sources: int
    coverage: float


@dataclass(frozen=True)
class Verdicts:
    """Verdicts at the shipped thresholds on the videos of one truth in a part of a data set.

    `called_fake` (of reals: the false-positive rate) is among scored videos; its 95 % interval counts sources.
    """

    dataset: str
    by: str
    part: str
    truth: str
    num_videos: int
    num_sources: int
    likely_fake: int
    inconclusive: int
    likely_real: int
    no_score: int
    called_fake: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Part:
    """Video-level AUC on a part of a data set."""

    dataset: str
    by: str
    part: str
    against: str
    num_real: int
    num_fake: int
    auc: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ModelCard:
    """Everything that `vidfake card` shows. `thresholds` and `validation` are those of the checkpoint."""

    name: str
    weights: Weights
    licence: str = ""
    date: str = ""
    summary: str = ""
    intended_use: tuple[str, ...] = ()
    not_for: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()
    data: tuple[DataUsed, ...] = ()
    training: TrainingFacts = field(default_factory=TrainingFacts)
    thresholds: dict[str, Any] = field(default_factory=dict)
    validation: dict[str, Any] = field(default_factory=dict)
    measured_with: tuple[str, ...] = ()
    measured: tuple[Measured, ...] = ()
    verdicts: tuple[Verdicts, ...] = ()
    parts: tuple[Part, ...] = ()

    def short(self) -> dict[str, Any]:
        """What every result of `vidfake score --json` says: headline figures and false positives, no more."""
        return {
            "name": self.name,
            "date": self.date,
            "licence": self.licence,
            "measured": [
                {
                    "dataset": m.dataset, "rows": m.rows, "video_auc": m.auc, "low": m.low, "high": m.high,
                    "num_videos": m.num_videos,
                }
                for m in self.measured
                if m.level == "video"
            ],
            "reals_called_fake": [
                {"dataset": v.dataset, "num_videos": v.num_videos, "likely_fake": v.likely_fake}
                for v in self.verdicts
                if v.by == "all" and v.truth == "real"
            ],
        }  # fmt: skip


def write_card(folder: Path, card: ModelCard) -> Path:
    """Write ``card.json`` into the checkpoint's `folder`, atomically. Raises StorageError."""
    content: dict[str, Any] = {"format": FORMAT, "format_version": FORMAT_VERSION, **to_dict(card)}
    content["json_sha256"] = sha256_json(content)
    write_json(folder / FILE_NAME, content)
    return folder / FILE_NAME


def read_card(folder: Path) -> ModelCard | None:
    """The card in a checkpoint's `folder`, or None where there is none.

    Raises CheckpointError, which names the file, when a byte of it changed or a newer version wrote it.
    """
    path = folder / FILE_NAME
    try:
        with open(path, "rb") as handle:
            raw = handle.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}).") from error
    try:
        content = json.loads(raw.decode("utf-8"))
        claimed = content.pop("json_sha256")
        kind, version = content.pop("format"), content.pop("format_version")
        actual = sha256_json({**content, "format": kind, "format_version": version})
    except (ValueError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a model card ({error!r}). Copy the detector again.") from error
    if kind != FORMAT or not isinstance(version, int) or version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: is {kind!r} version {version!r}; this vidfake reads {FORMAT!r} up to {FORMAT_VERSION}. "
            "Install a newer version: pip install --upgrade vidfake"
        )
    if claimed != actual:
        raise CheckpointError(f"{path}: changed since it was written (SHA-256). Copy the detector again.")
    try:
        return from_dict(ModelCard, content)
    except ConfigError as error:
        raise CheckpointError(f"{path}: not a model card ({error}). Copy the detector again.") from error
