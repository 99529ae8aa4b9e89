"""Temporal convolution: residual dilated convolutions over the frames, then their mean."""

from __future__ import annotations

from einops import rearrange
from torch import Tensor, nn

from vidfake.errors import ConfigError
from vidfake.models.aggregators.pooling import masked_mean
from vidfake.models.interfaces import AGGREGATORS, Aggregator

MAX_DEPTH = 16


class DilatedBlock(nn.Module):
    """Pre-norm residual convolution over time. Beyond a clip's end stands 0, as beyond a batch's."""

    def __init__(self, *, width: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.convolution = nn.Conv1d(width, width, kernel, padding=dilation * (kernel // 2), dilation=dilation)
        self.mix = nn.Linear(width, width)
        self.activation = nn.GELU()
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B, T, width)."""
        inner = self.norm(tokens).masked_fill(~mask.unsqueeze(-1), 0.0)
        inner = rearrange(self.convolution(rearrange(inner, "b t c -> b c t")), "b c t -> b t c")
        result: Tensor = tokens + self.dropout(self.mix(self.activation(inner)))
        return result


@AGGREGATORS.register("temporal_convolution", source="https://arxiv.org/abs/1803.01271")
class TemporalConvolution(Aggregator):
    """Residual convolutions over time with dilations 1, 2, 4 …, then the mean over frames.

    Args:
        feature_dim: D of the frame features.
        width: channels inside, and `output_dim`.
        depth: blocks; the receptive field is 1 + (kernel - 1)(2^depth - 1) frames.
        kernel: frames per convolution, odd.
        dropout: in each block.

    Source: Bai et al. 2018. Differs from the paper: not causal (a clip is known whole), LayerNorm instead of weight
    normalisation.
    """

    def __init__(
        self, *, feature_dim: int, width: int = 256, depth: int = 3, kernel: int = 3, dropout: float = 0.1
    ) -> None:
        super().__init__(output_dim=width)
        if width < 1 or not 1 <= depth <= MAX_DEPTH:
            raise ConfigError(f"width is {width}, depth {depth}. width is at least 1; depth 1 to {MAX_DEPTH}.")
        if not 1 <= kernel <= 63 or kernel % 2 == 0:
            raise ConfigError(f"kernel is {kernel}. It takes an odd number of frames, 1 to 63.")
        if not 0.0 <= dropout < 1.0:
            raise ConfigError(f"dropout is {dropout}. It takes 0 up to, not including, 1.")
        self.feature_norm = nn.LayerNorm(feature_dim)
        self.project = nn.Linear(feature_dim, width)
        self.blocks = nn.ModuleList(
            DilatedBlock(width=width, kernel=kernel, dilation=2**level, dropout=dropout) for level in range(depth)
        )
        self.norm = nn.LayerNorm(width)

    def aggregate(self, features: Tensor, mask: Tensor, pts_seconds: Tensor) -> Tensor:
        """(B, width)."""
        tokens = self.project(self.feature_norm(features))
        for block in self.blocks:
            tokens = block(tokens, mask)
        return masked_mean(self.norm(tokens).masked_fill(~mask.unsqueeze(-1), 0.0), mask)
