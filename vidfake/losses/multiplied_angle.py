"""What L-Softmax and SphereFace share: the true class's angle multiplied by a whole number, and its annealing."""

from __future__ import annotations

import math
from typing import Unpack

import torch
from torch import Tensor

from vidfake.errors import LossInputError
from vidfake.losses.angular import angle_of, with_slope
from vidfake.losses.base import LossContext
from vidfake.losses.heads import Gradient, SoftmaxHead, SoftmaxOptions
from vidfake.losses.options import check_choice, check_range

_ANNEAL_REACH = math.sqrt(200.0) - 1.0
"""Grows the annealing divisor from 1 to 200 over `anneal_share`: from the published 1000 to the published 5."""


def multiplied_cosine(cosine: Tensor, multiplier: int) -> Tensor:
    """ψ(θ) = (-1)^k cos(mθ) - 2k with k = floor(mθ/π): falls from 1 at θ = 0 to 1 - 2m at π.

    cos(mθ) is the Chebyshev polynomial T_m of the cosine, and m U_{m-1} its slope: no acos is differentiated.
    """
    with torch.no_grad():
        before, first = torch.ones_like(cosine), cosine
        before_second, second = torch.zeros_like(cosine), torch.ones_like(cosine)
        for _ in range(multiplier - 1):
            before, first = first, 2.0 * cosine * first - before
            before_second, second = second, 2.0 * cosine * second - before_second
        k = torch.floor(angle_of(cosine) * (multiplier / math.pi))
        sign = 1.0 - 2.0 * torch.remainder(k, 2.0)
        value, slope = sign * first - 2.0 * k, sign * multiplier * second
    return with_slope(value, cosine, slope)


class MultipliedAngle(SoftmaxHead):
    """Base of heads whose true-class cosine becomes (λ cos θ + ψ(θ)) / (1 + λ).

    Args:
        margin: m, a whole number; 1 is no margin.
        gradient: `full`, or `detached` for the plain cosine's gradient.
        anneal_start: λ at the start of training; large means almost no margin.
        anneal_end: smallest λ. 0 lets the whole margin act.
        anneal_share: share of training over which λ falls to anneal_start/200 (or to `anneal_end`, if larger).
    """

    normalised = False

    def __init__(
        self,
        *,
        margin: int = 4,
        gradient: Gradient = "full",
        anneal_start: float = 1000.0,
        anneal_end: float = 5.0,
        anneal_share: float = 0.5,
        **options: Unpack[SoftmaxOptions],
    ) -> None:
        super().__init__(**options)
        if int(margin) != margin or not 1 <= margin <= 8:
            raise LossInputError(
                f"{type(self).__name__}: margin is {margin}; it takes a whole number, 1 to 8. "
                "For other multipliers use 'sphereface_r'."
            )
        self.margin = int(margin)
        check_choice(self, "gradient", gradient, ("full", "detached"))
        self.gradient = gradient
        self.anneal_start = check_range(self, "anneal_start", anneal_start, 0.0)
        self.anneal_end = check_range(self, "anneal_end", anneal_end, 0.0)
        self.anneal_share = check_range(self, "anneal_share", anneal_share, 0.0, 1.0, open_low=True)

    def annealing(self, progress: float) -> float:
        """λ at that share of training: max(end, start (1 + 13.1 progress/share)^-2)."""
        grown = 1.0 + _ANNEAL_REACH * progress / self.anneal_share
        return max(self.anneal_end, self.anneal_start / grown**2)

    def target(self, cosine: Tensor, context: LossContext) -> Tensor:
        """Annealed ψ of the true class's cosine (B,)."""
        weight = self.annealing(context.progress)
        annealed = (weight * cosine + multiplied_cosine(cosine, self.margin)) / (1.0 + weight)
        return cosine + (annealed - cosine).detach() if self.gradient == "detached" else annealed
