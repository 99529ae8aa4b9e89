"""Cross-entropy per clip with label smoothing, focal factor and class weights, shared by every softmax head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidfake.losses.options import check_per_class, check_range


class CrossEntropy(nn.Module):
    """w_y (1 - p_y)^γ CE(logits, y) per clip (B,); the mean over clips is a plain mean, so ranks can average.

    With p_y the softmax probability of the true class, γ `focal_gamma` (0 is plain), w `class_weights`.
    `label_smoothing` ε spreads ε/C of the target over all classes.
    """

    class_weights: Tensor | None

    def __init__(
        self, *, num_classes: int, label_smoothing: float, focal_gamma: float, class_weights: Sequence[float] | None
    ) -> None:
        super().__init__()
        self.label_smoothing = check_range(self, "label_smoothing", label_smoothing, 0.0, 0.5)
        self.focal_gamma = check_range(self, "focal_gamma", focal_gamma, 0.0, 10.0)
        given = (
            None if class_weights is None else check_per_class(self, "class_weights", class_weights, num_classes)
        )
        self.register_buffer("class_weights", None if given is None else torch.tensor(given), persistent=False)

    def forward(self, logits: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(logits, y, reduction="none", label_smoothing=self.label_smoothing)
        if self.focal_gamma > 0:
            log_p = -loss if self.label_smoothing == 0 else -F.cross_entropy(logits, y, reduction="none")
            # 1 - p by expm1, and never exactly 0: x^γ with γ < 1 has an infinite slope there
            miss = (-torch.expm1(log_p)).clamp_min(torch.finfo(logits.dtype).eps)
            loss = loss * miss**self.focal_gamma
        if self.class_weights is not None:
            loss = loss * self.class_weights.to(logits.dtype)[y]
        return loss
