"""Generalised cross-entropy: between cross-entropy and absolute error."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.heads import HeadOptions
from vidfake.losses.options import check_range
from vidfake.losses.softmax import Softmax


@LOSSES.register(
    "gce",
    source="Zhang, Sabuncu 2018, https://arxiv.org/abs/1805.07836",
    family="softmax",
    tier=2,
    search_space=SearchSpace({"q": (0.3, 0.5, 0.7, 0.9)}),
)
class GeneralisedCrossEntropy(Softmax):
    """A bounded, smoother cross-entropy, on which badly wrong clips (wrong labels, often) pull less.

        L = mean_i (1 - p_y^q) / q

    Letters: p_y softmax probability of the true class from a linear layer, q between 0 (cross-entropy) and 1 (mean
    absolute error).

    Args:
        q: above 0, at most 1; 0.7.

    Two classes: at p_y near 0 the gradient vanishes as p_y^q, so hard fakes learn late.
    Differs from the paper: no truncation. It stands in for "A Flatter Loss" (https://arxiv.org/abs/2010.10368),
    whose formula is not public: the same idea of a smoother loss, well defined.
    """

    def __init__(self, *, q: float = 0.7, **options: Unpack[HeadOptions]) -> None:
        super().__init__(**options)
        self.q = check_range(self, "q", q, 0.0, 1.0, open_low=True)

    def criterion(self, logits: Tensor, y: Tensor) -> Tensor:
        """(1 - p_y^q) / q per clip (B,)."""
        log_p = log_softmax(logits, dim=1).gather(1, y[:, None]).squeeze(1)
        return -torch.expm1(self.q * log_p) / self.q
