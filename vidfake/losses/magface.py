"""MagFace: the margin grows with the embedding's norm, and the norm is regularised to mean quality."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor

from vidfake.errors import LossInputError
from vidfake.losses.angular import ARC_GUARDS, TINY_NORM, ArcGuard, add_angle
from vidfake.losses.arcface import check_margin_radians
from vidfake.losses.base import LOSSES, LossContext, LossNeeds, SearchSpace
from vidfake.losses.distributed import gather_plain
from vidfake.losses.heads import HeadBatch, MarginHead, MarginOptions
from vidfake.losses.norms import norms_vary
from vidfake.losses.options import check_choice, check_range

_MOST_CLAMPED = 0.05


@LOSSES.register(
    "magface",
    source="Meng et al. 2021, https://arxiv.org/abs/2103.06627",
    family="adaptive",
    tier=2,
    search_space=SearchSpace({"margin_high": (0.5, 0.8, 1.1), "regulariser_factor": (1.0, 1.5, 3.0)}),
    defaults_many={"scale": 32.0},
)
class MagFace(MarginHead):
    """ArcFace whose margin grows with the embedding's norm; a regulariser rewards large norms.

        L = -log( e^{s cos(θ_y + m(a))} / (e^{s cos(θ_y + m(a))} + Σ_{j≠y} e^{s cos θ_j}) ) + λ (1/a + a/u²)
        a = ||z|| held in [l, u];   m(a) = m_l + (m_u - m_l)(a - l)/(u - l)
        λ = f · s K u² l² / (u² - l²),   K = (m_u - m_l)/(u - l)

    Letters: θ_j angle between embedding and class weight j, s scale, y the true class, f regulariser factor.

    Args:
        scale: s. Paper: 64.
        margin_low, margin_high: m_l and m_u, in radians.
        norm_bounds: (l, u). None takes half the 1st and twice the 99th percentile of the first training
            batch's norms (the paper's 10 and 110 suit its own network) and stores them.
        regulariser_factor: f; from 1 on, the best norm grows with the ease of a clip.
        arc_guard: as in ArcFace; the paper's code has `easy`.

    Two classes: as ArcFace. Norms outside [l, u] get no gradient from margin or regulariser: above 5 % of a
    batch it warns. An embedding whose norm hardly varies is refused.
    Differs from the paper: λ follows from f, so that it stays consistent at any scale; bounds can be measured.
    """

    needs = LossNeeds(norm_must_vary=True)
    normalised = False
    bounds: Tensor
    checked_norms: Tensor

    def __init__(
        self,
        *,
        scale: float = 16.0,
        margin_low: float = 0.45,
        margin_high: float = 0.8,
        norm_bounds: Sequence[float] | None = None,
        regulariser_factor: float = 1.5,
        arc_guard: ArcGuard = "linear",
        **options: Unpack[MarginOptions],
    ) -> None:
        super().__init__(scale=scale, **options)
        self.margin_low = check_margin_radians(self, margin_low)
        self.margin_high = check_margin_radians(self, margin_high)
        self.regulariser_factor = check_range(self, "regulariser_factor", regulariser_factor, 0.0)
        check_choice(self, "arc_guard", arc_guard, ARC_GUARDS)
        self.arc_guard = arc_guard
        if margin_high < margin_low:
            raise LossInputError(
                f"MagFace: margin_high is {margin_high:g}, below margin_low ({margin_low:g}); it takes at least "
                "that."
            )
        if norm_bounds is not None and not (len(norm_bounds) == 2 and 0 < norm_bounds[0] < norm_bounds[1]):
            raise LossInputError(
                f"MagFace: norm_bounds is {list(norm_bounds)}; it takes two numbers, 0 < low < high."
            )
        given = torch.tensor(list(norm_bounds)) if norm_bounds is not None else torch.full((2,), torch.nan)
        self.register_buffer("bounds", given.float())
        self.register_buffer("checked_norms", torch.tensor(False))
        self.warned = False

    def _per_clip(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        norms = torch.linalg.vector_norm(z, dim=1)
        if self.state_moves(context):
            self._watch(norms.detach())
        low, high = self._bounds(norms)
        held = norms.clamp(low, high)
        slope = (self.margin_high - self.margin_low) / (high - low)
        weight = self.regulariser_factor * self.score_scale * slope * high**2 * low**2 / (high**2 - low**2)
        regulariser: Tensor = weight * (1.0 / held + held / high**2)
        return super()._per_clip(z, y, context) + regulariser

    def target_logit(self, cosine: Tensor, batch: HeadBatch) -> Tensor:
        """cos(θ_y + m(a)), guarded."""
        norms = torch.linalg.vector_norm(batch.z, dim=1)
        low, high = self._bounds(norms)
        slope = (self.margin_high - self.margin_low) / (high - low)
        margin = self.margin_low + slope * (norms.clamp(low, high) - low)
        return add_angle(cosine, margin * batch.strength, self.arc_guard)

    def _bounds(self, norms: Tensor) -> tuple[float, float]:
        """(l, u) in force; before any are set, those that this batch would set."""
        low, high = self.bounds.tolist()
        if math.isnan(low):
            low, high = measured_bounds(norms.detach()).tolist()
        return low, high

    @torch.no_grad()
    def _watch(self, norms: Tensor) -> None:
        """Set the bounds if none are, refuse norms that do not vary, warn of norms out of bounds."""
        if math.isnan(self.bounds[0].item()):
            self.bounds.copy_(measured_bounds(gather_plain(norms)))
        if not bool(self.checked_norms):
            self.checked_norms.fill_(norms_vary(norms, loss="MagFace"))
        if self.warned:
            return
        low, high = self.bounds.tolist()
        clamped = 1.0 - float(((norms >= low) & (norms <= high)).sum()) / len(norms)
        if clamped > _MOST_CLAMPED:
            self.warned = True
            warnings.warn(
                f"MagFace: {clamped:.0%} of this batch's norms lie outside norm_bounds ({low:.4g} to {high:.4g}) "
                f"and get no gradient from the margin; they run from {float(norms.min()):.4g} to "
                f"{float(norms.max()):.4g}. Set norm_bounds to half the 1st and twice the 99th percentile of the "
                "norms of a softmax run.",
                stacklevel=2,
            )


def measured_bounds(norms: Tensor) -> Tensor:
    """(l, u): half the 1st and twice the 99th percentile, apart and above zero whatever the batch."""
    percentiles = torch.quantile(norms.float(), torch.tensor([0.01, 0.99], device=norms.device))
    high = (2.0 * percentiles[1]).clamp_min(TINY_NORM)
    low = torch.maximum(0.5 * percentiles[0], 1e-3 * high)
    return torch.stack([low, high])
