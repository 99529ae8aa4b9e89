"""Cam-softmax: the true class's cosine is bent, more and more as training goes on."""

from __future__ import annotations

import math
from typing import Unpack

from torch import Tensor

from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.heads import Gradient, HeadBatch, MarginHead, SoftmaxOptions
from vidfake.losses.options import check_range


class CamOptions(SoftmaxOptions, total=False):
    """Cam-softmax has its own schedule instead of a margin warm-up."""

    gradient: Gradient
    scale_warmup: float


@LOSSES.register(
    "cam_softmax",
    source="Suveges and McKenna 2020, Cam-softmax for discriminative deep feature learning, ICPR 2020",
    family="margin",
    tier=2,
    search_space=SearchSpace(
        {"stop_radians": (math.pi / 3, 0.29 * math.pi, math.pi / 4), "scale": (8.0, 16.0, 20.0, 32.0)}
    ),
    defaults_many={"scale": 20.0, "stop_radians": math.pi / 4},
)
class CamSoftmax(MarginHead):
    """Cross-entropy on scaled cosines, with the true class's cosine bent so that it crosses zero at a chosen angle.

        L = -log( e^{s cam(c_y)} / (e^{s cam(c_y)} + Σ_{j≠y} e^{s c_j}) )
        cam(u) = (u + 1)^p / 2^(p-1) - 1,   p = -1 / (log₂(1 + cos c) - 1)

    Letters: c_j cosine to class weight j, s scale, c angle at which cam is 0: π/2 (cam(u) = u) at the start,
    falling linearly.

    Args:
        scale: s. Authors: 20.
        stop_radians: c at the end, up to π/2.
        decay_share: share of training over which c falls.

    Two classes: the slope of cam vanishes as u nears -1, where wrong clips sit: wrong labels are ignored, but
    so are hard fakes. Keep `stop_radians` at π/3 or above.
    Differs from the paper: c follows the share of training done, instead of 1e-4 per step; the paper's automatic
    adaptation of c is not published in code and not included.
    """

    def __init__(
        self,
        *,
        scale: float = 16.0,
        stop_radians: float = math.pi / 3,
        decay_share: float = 0.5,
        **options: Unpack[CamOptions],
    ) -> None:
        super().__init__(scale=scale, **options)
        self.stop_radians = check_range(self, "stop_radians", stop_radians, 0.1, math.pi / 2)
        self.decay_share = check_range(self, "decay_share", decay_share, 0.0, 1.0, open_low=True)

    def zero_angle(self, progress: float) -> float:
        """c in radians at that share of training."""
        return math.pi / 2 - (math.pi / 2 - self.stop_radians) * min(1.0, progress / self.decay_share)

    def target_logit(self, cosine: Tensor, batch: HeadBatch) -> Tensor:
        """cam(c_y)."""
        return bent(cosine, self.zero_angle(batch.context.progress))


def bent(cosine: Tensor, zero_angle: float) -> Tensor:
    """cam: -1 at cosine -1, 0 at cos(zero_angle), 1 at 1."""
    power = -1.0 / (math.log2(1.0 + math.cos(zero_angle)) - 1.0)
    # a negative base, by rounding, would make the power NaN
    return (cosine + 1.0).clamp_min(1e-6).pow(power) / math.pow(2.0, power - 1.0) - 1.0
