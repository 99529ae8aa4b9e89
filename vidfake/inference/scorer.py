"""A trained detector with its read-out: batches of clips in, scores of frames and clips out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from vidfake.data.batch import ClipBatch
from vidfake.losses.readout import Readout
from vidfake.models.detector import Detector
from vidfake.types import BoolArray, FloatArray

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class BatchScores:
    """Scores of B clips, higher = more likely fake: `frame_scores` (B, T) where `mask`, `clip_scores` (B,),
    and the `embeddings` (B, E) behind them."""

    frame_scores: FloatArray
    clip_scores: FloatArray
    mask: BoolArray
    embeddings: Tensor


@dataclass(frozen=True)
class ScoredClip:
    """One clip's scores: `frame_scores` (T,) at `pts_seconds` (T,) in `boxes` (T, 4)."""

    track_id: int
    clip_index: int
    score: float
    quality: float
    frame_scores: list[float]
    pts_seconds: list[float]
    boxes: list[list[float]]
    face_pixels: float


class Scorer:
    """Detector and read-out, in evaluation mode. The detector's training mode is restored after each call.

    With `precision` ``bfloat16`` the encoder runs in half precision: quicker on processors that have it, with
    scores that differ a little (docs/scoring.md).
    """

    def __init__(
        self,
        detector: Detector,
        readout: Readout,
        *,
        device: torch.device | str = "cpu",
        precision: Precision = "float32",
    ) -> None:
        self.detector = detector
        self.readout = readout
        self.device = torch.device(device)
        self.precision = precision

    @torch.no_grad()
    def __call__(self, batch: ClipBatch, *, flip: bool = False) -> BatchScores:
        """Frame scores are the frame head's logits; clip scores are the read-out's margins of the embeddings.

        With `flip` both are means over the clips as they are and mirrored left to right; the embeddings are of the
        clips as they are.
        """
        own = batch.to(self.device)
        embeddings, frame_scores = self._forward(own)
        clip_scores = self.readout.score(embeddings).float()
        if flip:
            others, other_frames = self._forward(mirrored(own))
            clip_scores = (clip_scores + self.readout.score(others).float()) / 2
            frame_scores = (frame_scores + other_frames) / 2
        return BatchScores(
            frame_scores=frame_scores.cpu().numpy().astype(np.float64),
            clip_scores=clip_scores.cpu().numpy().astype(np.float64),
            mask=batch.mask.cpu().numpy(),
            embeddings=embeddings.float().cpu(),
        )

    def _forward(self, batch: ClipBatch) -> tuple[Tensor, Tensor]:
        half = self.precision == "bfloat16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=half):
            embeddings, frame_logits = forward(self.detector, batch)
        return embeddings, frame_logits.float()


def mirrored(batch: ClipBatch) -> ClipBatch:
    """The same clips seen left to right. Raises ValueError for cached features, which cannot be."""
    if batch.frames is None:
        raise ValueError("cached features cannot be mirrored. Pass clips, or flip=False.")
    return replace(batch, frames=batch.frames.flip(-1))


def forward(detector: Detector, batch: ClipBatch) -> tuple[Tensor, Tensor]:
    """Embeddings (B, E) and frame logits (B, T) in evaluation mode, of clips or of cached features."""
    was_training = detector.training
    detector.eval()
    try:
        if batch.features is not None:
            output = detector.aggregate(batch.features, batch.mask, batch.pts_seconds)
        else:
            assert batch.frames is not None
            output = detector(batch.frames, batch.mask, batch.pts_seconds)
    finally:
        detector.train(was_training)
    return output.embeddings, output.frame_logits


@torch.no_grad()
def embed(
    detector: Detector, batches: Iterable[ClipBatch], *, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Embeddings (N, E) and class labels (N,) of many clips, on the CPU, for fitting a read-out."""
    embeddings, labels = [], []
    for batch in batches:
        embeddings.append(forward(detector, batch.to(device))[0].float().cpu())
        labels.append(batch.class_labels.cpu())
    return torch.cat(embeddings), torch.cat(labels)
