"""Aggregators that do not know the order of frames: mean, maximum, gated attention."""

from __future__ import annotations

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

from vidfake.errors import ConfigError
from vidfake.models.interfaces import AGGREGATORS, Aggregator


def masked_mean(features: Tensor, mask: Tensor) -> Tensor:
    """Mean over each clip's frames, (B, T, D) -> (B, D), where the padding holds 0; 0 for a clip without frames."""
    counts = reduce(mask.to(features.dtype), "b t -> b 1", "sum").clamp(min=1)
    return reduce(features, "b t d -> b d", "sum") / counts


@AGGREGATORS.register("mean", source="common baseline", summary="Mean of the frame features; no parameters")
class Mean(Aggregator):
    """Mean of the frame features."""

    def __init__(self, *, feature_dim: int) -> None:
        super().__init__(output_dim=feature_dim)

    def aggregate(self, features: Tensor, mask: Tensor, pts_seconds: Tensor) -> Tensor:
        """(B, D)."""
        return masked_mean(features, mask)


@AGGREGATORS.register("max", source="common baseline", summary="Largest value of each feature; no parameters")
class Maximum(Aggregator):
    """Largest value of each feature over the frames."""

    def __init__(self, *, feature_dim: int) -> None:
        super().__init__(output_dim=feature_dim)

    def aggregate(self, features: Tensor, mask: Tensor, pts_seconds: Tensor) -> Tensor:
        """(B, D)."""
        lowest = torch.finfo(features.dtype).min
        largest = reduce(features.masked_fill(~mask.unsqueeze(-1), lowest), "b t d -> b d", "max")
        return largest.masked_fill(~mask.any(dim=1, keepdim=True), 0.0)


@AGGREGATORS.register("attention", source="https://arxiv.org/abs/1802.04712")
class GatedAttention(Aggregator):
    """Mean of the frame features weighted by gated attention (deep multiple-instance learning).

        a_t = softmax_t( w · (tanh(V h_t) ⊙ sigmoid(U h_t)) ),   output = Σ a_t h_t

    Args:
        feature_dim: D, and `output_dim`.
        hidden: channels of V and U.

    Source: Ilse et al. 2018, eq. 9. Differs from the paper: h is layer-normalised for the weights, since encoders
    differ widely in scale.
    """

    def __init__(self, *, feature_dim: int, hidden: int = 128) -> None:
        super().__init__(output_dim=feature_dim)
        if hidden < 1:
            raise ConfigError(f"hidden is {hidden}. It takes at least 1 channel.")
        self.feature_norm = nn.LayerNorm(feature_dim)
        self.content = nn.Linear(feature_dim, hidden)
        self.gate = nn.Linear(feature_dim, hidden)
        self.weigh = nn.Linear(hidden, 1, bias=False)  # a bias would cancel in the softmax

    def weights(self, features: Tensor, mask: Tensor) -> Tensor:
        """Share of each frame (B, T), summing to 1 over a clip's frames; 0 in the padding."""
        normed = self.feature_norm(features)
        gated = torch.tanh(self.content(normed)) * torch.sigmoid(self.gate(normed))
        logits: Tensor = rearrange(self.weigh(gated), "b t 1 -> b t").float()
        shares = logits.masked_fill(~mask, torch.finfo(logits.dtype).min).softmax(dim=1)
        return shares.masked_fill(~mask, 0.0)

    def aggregate(self, features: Tensor, mask: Tensor, pts_seconds: Tensor) -> Tensor:
        """(B, D)."""
        shares = self.weights(features, mask).to(features.dtype)
        weighted: Tensor = reduce(features * shares.unsqueeze(-1), "b t d -> b d", "sum")
        return weighted
