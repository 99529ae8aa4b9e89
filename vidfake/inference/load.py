"""From a checkpoint on disk to something that scores: detector, loss, read-outs, calibration, thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vidfake.errors import CheckpointError
from vidfake.inference.scorer import Precision, Scorer
from vidfake.inference.verdict import Thresholds
from vidfake.losses import EmbeddingLoss
from vidfake.losses.combine import build_loss
from vidfake.losses.readout import Readout, default_readout, load_readout
from vidfake.metrics.calibration import Calibration
from vidfake.models.checkpoint import LoadedCheckpoint, load_checkpoint


@dataclass(frozen=True)
class LoadedDetector:
    """A checkpoint ready to score with one read-out; `name` is how reports call it.

    `card` is the short form of its model card, where it has one.
    """

    name: str
    checkpoint: LoadedCheckpoint
    loss: EmbeddingLoss
    readout_name: str
    scorer: Scorer
    calibration: Calibration | None
    thresholds: Thresholds | None
    card: dict[str, Any] | None = None

    def probability(self, video_score: float) -> float | None:
        """Probability of fake at even odds, or None where the score was never calibrated."""
        return None if self.calibration is None else float(self.calibration([video_score])[0])


def load_detector(
    path: Path | str,
    *,
    readout: str | None = None,
    device: torch.device | str = "cpu",
    precision: Precision = "float32",
) -> LoadedDetector:
    """Load a checkpoint. `readout` is one that was fitted in training; by default the one selected there.
    `precision` is the encoder's arithmetic (`inference.scorer.Scorer`).

    Raises CheckpointError when the checkpoint is damaged or has no such read-out.
    """
    checkpoint = load_checkpoint(path)
    config = checkpoint.config
    loss = build_loss(
        config.loss,
        num_classes=num_task_classes(config.loss.task, checkpoint.class_names, checkpoint.extra),
        embedding_dim=checkpoint.detector.embedding_dim,
        norm_can_vary=checkpoint.detector.norm_can_vary,
    )
    try:
        loss.load_state_dict(checkpoint.loss_state)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: its loss does not fit its config: {error}") from error
    name = readout or str(checkpoint.extra.get("readout") or default_readout(loss))
    chosen = _readout(name, split_states(checkpoint.readout_state), loss, path)
    checkpoint.detector.prepare_for_inference().to(device)
    loss.to(device).eval()
    selected = name == (checkpoint.extra.get("readout") or default_readout(loss))
    thresholds = checkpoint.extra.get("thresholds") if selected else None
    calibration = checkpoint.calibration if selected else None
    return LoadedDetector(
        name=config.name,
        checkpoint=checkpoint,
        loss=loss,
        readout_name=name,
        scorer=Scorer(checkpoint.detector, chosen, device=device, precision=precision),
        calibration=None if calibration is None else Calibration.from_state(calibration),
        thresholds=None if thresholds is None else Thresholds.from_json(thresholds),
    )


def _readout(name: str, states: dict[str, dict[str, Tensor]], loss: EmbeddingLoss, path: Path | str) -> Readout:
    known = [*(["native"] if loss.has_native_score else []), *states]
    if name not in known:
        raise CheckpointError(f"{path}: has no read-out '{name}'. It has: {', '.join(known) or 'none'}.")
    return load_readout(name, states.get(name, {}), loss=loss)


def num_task_classes(task: str, class_names: tuple[str, ...], extra: Mapping[str, Any]) -> int:
    """C of the loss: two, or as many classes as there were in training."""
    if task == "binary":
        return 2
    return int(extra.get("num_training_classes", len(class_names)))


def join_states(readouts: Mapping[str, Readout]) -> dict[str, Tensor]:
    """States of several read-outs as one dict of tensors: ``prototype.prototypes`` …"""
    return {f"{name}.{key}": value for name, readout in readouts.items() for key, value in readout.state().items()}


def split_states(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The inverse of `join_states`."""
    states: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        readout, _, key = name.partition(".")
        states.setdefault(readout, {})[key] = tensor
    return states
