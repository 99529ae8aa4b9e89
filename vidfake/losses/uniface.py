"""UniFace (unified cross-entropy): one learned cosine threshold for all classes."""

from __future__ import annotations

import math
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.heads import Gradient, HeadBatch, MarginLogits, MarginRampOptions
from vidfake.losses.options import check_range


class UniFaceOptions(MarginRampOptions, total=False):
    """The learned threshold belongs to one scale, so the scale has no warm-up."""

    gradient: Gradient


@LOSSES.register(
    "uniface",
    source="Zhou et al. 2023, UniFace: Unified Cross-Entropy Loss for Deep Face Recognition, ICCV 2023",
    family="margin",
    tier=1,
    search_space=SearchSpace(
        {"scale": (4.0, 8.0, 16.0, 32.0, 64.0), "margin": (0.0, 0.2, 0.4), "negative_weight": (0.5, 1.0)}
    ),
    defaults_many={"scale": 32.0},
)
class UniFace(MarginLogits):
    """Logistic losses with one learned threshold that parts every true cosine from every other.

        L = softplus(-(s (c_y - m) - b)) + l Σ_{j≠y} softplus(s c_j - b)

    Letters: c_j cosine to class weight j, s scale, m margin, b learned threshold, l weight of the other classes.

    Args:
        scale: s. Paper: 64.
        margin: m, in cosine units.
        negative_weight: l.

    Two classes: b/s is a cosine threshold that needs no calibration on another dataset; `threshold_score` reads
    c_fake - b/s. The native score stays c_1 - c_0.
    Differs from the paper: arguments are not clamped to [-s, s], where the gradient would die; b starts at
    ln(10 C).
    """

    def __init__(
        self,
        *,
        scale: float = 16.0,
        margin: float = 0.4,
        negative_weight: float = 1.0,
        **options: Unpack[UniFaceOptions],
    ) -> None:
        super().__init__(scale=scale, **options)
        self.margin = check_range(self, "margin", margin, 0.0, 2.0, hint="It is in cosine units.")
        self.negative_weight = check_range(self, "negative_weight", negative_weight, 0.0, 100.0)
        self.threshold = nn.Parameter(torch.tensor(math.log(10.0 * self.num_classes)))

    def logits(self, embeddings: Tensor) -> Tensor:
        """s c_j - b (B, C), without margin; above 0 means "this class"."""
        return self.cosines(embeddings) * self.score_scale - self.threshold

    def threshold_score(self, embeddings: Tensor) -> Tensor:
        """Largest fake cosine minus the learned cosine threshold b/s (B,); above 0 means fake."""
        return self.cosines(embeddings)[:, 1:].max(dim=1).values - self.threshold / self.score_scale

    def target_logit(self, cosine: Tensor, batch: HeadBatch) -> Tensor:
        """c_y - m."""
        return cosine - self.margin * batch.strength

    def criterion(self, logits: Tensor, y: Tensor) -> Tensor:
        """Logistic losses about the threshold (B,)."""
        above = logits - self.threshold.to(logits.dtype)
        true = above.gather(1, y[:, None])
        others = F.softplus(above).scatter(1, y[:, None], 0.0).sum(dim=1)
        return F.softplus(-true).squeeze(1) + self.negative_weight * others
