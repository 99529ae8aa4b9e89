"""What a frame encoder, a whole-clip encoder and a temporal aggregator are, and the registries of both.

Shapes: B clips, T frames, D feature channels, H and W pixels. `mask` is True where there is a frame; padding is at
the end of a clip.
"""

from __future__ import annotations

import abc

import torch
from einops import rearrange
from torch import Tensor, nn

from vidfake.models.pixels import IMAGENET_MEAN, IMAGENET_STD, PixelInput, check_frames
from vidfake.registry import Registry

# Frames that go through an encoder at once when no gradient is kept: bounds the memory of long inputs. On a CPU so
# few that a layer's output is still in the cache when the next layer reads it.
INFERENCE_FRAMES = {"cpu": 4}
INFERENCE_FRAMES_ELSEWHERE = 256


class Encoder(nn.Module, abc.ABC):
    """Pictures to features. `feature_dim` is D. A frozen encoder stays in evaluation mode and keeps no gradient.

    `backbone` is the network whose state dict a weights file describes, without its classification head.
    """

    def __init__(self, backbone: nn.Module, *, feature_dim: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.feature_dim = feature_dim
        self.frozen = False

    def freeze(self) -> None:
        """Stop training this encoder: no gradients, and BatchNorm statistics that no longer move."""
        self.frozen = True
        self.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Encoder:
        """As in torch, but a frozen encoder stays in evaluation mode."""
        super().train(mode and not self.frozen)
        return self

    def run(self, pictures: Tensor, *, frames_each: int = 1) -> Tensor:
        """`encode` of `pictures` (N, ...), in pieces where no gradient is kept and no batch statistics are taken.

        `frames_each` is how many frames one item holds.
        """
        if self.training or (torch.is_grad_enabled() and not self.frozen):
            return self.encode(pictures)
        size = INFERENCE_FRAMES.get(pictures.device.type, INFERENCE_FRAMES_ELSEWHERE)
        with torch.no_grad():
            pieces = [self.encode(piece) for piece in torch.split(pictures, max(1, size // frames_each))]
        return torch.cat(pieces)

    @abc.abstractmethod
    def encode(self, pictures: Tensor) -> Tensor:
        """Features of frames (N, 3, H, W) or clips (N, T, 3, H, W), all of them real."""


class FrameEncoder(Encoder):
    """A picture network applied to each frame by itself: (B, T, 3, H, W) -> (B, T, D).

    Args:
        backbone: pictures (N, 3, S, S) -> pooled features (N, D).
        feature_dim: D.
        input_size: S; frames of another size are resized inside.
        mean, std: normalisation of the backbone's training, per RGB channel, for values in [0, 1].
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        feature_dim: int,
        input_size: int,
        mean: tuple[float, ...] = IMAGENET_MEAN,
        std: tuple[float, ...] = IMAGENET_STD,
    ) -> None:
        super().__init__(backbone.to(memory_format=torch.channels_last), feature_dim=feature_dim)
        self.pixels = PixelInput(input_size=input_size, mean=mean, std=std)
        self.last_map: Tensor | None = None

    def keep_map(self, layer: str) -> None:
        """While training, keep in `last_map` what the backbone's `layer` gave last, (N, C, H', W')."""
        self.backbone.get_submodule(layer).register_forward_hook(self._keep_map)

    def _keep_map(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.last_map = output if self.training else None

    def forward(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features (B, T, D) float32. Frames outside `mask` are not run (their features are 0), so that padding
        never reaches BatchNorm statistics."""
        check_frames(frames)
        clips, length = frames.shape[:2]
        flat = rearrange(frames, "b t c h w -> (b t) c h w")
        if mask is None:
            return rearrange(self.run(flat), "(b t) d -> b t d", b=clips)
        wanted = rearrange(mask, "b t -> (b t)").nonzero().squeeze(1)
        if len(wanted) == clips * length:
            return rearrange(self.run(flat), "(b t) d -> b t d", b=clips)
        if len(wanted) == 0:
            return torch.zeros(clips, length, self.feature_dim, device=frames.device)
        features = self.run(flat[wanted])
        scattered = features.new_zeros(clips * length, self.feature_dim).index_copy(0, wanted, features)
        return rearrange(scattered, "(b t) d -> b t d", b=clips)

    def encode(self, pictures: Tensor) -> Tensor:
        """Features (N, D) of frames (N, 3, H, W)."""
        pixels = self.pixels(pictures).contiguous(memory_format=torch.channels_last)
        return at_least_float32(self.backbone(pixels))


class ClipEncoder(Encoder):
    """A network that sees a whole clip: forward(frames (B, T, 3, H, W), mask (B, T)) -> tokens (B, T', D).

    T' is whatever temporal resolution the network keeps; 1 where it keeps none. Tokens are spread evenly over the T
    places of the clip, padding included.
    """

    @abc.abstractmethod
    def forward(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """Tokens (B, T', D) float32. What stands in the padding does not matter."""


class Aggregator(nn.Module, abc.ABC):
    """Features of a clip's frames to one vector: (B, T, D), mask (B, T), pts_seconds (B, T) -> (B, output_dim).

    What stands in the padding never matters, not even NaN: it is blanked before `aggregate` sees it. A clip without
    any frame gives a finite vector.
    """

    def __init__(self, *, output_dim: int) -> None:
        super().__init__()
        self.output_dim = output_dim

    def forward(self, features: Tensor, mask: Tensor, pts_seconds: Tensor) -> Tensor:
        """The clip's vector (B, output_dim)."""
        if features.ndim != 3 or mask.shape != features.shape[:2] or pts_seconds.shape != mask.shape:
            raise ValueError(
                f"features {tuple(features.shape)}, mask {tuple(mask.shape)}, pts_seconds "
                f"{tuple(pts_seconds.shape)} do not fit. Pass (B, T, D), (B, T) and (B, T)."
            )
        blank = ~mask.bool()
        return self.aggregate(
            features.masked_fill(blank.unsqueeze(-1), 0.0), mask.bool(), pts_seconds.masked_fill(blank, 0.0)
        )

    @abc.abstractmethod
    def aggregate(self, features: Tensor, mask: Tensor, pts_seconds: Tensor) -> Tensor:
        """As `forward`, with checked shapes and zeros in the padding."""


def at_least_float32(values: Tensor) -> Tensor:
    """`values`, widened where autocast gave half precision."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


ENCODERS: Registry[Encoder] = Registry("encoder")
AGGREGATORS: Registry[Aggregator] = Registry("aggregator")
