"""Temporal transformer: a learned CLS token attends to the frames of a clip.

Source: Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762) with the CLS token of Dosovitskiy et al. 2021
(https://arxiv.org/abs/2010.11929), pre-norm (Xiong et al. 2020, https://arxiv.org/abs/2002.04745) and stochastic
depth (Huang et al. 2016, https://arxiv.org/abs/1603.09382).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from vidfake.errors import ConfigError
from vidfake.models.aggregators.positions import Positions
from vidfake.models.interfaces import AGGREGATORS, Aggregator

MAX_DEPTH = 64


class Attention(nn.Module):
    """Multi-head self-attention over (B, L, width); tokens outside `mask` (B, L) are not looked at."""

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B, L, width)."""
        q, k, v = rearrange(self.queries_keys_values(tokens), "b l (n h d) -> n b h l d", n=3, h=self.heads)
        attended = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=rearrange(mask, "b l -> b 1 1 l"),
            dropout_p=self.dropout if self.training else 0.0,
        )
        joined: Tensor = self.output(rearrange(attended, "b h l d -> b l (h d)"))
        return joined


class Block(nn.Module):
    """One pre-norm layer: attention, then an MLP, each added to what came in or skipped per clip."""

    def __init__(self, *, width: int, heads: int, mlp_ratio: float, dropout: float, drop_path: float) -> None:
        super().__init__()
        hidden = max(1, round(width * mlp_ratio))
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width=width, heads=heads, dropout=dropout)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width), nn.Dropout(dropout)
        )
        self.drop_path = StochasticDepth(drop_path, mode="row")

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B, L, width)."""
        tokens = tokens + self.drop_path(self.attention(self.attention_norm(tokens), mask))
        result: Tensor = tokens + self.drop_path(self.mlp(self.mlp_norm(tokens)))
        return result


@AGGREGATORS.register("transformer", source="https://arxiv.org/abs/1706.03762, https://arxiv.org/abs/2010.11929")
class TemporalTransformer(Aggregator):
    """Transformer over the frames of a clip, read out at a learned CLS token.

    Args:
        feature_dim: D of the frame features.
        num_frames: frames of a clip; only the size of a learned position table.
        width: channels inside, and `output_dim`.
        depth, heads, mlp_ratio: layers, attention heads per layer, MLP channels over `width`.
        dropout: in attention and MLP.
        stochastic_depth: chance to skip a branch of the last layer; grows linearly from 0 at the first.
        positions, time_unit, positions_per_second, span_seconds: see `Positions`.
        frame_difference: also give each pair of neighbouring frames a token of their features' difference, at the
            time between the two.

    Output: the CLS token after a last LayerNorm; (B, width).
    """

    def __init__(
        self,
        *,
        feature_dim: int,
        num_frames: int = 16,
        width: int = 256,
        depth: int = 2,
        heads: int = 4,
        mlp_ratio: float = 4.0,
        dropout: float = 0.1,
        stochastic_depth: float = 0.1,
        positions: str = "sinusoidal",
        time_unit: str = "seconds",
        positions_per_second: float = 25.0,
        span_seconds: float = 1.0,
        frame_difference: bool = False,
    ) -> None:
        super().__init__(output_dim=width)
        _check_sizes(width=width, depth=depth, heads=heads, mlp_ratio=mlp_ratio)
        _check_rates(dropout=dropout, stochastic_depth=stochastic_depth)
        self.feature_norm = nn.LayerNorm(feature_dim)
        self.project = nn.Linear(feature_dim, width)
        self.project_difference = nn.Linear(feature_dim, width) if frame_difference else None
        self.positions = Positions(
            width=width,
            kind=positions,
            time_unit=time_unit,
            num_frames=num_frames,
            positions_per_second=positions_per_second,
            span_seconds=span_seconds,
        )
        self.cls_token = nn.Parameter(torch.empty(width))
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        rates = [stochastic_depth * layer / max(1, depth - 1) for layer in range(depth)]
        self.blocks = nn.ModuleList(
            Block(width=width, heads=heads, mlp_ratio=mlp_ratio, dropout=dropout, drop_path=rate) for rate in rates
        )
        self.norm = nn.LayerNorm(width)

    def aggregate(self, features: Tensor, mask: Tensor, pts_seconds: Tensor) -> Tensor:
        """(B, width)."""
        tokens, mask = self._tokens(features, mask, pts_seconds)
        for block in self.blocks:
            tokens = block(tokens, mask)
        cls: Tensor = self.norm(tokens[:, 0])
        return cls

    def _tokens(self, features: Tensor, mask: Tensor, pts_seconds: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, L, width) and their mask (B, L): CLS, frames, and differences where wanted."""
        clips, length, _ = features.shape
        features = self.feature_norm(features)
        counts = repeat(torch.arange(length, device=features.device, dtype=torch.float32), "t -> b t", b=clips)
        tokens = [
            repeat(self.cls_token, "d -> b 1 d", b=clips),
            self.project(features) + self.positions(counts, pts_seconds),
        ]
        masks = [mask.new_ones(clips, 1), mask]
        if self.project_difference is not None and length > 1:
            between = self.positions(_midpoints(counts), _midpoints(pts_seconds))
            tokens.append(self.project_difference(features[:, 1:] - features[:, :-1]) + between)
            masks.append(mask[:, 1:] & mask[:, :-1])
        return torch.cat(tokens, dim=1), torch.cat(masks, dim=1)


def _midpoints(values: Tensor) -> Tensor:
    return (values[:, 1:] + values[:, :-1]) / 2


def _check_sizes(*, width: int, depth: int, heads: int, mlp_ratio: float) -> None:
    if heads < 1 or width < 2 or width % 2 or width % heads:
        raise ConfigError(f"width is {width} with {heads} heads. The width must be even and divisible by heads.")
    if not 1 <= depth <= MAX_DEPTH:
        raise ConfigError(f"depth is {depth}. It takes 1 to {MAX_DEPTH} layers.")
    if not 0 < mlp_ratio <= 64:
        raise ConfigError(f"mlp_ratio is {mlp_ratio}. It takes a number above 0, up to 64.")


def _check_rates(*, dropout: float, stochastic_depth: float) -> None:
    for name, rate in (("dropout", dropout), ("stochastic_depth", stochastic_depth)):
        if not 0.0 <= rate < 1.0:
            raise ConfigError(f"{name} is {rate}. It takes 0 up to, not including, 1.")
