"""Recurrent aggregator: a bidirectional LSTM over the frames."""

from __future__ import annotations

from einops import rearrange
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from vidfake.errors import ConfigError
from vidfake.models.interfaces import AGGREGATORS, Aggregator

MAX_DEPTH = 16


@AGGREGATORS.register("lstm", source="https://doi.org/10.1162/neco.1997.9.8.1735")
class RecurrentAggregator(Aggregator):
    """Bidirectional LSTM; its last states of both directions, joined, are the output.

    Args:
        feature_dim: D of the frame features.
        hidden: channels per direction; `output_dim` is twice that.
        depth: layers.
        dropout: between layers.

    Source: Hochreiter and Schmidhuber 1997; on frames of faces: Güera and Delp 2018
    (https://doi.org/10.1109/AVSS.2018.8639163).
    """

    def __init__(self, *, feature_dim: int, hidden: int = 128, depth: int = 1, dropout: float = 0.1) -> None:
        super().__init__(output_dim=2 * hidden)
        if hidden < 1 or not 1 <= depth <= MAX_DEPTH:
            raise ConfigError(f"hidden is {hidden}, depth {depth}. hidden is at least 1; depth 1 to {MAX_DEPTH}.")
        if not 0.0 <= dropout < 1.0:
            raise ConfigError(f"dropout is {dropout}. It takes 0 up to, not including, 1.")
        self.feature_norm = nn.LayerNorm(feature_dim)
        self.lstm = nn.LSTM(
            feature_dim,
            hidden,
            num_layers=depth,
            batch_first=True,
            bidirectional=True,
            dropout=dropout if depth > 1 else 0.0,
        )

    def aggregate(self, features: Tensor, mask: Tensor, pts_seconds: Tensor) -> Tensor:
        """(B, 2 * hidden)."""
        # a packed sequence ends where its clip ends, so the backward direction begins at the last real frame
        lengths = mask.sum(dim=1)
        packed = pack_padded_sequence(
            self.feature_norm(features), lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False
        )
        _, (last, _) = self.lstm(packed)
        joined: Tensor = rearrange(last[-2:], "direction b h -> b (direction h)")
        return joined.masked_fill((lengths == 0).unsqueeze(1), 0.0)
