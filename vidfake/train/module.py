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
    """`total` is what is minimised: the clip loss plus the weighted frame loss and, with a mask head, mask loss."""

    total: Tensor
    clip: Tensor
    frame: Tensor
    mask: Tensor | None = None


class TrainingModule(nn.Module):
    """forward(batch, context) -> StepLosses.

    The frame head has its own cross-entropy: every frame of a fake clip counts as fake. Its gradient reaches the
    encoder too, weighted by `frame_loss_weight`, so that frame-level scores are those of a trained frame detector.
    With `mask_loss_weight` the detector's mask head learns where each made fake was changed (after Face X-ray, Li
    et al. 2020, https://arxiv.org/abs/1912.13458): many targets per picture instead of one.
    """

    def __init__(
        self,
        detector: Detector,
        loss: EmbeddingLoss,
        *,
        task: Task,
        frame_loss_weight: float,
        mask_loss_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.detector = detector
        self.loss = loss
        self.task = task
        self.frame_loss_weight = frame_loss_weight
        self.mask_loss_weight = mask_loss_weight

    def forward(self, batch: ClipBatch, context: LossContext) -> StepLosses:
        """Losses of one batch of clips or of cached features."""
        if batch.features is not None:
            output = self.detector.aggregate(batch.features, batch.mask, batch.pts_seconds)
        else:
            output = self.detector(batch.frames, batch.mask, batch.pts_seconds)
        clip = self.loss(output.embeddings, self.targets(batch), context=context)
        frame = frame_loss(output.frame_logits, batch.labels, batch.mask)
        total = clip + self.frame_loss_weight * frame
        if self.mask_loss_weight == 0 or output.mask_logits is None or batch.manipulation_masks is None:
            return StepLosses(total, clip, frame)
        mask = mask_loss(output.mask_logits, batch.manipulation_masks[batch.mask])
        return StepLosses(total + self.mask_loss_weight * mask, clip, frame, mask)

    def targets(self, batch: ClipBatch) -> Tensor:
        """Class indices of the task: real/fake, or real and each manipulation."""
        return batch.labels if self.task == "binary" else batch.class_labels


def frame_loss(frame_logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Mean binary cross-entropy over the frames that exist; each clip counts the same. Float32."""
    with torch.autocast(frame_logits.device.type, enabled=False):
        targets = labels[:, None].expand_as(frame_logits).float()
        each = F.binary_cross_entropy_with_logits(frame_logits.float(), targets, reduction="none")
        return ((each * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()


def mask_loss(mask_logits: Tensor, masks: Tensor) -> Tensor:
    """Mean binary cross-entropy of `mask_logits` (N, H', W') to `masks` (N, G, G), brought to their size. Float32.

    Frames whose mask is unknown (-1) have no part; 0 where that is all of them.
    """
    known = masks.amin(dim=(1, 2)) >= 0
    with torch.autocast(mask_logits.device.type, enabled=False):
        height, width = mask_logits.shape[1:]
        targets = F.adaptive_avg_pool2d(masks[:, None].float(), (height, width))[:, 0].clamp(0, 1)
        each = F.binary_cross_entropy_with_logits(mask_logits.float(), targets, reduction="none").mean(dim=(1, 2))
        return (each * known).sum() / known.sum().clamp(min=1)
