"""Detector and loss as one module, so that one forward gives the training loss (and several processes share it)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidfake.losses import EmbeddingLoss, LossContext
from vidfake.models.detector import Detector

if TYPE_CHECKING:
    from vidfake.data.clips import ClipBatch

Task = Literal["binary", "manipulation"]


@dataclass(frozen=True)
class StepLosses:
    """`total` is what is minimised: the clip loss plus the weighted frame loss."""

    total: Tensor
    clip: Tensor
    frame: Tensor


class TrainingModule(nn.Module):
    """forward(batch, context) -> StepLosses.

    The frame head has its own cross-entropy: every frame of a fake clip counts as fake. Its gradient reaches the
    encoder too, weighted by `frame_loss_weight`, so that frame-level scores are those of a trained frame detector.
    """

    def __init__(self, detector: Detector, loss: EmbeddingLoss, *, task: Task, frame_loss_weight: float) -> None:
        super().__init__()
        self.detector = detector
        self.loss = loss
        self.task = task
        self.frame_loss_weight = frame_loss_weight

    def forward(self, batch: ClipBatch, context: LossContext) -> StepLosses:
        """Losses of one batch of clips or of cached features."""
        if batch.features is not None:
            output = self.detector.aggregate(batch.features, batch.mask, batch.pts_seconds)
        else:
            output = self.detector(batch.frames, batch.mask, batch.pts_seconds)
        clip = self.loss(output.embeddings, self.targets(batch), context=context)
        frame = frame_loss(output.frame_logits, batch.labels, batch.mask)
        return StepLosses(clip + self.frame_loss_weight * frame, clip, frame)

    def targets(self, batch: ClipBatch) -> Tensor:
        """Class indices of the task: real/fake, or real and each manipulation."""
        return batch.labels if self.task == "binary" else batch.class_labels


def frame_loss(frame_logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Mean binary cross-entropy over the frames that exist; each clip counts the same. Float32."""
    with torch.autocast(frame_logits.device.type, enabled=False):
        targets = labels[:, None].expand_as(frame_logits).float()
        each = F.binary_cross_entropy_with_logits(frame_logits.float(), targets, reduction="none")
        return ((each * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()
