"""The network that draws faces anew: convolutions to a narrow middle, and up-sampling ones back to a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vidfake.errors import ConfigError
from vidfake.types import ByteArray, FloatArray

FACES_AT_ONCE = 16
RANGES = {"pixels": (32, 256), "width": (4, 64), "bottleneck": (2, 1024), "stages": (1, 5)}
MIDDLES = ("vector", "map")
UPSAMPLINGS = ("shuffle", "transposed", "nearest")
MAX_SIDE = 8  # of what a fully connected middle takes in


@dataclass(frozen=True)
class AutoencoderSettings:
    """What the network is made of. Raises ConfigError.

    `pixels`: side of the pictures it is trained on, 32 to 256, a multiple of 2 ** `stages`; `width`: channels after
    the first convolution, 4 to 64; `stages`: times that the picture is halved on the way in, and doubled on the way
    out.

    `middle`: "vector" reduces a face to `bottleneck` numbers in all, by a fully connected layer, as the first
    face-swap tool does; "map" to `bottleneck` numbers at every place of the smallest map, as the autoencoders of
    latent diffusion do (Rombach et al. 2022, https://arxiv.org/abs/2112.10752), so that it draws pictures of any
    size. `upsampling`: "shuffle" (sub-pixel convolution), "transposed" (convolution) or "nearest" (pixels doubled,
    and a convolution).
    """

    pixels: int = 64
    width: int = 32
    bottleneck: int = 256
    stages: int = 4
    middle: str = "vector"
    upsampling: str = "shuffle"

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ConfigError(f"autoencoder: {name} is {value!r}; it must be a whole number {low} to {high}.")
        for name, known in (("middle", MIDDLES), ("upsampling", UPSAMPLINGS)):
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"autoencoder: {name} is {getattr(self, name)!r}; it must be one of {', '.join(known)}."
                )
        if self.pixels % self.step:
            raise ConfigError(f"autoencoder: pixels is {self.pixels}; it must be a multiple of {self.step}.")
        if self.middle == "vector" and self.pixels // self.step > MAX_SIDE:
            raise ConfigError(
                f"autoencoder: pixels is {self.pixels} with {self.stages} stages and middle 'vector'; at most "
                f"{MAX_SIDE * self.step}. Take more stages, fewer pixels, or middle 'map'."
            )

    @property
    def step(self) -> int:
        """Pixels per place of the smallest map: sides of pictures are multiples of it."""
        return int(2**self.stages)

    @property
    def any_size(self) -> bool:
        """Whether it draws pictures of other sides than `pixels` too."""
        return self.middle == "map"


class Autoencoder(nn.Module):
    """Faces (B, 3, P, P) in [0, 1] to faces drawn anew, of the same shape and range.

    With its defaults as the first public face-swap tool (`deepfakes/faceswap`, 2017): convolutions of stride 2, a
    fully connected middle, and `PixelShuffle` after a convolution on the way out (Shi et al. 2016), whose phases
    leave a grid.
    """

    def __init__(self, settings: AutoencoderSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        widths = [width, 2 * width, 4 * width, 4 * width, 4 * width][: settings.stages]
        layers: list[nn.Module] = []
        for before, after in zip([3, *widths], widths, strict=False):
            layers += [nn.Conv2d(before, after, 5, stride=2, padding=2), nn.LeakyReLU(0.1)]
        self.encoder = nn.Sequential(*layers)
        self.reduce, self.expand = _middle(settings, widths[-1])
        last = max(4, width // 2)
        layers = []
        for before, after in zip(widths[::-1], [*widths[-2::-1], last], strict=True):
            layers += _doubling(settings.upsampling, before, after)
        self.decoder = nn.Sequential(*layers, nn.Conv2d(last, 3, 5, padding=2))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                # torch's own start fades the signal by layers, and hundreds of steps go into finding it again
                slope = 1.0 if isinstance(layer, nn.Linear) else 0.1
                nn.init.kaiming_normal_(layer.weight, a=slope)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, faces: Tensor) -> Tensor:
        """See the class."""
        seen = self.encoder(faces * 2 - 1)
        if self.settings.middle == "map":
            wide = self.expand(self.reduce(seen))
        else:
            wide = self.expand(self.reduce(seen.flatten(1))).reshape(seen.shape)
        return torch.sigmoid(self.decoder(wide))


def _middle(settings: AutoencoderSettings, channels: int) -> tuple[nn.Module, nn.Module]:
    """From the smallest map to the code, and back."""
    if settings.middle == "map":
        return nn.Conv2d(channels, settings.bottleneck, 1), nn.Conv2d(settings.bottleneck, channels, 1)
    size = channels * (settings.pixels // settings.step) ** 2
    return nn.Linear(size, settings.bottleneck), nn.Linear(settings.bottleneck, size)


def _doubling(kind: str, before: int, after: int) -> list[nn.Module]:
    """Layers that make a map (B, before, H, W) one of (B, after, 2H, 2W)."""
    if kind == "shuffle":
        return [nn.Conv2d(before, 4 * after, 3, padding=1), nn.LeakyReLU(0.1), nn.PixelShuffle(2)]
    if kind == "transposed":
        return [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.1)]
    return [nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1), nn.LeakyReLU(0.1)]


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
