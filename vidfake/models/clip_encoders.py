"""Whole-clip encoders: the networks of pytorchvideo, without their classification heads.

The only importer of pytorchvideo in this package, and only when such an encoder is built.

A clip is brought to the frames that a network wants by repeating or leaving out frames, evenly; beyond a short
clip's end its last frame is repeated. Tokens keep the network's temporal resolution. A token sees neighbouring
frames too, so frame scores made from it are smoother in time than those of a frame encoder.
"""

from __future__ import annotations

import abc
import importlib
import warnings
from typing import Any

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

from vidfake.errors import ConfigError, MissingPackageError
from vidfake.models.interfaces import ENCODERS, ClipEncoder, Encoder, at_least_float32
from vidfake.models.pixels import PixelInput, check_frames
from vidfake.models.weights import Published

# pytorchvideo trained all its networks with this normalisation
MEAN, STD = (0.45,) * 3, (0.225,) * 3
MAX_CLIP_FRAMES = 256
ZOO = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/"


class VideoNetwork(ClipEncoder):
    """Frame choice and pixels, common to all; `tokens` is each family's own.

    Args:
        backbone: the network without its head.
        feature_dim: D of the tokens.
        input_size: pixels, square.
        clip_frames: frames that the network sees; None takes a clip's own number, rounded up to `multiple`.
        multiple: the network wants a multiple of so many frames.
    """

    def __init__(
        self, backbone: nn.Module, *, feature_dim: int, input_size: int, clip_frames: int | None, multiple: int = 1
    ) -> None:
        super().__init__(backbone, feature_dim=feature_dim)
        if clip_frames is not None and (not 1 <= clip_frames <= MAX_CLIP_FRAMES or clip_frames % multiple):
            raise ConfigError(
                f"clip_frames is {clip_frames}. It takes 1 to {MAX_CLIP_FRAMES} frames, a multiple of {multiple}."
            )
        self.pixels = PixelInput(input_size=input_size, mean=MEAN, std=STD)
        self.clip_frames, self.multiple = clip_frames, multiple

    def forward(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """Tokens (B, T', D) float32."""
        check_frames(frames)
        clips, length = frames.shape[:2]
        wanted = self.clip_frames or -(-length // self.multiple) * self.multiple
        rows = ((torch.arange(wanted, device=frames.device) + 0.5) * length / wanted).floor().long()
        if mask is not None:
            last = (mask.sum(dim=1, keepdim=True) - 1).clamp(min=0)
            rows = torch.minimum(rows, last)
            frames = frames[torch.arange(clips, device=frames.device).unsqueeze(1), rows]
        else:
            frames = frames[:, rows]
        return self.run(frames, frames_each=wanted)

    def encode(self, pictures: Tensor) -> Tensor:
        """Tokens (N, T', D) of whole clips (N, T, 3, H, W)."""
        flat = self.pixels(rearrange(pictures, "n t c h w -> (n t) c h w"))
        return at_least_float32(self.tokens(rearrange(flat, "(n t) c h w -> n c t h w", n=len(pictures))))

    @abc.abstractmethod
    def tokens(self, video: Tensor) -> Tensor:
        """Tokens (N, T', D) of normalised video (N, 3, T, S, S)."""


class ConvolutionalNetwork(VideoNetwork):
    """Feature maps averaged over the picture; one token per remaining time step."""

    def tokens(self, video: Tensor) -> Tensor:
        pooled: Tensor = reduce(self.backbone(video), "n d t h w -> n t d", "mean")
        return pooled


class SlowFastNetwork(VideoNetwork):
    """Two pathways; the fast one sees every frame, the slow one every fourth. One token per slow frame."""

    STRIDE = 4

    def tokens(self, video: Tensor) -> Tensor:
        slow, fast = self.backbone([video[:, :, :: self.STRIDE], video])
        slow = reduce(slow, "n d t h w -> n t d", "mean")
        fast = reduce(fast, "n d (t f) h w -> n t d", "mean", t=slow.shape[1])
        return torch.cat([slow, fast], dim=-1)


class MultiscaleTransformer(VideoNetwork):
    """Patch tokens averaged over the picture; one token per two frames. The class token is left out."""

    PATCH_FRAMES = 2

    def tokens(self, video: Tensor) -> Tensor:
        patches = self.backbone(video)[:, 1:]
        pooled: Tensor = reduce(patches, "n (t hw) d -> n t d", "mean", t=video.shape[2] // self.PATCH_FRAMES)
        return pooled


def _builder(module: str, function: str) -> Any:
    """`pytorchvideo.models.MODULE.FUNCTION`, or MissingPackageError."""
    try:
        with warnings.catch_warnings():
            # its import uses torch.jit.script, about which torch warns; a user can do nothing about that
            warnings.simplefilter("ignore", category=FutureWarning)
            warnings.simplefilter("ignore", category=DeprecationWarning)
            return getattr(importlib.import_module(f"pytorchvideo.models.{module}"), function)
    except ImportError as error:
        raise MissingPackageError(
            f"Whole-clip encoders need pytorchvideo ({error}). Install it: pip install pytorchvideo==0.1.5"
        ) from error


def _without_last_blocks(network: Any, count: int) -> nn.Module:
    """A pytorchvideo `Net` without its last `count` blocks (pooling and classifier)."""
    network.blocks = network.blocks[:-count]
    assert isinstance(network, nn.Module)
    return network


def _details(*, feature_dim: int, file: str, head: tuple[str, ...]) -> dict[str, Any]:
    """What a registry row says of a clip encoder."""
    return {
        "kind": "clip",
        "feature_dim": feature_dim,
        "published": Published(head=head, elsewhere=f" Its Kinetics-400 weights: {ZOO}{file}"),
        "weights_origin": f"file {ZOO}{file} (Kinetics-400), fetched by the user",
        "weights_licence": "Apache-2.0 (pytorchvideo)",
    }


def _x3d(*, input_size: int, clip_frames: int) -> Encoder:
    network = _builder("x3d", "create_x3d")(input_clip_length=clip_frames, input_crop_size=input_size)
    return ConvolutionalNetwork(
        _without_last_blocks(network, 1), feature_dim=192, input_size=input_size, clip_frames=clip_frames
    )


@ENCODERS.register(
    "x3d_s",
    source="https://arxiv.org/abs/2004.04730",
    summary="X3D-S, whole clips: 13 frames; published with input_size = 160",
    **_details(feature_dim=192, file="X3D_S.pyth", head=("blocks.5.",)),
)
def x3d_s(*, input_size: int = 160, clip_frames: int = 13) -> Encoder:
    """X3D-S: as many tokens as `clip_frames`."""
    return _x3d(input_size=input_size, clip_frames=clip_frames)


@ENCODERS.register(
    "x3d_m",
    source="https://arxiv.org/abs/2004.04730",
    summary="X3D-M, whole clips: 16 frames; published with input_size = 224",
    **_details(feature_dim=192, file="X3D_M.pyth", head=("blocks.5.",)),
)
def x3d_m(*, input_size: int = 224, clip_frames: int = 16) -> Encoder:
    """X3D-M: as many tokens as `clip_frames`."""
    return _x3d(input_size=input_size, clip_frames=clip_frames)


@ENCODERS.register(
    "slowfast_r50",
    source="https://arxiv.org/abs/1812.03982",
    summary="SlowFast-R50, whole clips: a token per four frames",
    **_details(feature_dim=2304, file="SLOWFAST_8x8_R50.pyth", head=("blocks.5.", "blocks.6.")),
)
def slowfast_r50(*, input_size: int = 224, clip_frames: int | None = None) -> Encoder:
    """SlowFast-R50; published with 32 frames. `clip_frames` is a multiple of 4."""
    network = _without_last_blocks(_builder("slowfast", "create_slowfast")(model_depth=50), 2)
    return SlowFastNetwork(
        network, feature_dim=2304, input_size=input_size, clip_frames=clip_frames, multiple=SlowFastNetwork.STRIDE
    )


@ENCODERS.register(
    "r2plus1d_r50",
    source="https://arxiv.org/abs/1711.11248",
    summary="R(2+1)D-50, whole clips: a token per four frames",
    **_details(feature_dim=2048, file="R2PLUS1D_16x4_R50.pyth", head=("blocks.5.",)),
)
def r2plus1d_r50(*, input_size: int = 224, clip_frames: int | None = None) -> Encoder:
    """R(2+1)D-50; published with 16 frames."""
    network = _without_last_blocks(_builder("r2plus1d", "create_r2plus1d")(), 1)
    return ConvolutionalNetwork(network, feature_dim=2048, input_size=input_size, clip_frames=clip_frames)


@ENCODERS.register(
    "csn_r101",
    source="https://arxiv.org/abs/1904.02811",
    summary="CSN-101 (channel-separated), whole clips: a token per eight frames",
    **_details(feature_dim=2048, file="CSN_32x2_R101.pyth", head=("blocks.5.",)),
)
def csn_r101(*, input_size: int = 224, clip_frames: int | None = None) -> Encoder:
    """CSN-101; published with 32 frames."""
    network = _without_last_blocks(_builder("csn", "create_csn")(model_depth=101, stem_pool=nn.MaxPool3d), 1)
    return ConvolutionalNetwork(network, feature_dim=2048, input_size=input_size, clip_frames=clip_frames)


@ENCODERS.register(
    "mvit_b",
    source="https://arxiv.org/abs/2104.11227",
    summary="MViT-B, a multiscale transformer, whole clips: a token per two frames",
    **_details(feature_dim=768, file="MVIT_B_16x4.pyth", head=("head.",)),
)
def mvit_b(*, num_frames: int, input_size: int = 224, clip_frames: int | None = None) -> Encoder:
    """MViT-B; published with 16 frames at 224 pixels. Its positions are learned for `clip_frames` (default: the
    clips' own number, rounded up to even) and `input_size`, a multiple of 32."""
    if input_size % 32:
        raise ConfigError(f"encoder.input_size is {input_size}. mvit_b takes a multiple of 32.")
    clip_frames = clip_frames or num_frames + num_frames % MultiscaleTransformer.PATCH_FRAMES
    if clip_frames > MAX_CLIP_FRAMES:
        raise ConfigError(f"clip_frames is {clip_frames}. It takes up to {MAX_CLIP_FRAMES} frames.")
    # sizes are worked out with .item(): that needs real tensors even where the caller builds without memory
    with torch.device("cpu"):
        network = _builder("vision_transformers", "create_multiscale_vision_transformers")(
            spatial_size=input_size,
            temporal_size=clip_frames,
            embed_dim_mul=[[1, 2.0], [3, 2.0], [14, 2.0]],
            atten_head_mul=[[1, 2.0], [3, 2.0], [14, 2.0]],
            pool_q_stride_size=[[1, 1, 2, 2], [3, 1, 2, 2], [14, 1, 2, 2]],
            pool_kv_stride_adaptive=[1, 8, 8],
            pool_kvq_kernel=[3, 3, 3],
            head=None,
        )
    return MultiscaleTransformer(
        network,
        feature_dim=768,
        input_size=input_size,
        clip_frames=clip_frames,
        multiple=MultiscaleTransformer.PATCH_FRAMES,
    )
