"""Where a frame stands in its clip, as a vector: sinusoidal or learned, counted in frames or in seconds."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor, nn

from vidfake.errors import ConfigError

TIME_UNITS = ("seconds", "frames")
POSITIONS = ("sinusoidal", "learned")


def sinusoidal(positions: Tensor, width: int) -> Tensor:
    """Encode `positions` (B, T) as (B, T, width): sin(p / 10000^(2i/width)) in channel 2i, cos in 2i + 1.

    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, section 3.5.
    """
    exponents = torch.arange(0, width, 2, device=positions.device, dtype=torch.float32) / width
    angles = positions.float().unsqueeze(-1) * torch.exp(-math.log(10000.0) * exponents)
    return rearrange([angles.sin(), angles.cos()], "two b t half -> b t (half two)")


class Positions(nn.Module):
    """Position vectors (B, T, width) of a clip's frames.

    Args:
        width: channels, even.
        kind: ``sinusoidal``, or ``learned``: a table of `num_frames` rows.
        time_unit: ``seconds`` since the clip's first frame, so that clips of other frame rates fit; or ``frames``.
        num_frames: rows of the learned table.
        positions_per_second: sinusoidal in seconds: how many positions one second counts for.
        span_seconds: learned in seconds: the time from the table's first row to its last. Between rows the vector
            is interpolated; later times take the last row.
    """

    def __init__(
        self,
        *,
        width: int,
        kind: str,
        time_unit: str,
        num_frames: int,
        positions_per_second: float,
        span_seconds: float,
    ) -> None:
        super().__init__()
        if kind not in POSITIONS:
            raise ConfigError(f"positions is {kind!r}. Accepted: {', '.join(POSITIONS)}.")
        if time_unit not in TIME_UNITS:
            raise ConfigError(f"time_unit is {time_unit!r}. Accepted: {', '.join(TIME_UNITS)}.")
        if positions_per_second <= 0 or span_seconds <= 0:
            raise ConfigError(
                f"positions_per_second {positions_per_second} and span_seconds {span_seconds} must be above 0."
            )
        self.width, self.time_unit, self.num_frames = width, time_unit, num_frames
        self.positions_per_second, self.span_seconds = positions_per_second, span_seconds
        self.position_table: nn.Parameter | None = None
        if kind == "learned":
            self.position_table = nn.Parameter(torch.empty(num_frames, width))
            nn.init.trunc_normal_(self.position_table, std=0.02)

    def forward(self, frame_positions: Tensor, pts_seconds: Tensor) -> Tensor:
        """Vectors (B, T, width) for frame counts (B, T), which may be halves, and times (B, T)."""
        in_seconds = self.time_unit == "seconds"
        if self.position_table is None:
            return sinusoidal(
                pts_seconds * self.positions_per_second if in_seconds else frame_positions, self.width
            )
        last = self.num_frames - 1
        if in_seconds:
            return self._interpolate((pts_seconds / self.span_seconds * last).clamp(0, last))
        if frame_positions.shape[1] > self.num_frames:
            raise ValueError(
                f"a clip of {frame_positions.shape[1]} frames, but positions were learned for {self.num_frames}. "
                'Use shorter clips, or positions = "sinusoidal".'
            )
        return self._interpolate(frame_positions.clamp(0, last))

    def _interpolate(self, rows: Tensor) -> Tensor:
        assert self.position_table is not None
        below = rows.floor().long()
        above = (below + 1).clamp(max=self.num_frames - 1)
        share = (rows - below).unsqueeze(-1)
        return torch.lerp(
            self.position_table[below], self.position_table[above], share.to(self.position_table.dtype)
        )
