"""The network that draws faces anew: one encoder, a narrow middle, sub-pixel up-sampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vidfake.errors import ConfigError
from vidfake.types import ByteArray, FloatArray

STAGES = 4
"""Times that the picture is halved on the way in, and doubled on the way out."""
FACES_AT_ONCE = 16
RANGES = {"pixels": (32, 128), "width": (4, 64), "bottleneck": (16, 1024)}


@dataclass(frozen=True)
class AutoencoderSettings:
    """`pixels`: side of the pictures, a multiple of 16 from 32 to 128; `width`: channels after the first
    convolution, 4 to 64; `bottleneck`: numbers that a face is reduced to, 16 to 1024. Raises ConfigError."""

    pixels: int = 64
    width: int = 32
    bottleneck: int = 256

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ConfigError(f"autoencoder: {name} is {value!r}; it must be a whole number {low} to {high}.")
        if self.pixels % 2**STAGES:
            raise ConfigError(f"autoencoder: pixels is {self.pixels}; it must be a multiple of {2**STAGES}.")


class Autoencoder(nn.Module):
    """Faces (B, 3, P, P) in [0, 1] to faces drawn anew, of the same shape and range.

    As in the first public face-swap tool (`deepfakes/faceswap`, 2017): convolutions of stride 2, a fully connected
    middle, and `PixelShuffle` after a convolution on the way out (Shi et al. 2016), whose phases leave a grid.
    """

    def __init__(self, settings: AutoencoderSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        widths = [width, 2 * width, 4 * width, 4 * width]
        self.side = settings.pixels // 2**STAGES
        layers: list[nn.Module] = []
        for before, after in zip([3, *widths], widths, strict=False):
            layers += [nn.Conv2d(before, after, 5, stride=2, padding=2), nn.LeakyReLU(0.1)]
        self.encoder = nn.Sequential(*layers)
        self.reduce = nn.Linear(widths[-1] * self.side**2, settings.bottleneck)
        self.expand = nn.Linear(settings.bottleneck, widths[-1] * self.side**2)
        layers = []
        for before, after in zip(widths[::-1], [*widths[-2::-1], max(4, width // 2)], strict=True):
            layers += [nn.Conv2d(before, 4 * after, 3, padding=1), nn.LeakyReLU(0.1), nn.PixelShuffle(2)]
        self.decoder = nn.Sequential(*layers, nn.Conv2d(max(4, width // 2), 3, 5, padding=2))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                # torch's own start fades the signal by layers, and hundreds of steps go into finding it again
                slope = 0.1 if isinstance(layer, nn.Conv2d) else 1.0
                nn.init.kaiming_normal_(layer.weight, a=slope)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, faces: Tensor) -> Tensor:
        """See the class."""
        code = self.reduce(self.encoder(faces * 2 - 1).flatten(1))
        wide = self.expand(code).reshape(len(faces), -1, self.side, self.side)
        return torch.sigmoid(self.decoder(wide))


def tensor_shapes(settings: AutoencoderSettings) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the network's tensors, without memory for them."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in Autoencoder(settings).state_dict().items()}


def redraw(network: Autoencoder, views: ByteArray) -> FloatArray:
    """`views` (T, P, P, 3) uint8 drawn anew, float32 in [0, 255].

    On one thread, whatever the process uses otherwise: sums in another order would give other bytes.
    """
    threads = torch.get_num_threads()
    drawn = []
    try:
        torch.set_num_threads(1)
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            for start in range(0, len(views), FACES_AT_ONCE):
                faces = torch.from_numpy(views[start : start + FACES_AT_ONCE]).permute(0, 3, 1, 2).float() / 255
                drawn.append((network(faces) * 255).permute(0, 2, 3, 1).numpy())
    finally:
        torch.set_num_threads(threads)
    return np.concatenate(drawn)
