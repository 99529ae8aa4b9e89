"""Figures of a run on a set of clips: every read-out, every level, thresholds and calibration carried over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidfake.data.batch import ClipBatch
from vidfake.inference.scorer import forward
from vidfake.losses import EmbeddingLoss
from vidfake.losses.angular import unit_rows
from vidfake.losses.combine import CombinedLoss
from vidfake.losses.heads import HeadLoss
from vidfake.losses.readout import READOUTS, Readout, build_readout, default_readout
from vidfake.metrics.calibration import Calibration
from vidfake.metrics.levels import level_rows, score_levels
from vidfake.metrics.ranking import auc, eer, tpr_at_fpr
from vidfake.metrics.reliability import brier, expected_calibration_error
from vidfake.metrics.results import figure
from vidfake.metrics.threshold import at_threshold
from vidfake.models.detector import Detector
from vidfake.scores import ScoreTable
from vidfake.settings import ScoreSettings
from vidfake.study.classes import HEAD, PROTOTYPE, ClassScores
from vidfake.study.results import Figures
from vidfake.study.sets import Template
from vidfake.train.selection import fit_calibration_of, fit_threshold

FRAME_LEVELS = ("frame_auc", "frames_averaged_auc")


@dataclass(frozen=True)
class Outputs:
    """What a detector says of a set: `embeddings` (N, E), `frame_scores` (F,) of the frames that exist, in order,
    `class_labels` (N,), `video_ids` N strings."""

    embeddings: Tensor
    frame_scores: npt.NDArray[np.float64]
    class_labels: Tensor
    video_ids: list[str]


@torch.no_grad()
def outputs_of(detector: Detector, batches: Any) -> Outputs:
    """Run the detector over batches, in evaluation mode."""
    embeddings, frames, labels, videos = [], [], [], []
    device = next(detector.parameters()).device
    batch: ClipBatch
    for batch in batches:
        z, logits = forward(detector, batch.to(device))
        embeddings.append(z.float().cpu())
        frames.append(logits.float().cpu()[batch.mask.cpu()])
        labels.append(batch.class_labels.cpu())
        videos += batch.video_ids
    return Outputs(torch.cat(embeddings), torch.cat(frames).numpy().astype(np.float64), torch.cat(labels), videos)


@dataclass
class Reader:
    """Every read-out of a run, fitted on training embeddings, and what in-domain validation chose for each."""

    loss: EmbeddingLoss
    readouts: dict[str, Readout]
    primary: str
    score: ScoreSettings
    thresholds: dict[str, float | None] = field(default_factory=dict)
    calibrations: dict[str, Calibration | None] = field(default_factory=dict)

    @staticmethod
    def fitted(loss: EmbeddingLoss, embeddings: Tensor, class_labels: Tensor, score: ScoreSettings) -> Reader:
        """Read-outs of reference (training) embeddings (N, E)."""
        names = [n for n in READOUTS.names() if n != "native"]
        readouts: dict[str, Readout] = {n: build_readout(n).fit(embeddings, class_labels) for n in names}
        if loss.has_native_score:
            readouts = {"native": build_readout("native", loss=loss), **readouts}
        return Reader(loss, readouts, default_readout(loss), score)

    def tables(self, outputs: Outputs, template: Template, detector: str) -> dict[str, ScoreTable]:
        """One table per read-out; frame rows in the primary's only, since they are the same for all."""
        return {
            name: template.filled(
                readout.score(outputs.embeddings).numpy(),
                outputs.frame_scores if name == self.primary else None,
                detector=detector,
            )
            for name, readout in self.readouts.items()
        }

    def choose(self, tables: Mapping[str, ScoreTable]) -> None:
        """Thresholds and calibrations from in-domain validation."""
        for name, table in tables.items():
            found = fit_threshold(table, self.score)
            self.thresholds[name] = None if found is None else float(found["value"])
            self.calibrations[name] = fit_calibration_of(table, self.score)

    def figures(self, tables: Mapping[str, ScoreTable]) -> dict[str, Figures]:
        """Figures of a set by read-out; levels of frames come from the primary read-out's table."""
        found = {name: self._figures(name, table) for name, table in tables.items()}
        for name in found:
            for level in FRAME_LEVELS:
                found[name][level] = found[self.primary].get(level)
        return found

    def _figures(self, name: str, table: ScoreTable) -> Figures:
        figures: Figures = {"coverage": float((table.status == "ok").mean())}
        for level, rows in score_levels(table, self.score).items():
            figures[f"{level}_auc"] = figure(auc, rows.scores, rows.labels).value
        rows = level_rows(table, "video", self.score)
        s, y = rows.scores, rows.labels
        threshold, calibration = self.thresholds.get(name), self.calibrations.get(name)
        figures["video_eer"] = figure(eer, s, y).value
        figures["video_tpr_at_fpr_5"] = figure(tpr_at_fpr, s, y, 0.05).value
        figures["balanced_accuracy"] = figures["ece"] = figures["brier"] = None
        if threshold is not None:
            figures["balanced_accuracy"] = figure(lambda: at_threshold(s, y, threshold).balanced_accuracy).value
        if calibration is not None:
            p = calibration(s)
            figures["ece"] = figure(expected_calibration_error, p, y).value
            figures["brier"] = figure(brier, p, y).value
        return figures

    def classes(self, outputs: Outputs, class_names: tuple[str, ...], template: Template) -> ClassScores:
        """Which manipulation: scores of videos (mean of a video's clips) for the classes of training, by the head's
        own logits where there is a head, and by nearest prototype."""
        prototypes = self.readouts["prototype"].state()["prototypes"]  # of every class of training, in order
        scores = {PROTOTYPE: (unit_rows(outputs.embeddings) @ prototypes.T).numpy()}
        head = _head(self.loss)
        if head is not None:
            with torch.no_grad():
                scores[HEAD] = head.logits(outputs.embeddings).float().numpy()
        return ClassScores.of_clips(
            scores, outputs.video_ids, outputs.class_labels.numpy(), class_names, template.table
        )


def _head(loss: EmbeddingLoss) -> HeadLoss | None:
    parts = list(loss.parts.values()) if isinstance(loss, CombinedLoss) else [loss]
    return next((p for p in parts if isinstance(p, HeadLoss) and p.num_classes == loss.num_classes), None)
