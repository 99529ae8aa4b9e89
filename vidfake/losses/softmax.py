"""Plain softmax cross-entropy: the baseline."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor, nn

from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.heads import SoftmaxHead, SoftmaxOptions


@LOSSES.register(
    "softmax",
    source="cross-entropy of a linear layer; no single paper",
    family="softmax",
    tier=1,
    search_space=SearchSpace({"label_smoothing": (0.0, 0.05, 0.1)}),
)
class Softmax(SoftmaxHead):
    """Cross-entropy of a linear layer on the embedding: the baseline.

        L = -log( e^{l_y} / Σ_j e^{l_j} ),   l_j = <w_j, z> + b_j

    Letters: z embedding, w_j and b_j weight and bias of class j, y the true class. The norm of z is free, so
    confidence can grow by norm alone.

    Args:
        bias: learn b_j; without it b_j = 0.

    Two classes: L = softplus(-(l_y - l_o)), logistic regression; the score is l_1 - l_0.
    Differs from the paper: nothing.
    """

    normalised = False

    def __init__(self, *, bias: bool = True, **options: Unpack[SoftmaxOptions]) -> None:
        super().__init__(**options)
        self.bias = nn.Parameter(torch.zeros(self.num_classes)) if bias else None

    def similarities(self, z: Tensor) -> Tensor:
        """The logits <w_j, z> + b_j (B, C)."""
        bias = None if self.bias is None else self.bias.to(z.dtype)
        return nn.functional.linear(z, self.weight.to(z.dtype), bias)
