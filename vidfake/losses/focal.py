"""Focal loss on softmax cross-entropy."""

from __future__ import annotations

from typing import Unpack

from vidfake.errors import LossInputError
from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.cross_entropy import CrossEntropy
from vidfake.losses.heads import HeadOptions
from vidfake.losses.options import check_range
from vidfake.losses.softmax import Softmax


class FocalOptions(HeadOptions, total=False):
    """Options that focal shares with softmax."""

    bias: bool
    label_smoothing: float


@LOSSES.register(
    "focal",
    source="Lin et al. 2017, https://arxiv.org/abs/1708.02002",
    family="softmax",
    tier=1,
    search_space=SearchSpace({"gamma": (0.5, 1.0, 2.0, 3.0)}),
)
class Focal(Softmax):
    """Softmax cross-entropy that turns from clips already right to clips still wrong.

        L = -α_y (1 - p_y)^γ log p_y,   p = softmax(<w_j, z> + b_j)

    Letters: p_y probability of the true class, γ focus, α_y class factor.

    Args:
        gamma: γ; 0 is cross-entropy.
        alpha: None, or the factor of every fake class; reals then get 1 - alpha. Leave it off with balanced
            batches.

    Two classes: the paper's binary form, on the logit difference. It distorts calibration: calibrate afterwards.
    Any other head takes the same factor by its option `focal_gamma`.
    Differs from the paper: softmax instead of one sigmoid per class; α is off by default.
    """

    def __init__(self, *, gamma: float = 2.0, alpha: float | None = None, **options: Unpack[FocalOptions]) -> None:
        super().__init__(**options)
        check_range(self, "gamma", gamma, 0.0, 10.0)
        if alpha is not None and not 0 < alpha < 1:
            raise LossInputError(f"Focal: alpha is {alpha:g}; it takes a number above 0 and below 1, or none.")
        factors = None if alpha is None else [1 - alpha] + [alpha] * (self.num_classes - 1)
        self.cross_entropy = CrossEntropy(
            num_classes=self.num_classes,
            label_smoothing=self.cross_entropy.label_smoothing,
            focal_gamma=gamma,
            class_weights=factors,
        )
