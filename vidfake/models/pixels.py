"""From stored pixels to what a network was trained on: float, resized, normalised."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidfake.errors import ConfigError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
MIN_INPUT_SIZE, MAX_INPUT_SIZE = 32, 1024


def check_frames(frames: Tensor) -> None:
    """Refuse anything but (B, T, 3, H, W) uint8 or float."""
    if frames.ndim != 5 or frames.shape[2] != 3:
        raise ValueError(f"frames {tuple(frames.shape)} are not (B, T, 3, H, W). Put channels before height.")
    if frames.dtype != torch.uint8 and not frames.is_floating_point():
        raise ValueError(f"frames are {frames.dtype}. Pass uint8, or float in [0, 1].")


class PixelInput(nn.Module):
    """(N, 3, H, W) uint8, or float in [0, 1], -> (N, 3, S, S) normalised float; S is `input_size`.

    Resizing is bilinear with antialiasing, on float values, so that uint8 input and the same input divided by 255
    give the same result.
    """

    def __init__(self, *, input_size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        if not MIN_INPUT_SIZE <= input_size <= MAX_INPUT_SIZE:
            raise ConfigError(
                f"encoder.input_size is {input_size}. It takes {MIN_INPUT_SIZE} to {MAX_INPUT_SIZE} pixels."
            )
        self.input_size = input_size
        # not persistent: they come from the encoder's definition, and a checkpoint holds learned values only
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.mean: Tensor
        self.std: Tensor

    def forward(self, frames: Tensor) -> Tensor:
        """Normalised pictures (N, 3, S, S)."""
        if frames.dtype == torch.uint8:
            frames = frames.to(self.mean.dtype) / 255.0
        else:
            frames = frames.to(self.mean.dtype)
        if frames.shape[-2:] != (self.input_size, self.input_size):
            size = (self.input_size, self.input_size)
            frames = F.interpolate(frames, size=size, mode="bilinear", antialias=True, align_corners=False)
        return (frames - self.mean) / self.std
