"""Clip-consistent augmentation: one draw of parameters per clip, applied alike to every frame of it.

All randomness comes from the generator handed in, so a real clip and the fake made from it, given generators of the
same seed, are treated alike. Pixel work is torchvision's (`transforms.v2.functional`). A row with the detail
`moves` moves what is seen to another place; its draws depend on the size of the pictures alone, so that a mask
follows them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from vidfake.errors import ConfigError
from vidfake.registry import Registry
from vidfake.synth.options import check_names
from vidfake.types import ByteArray, FloatArray
from vidfake.video.writer import reencode

Frames = Tensor  # (T, 3, H, W) uint8
Augmentation = Callable[[Frames, np.random.Generator], Frames]
AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation")

TORCHVISION = "https://docs.pytorch.org/vision/stable/transforms.html"


class Augment:
    """The named augmentations in the order given. `options` holds one table per name."""

    def __init__(self, names: Sequence[str], options: dict[str, dict[str, Any]] | None = None) -> None:
        options = options or {}
        for name in options:
            if name not in names:
                raise ConfigError(f"data.augment_options has a table for '{name}', which is not in data.augment")
        self.names = tuple(names)
        self._steps = [AUGMENTATIONS.build(name, **options.get(name, {})) for name in names]

    def __call__(self, faces: ByteArray, rng: np.random.Generator) -> ByteArray:
        """(T, H, W, 3) uint8 -> the same shape. Each step has its own stream, whatever the others draw."""
        return self.with_mask(faces, None, rng)[0]

    def with_mask(
        self, faces: ByteArray, mask: FloatArray | None, rng: np.random.Generator
    ) -> tuple[ByteArray, FloatArray | None]:
        """As calling it, and `mask` (T, H, W) in [0, 1] moved with the pictures by the steps that move them."""
        streams = rng.spawn(len(self._steps))
        frames = torch.from_numpy(np.ascontiguousarray(faces)).permute(0, 3, 1, 2)
        moved = None if mask is None else torch.from_numpy(np.rint(mask * 255).astype(np.uint8))[:, None]
        for name, step, stream in zip(self.names, self._steps, streams, strict=True):
            if moved is not None and AUGMENTATIONS.row(name).details.get("moves"):
                moved = step(moved, copy.deepcopy(stream))
            frames = step(frames, stream)
        result = np.ascontiguousarray(frames.permute(0, 2, 3, 1).numpy())
        return result, None if moved is None else moved[:, 0].numpy().astype(np.float32) / 255


def _probability(value: float, name: str) -> float:
    if not 0 <= value <= 1:
        raise ConfigError(f"{name}: probability is {value}; it must lie in [0, 1]")
    return value


def _sometimes(probability: float, name: str, work: Augmentation) -> Augmentation:
    _probability(probability, name)

    def apply(frames: Frames, rng: np.random.Generator) -> Frames:
        return work(frames, rng) if rng.random() < probability else frames

    return apply


@AUGMENTATIONS.register("flip", source=TORCHVISION, moves=True)
def flip(*, probability: float = 0.5) -> Augmentation:
    """Mirror the whole clip left to right."""
    return _sometimes(probability, "flip", lambda frames, rng: F.horizontal_flip(frames))


@AUGMENTATIONS.register("crop_jitter", source=TORCHVISION, moves=True)
def crop_jitter(*, scale: float = 0.1, shift: float = 0.05, degrees: float = 5.0) -> Augmentation:
    """One small change of scale, place and angle for the whole clip."""

    def apply(frames: Frames, rng: np.random.Generator) -> Frames:
        height, width = frames.shape[-2:]
        moved: Frames = F.affine(
            frames,
            angle=float(rng.uniform(-degrees, degrees)),
            translate=[round(rng.uniform(-shift, shift) * width), round(rng.uniform(-shift, shift) * height)],
            scale=float(np.exp(rng.uniform(-1, 1) * np.log1p(scale))),
            shear=[0.0, 0.0],
            interpolation=F.InterpolationMode.BILINEAR,
        )
        return moved

    return apply


@AUGMENTATIONS.register("colour", source=TORCHVISION)
def colour(
    *,
    brightness: float = 0.2,
    contrast: float = 0.2,
    saturation: float = 0.2,
    hue: float = 0.03,
    probability: float = 0.8,
) -> Augmentation:
    """One change of brightness, contrast, saturation and hue for the whole clip."""

    def work(frames: Frames, rng: np.random.Generator) -> Frames:
        frames = F.adjust_brightness(frames, float(rng.uniform(1 - brightness, 1 + brightness)))
        frames = F.adjust_contrast(frames, float(rng.uniform(1 - contrast, 1 + contrast)))
        frames = F.adjust_saturation(frames, float(rng.uniform(1 - saturation, 1 + saturation)))
        changed: Frames = F.adjust_hue(frames, float(rng.uniform(-hue, hue)))
        return changed

    return _sometimes(probability, "colour", work)


@AUGMENTATIONS.register("blur", source=TORCHVISION)
def blur(*, sigma: float = 1.5, probability: float = 0.2) -> Augmentation:
    """Gaussian blur of one strength, up to `sigma` pixels."""

    def work(frames: Frames, rng: np.random.Generator) -> Frames:
        strength = float(rng.uniform(0.1, sigma))
        size = 2 * max(1, round(3 * strength)) + 1
        blurred: Frames = F.gaussian_blur(frames, kernel_size=size, sigma=strength)
        return blurred

    return _sometimes(probability, "blur", work)


@AUGMENTATIONS.register("noise", source="sensor noise: fresh in every frame, one strength per clip")
def noise(*, sigma: float = 8.0, probability: float = 0.2) -> Augmentation:
    """Gaussian noise, new in every frame, of one strength up to `sigma` grey levels."""

    def work(frames: Frames, rng: np.random.Generator) -> Frames:
        drawn = rng.normal(0, rng.uniform(0, sigma), tuple(frames.shape)).astype(np.float32)
        return (frames.float() + torch.from_numpy(drawn)).round_().clamp_(0, 255).to(torch.uint8)

    return _sometimes(probability, "noise", work)


@AUGMENTATIONS.register("jpeg", source=TORCHVISION)
def jpeg(*, quality_low: int = 40, quality_high: int = 95, probability: float = 0.3) -> Augmentation:
    """JPEG compression of every frame at one quality."""

    def work(frames: Frames, rng: np.random.Generator) -> Frames:
        quality = int(rng.integers(quality_low, quality_high + 1))
        return torch.stack([F.jpeg(frame.contiguous(), quality) for frame in frames])

    return _sometimes(probability, "jpeg", work)


KERNELS = {
    # name: interpolation, and whether what a smaller picture cannot hold is smoothed away first
    "smooth": (F.InterpolationMode.BILINEAR, True),
    "cubic": (F.InterpolationMode.BICUBIC, True),
    "aliased": (F.InterpolationMode.BILINEAR, False),
    "aliased_cubic": (F.InterpolationMode.BICUBIC, False),
    "nearest": (F.InterpolationMode.NEAREST_EXACT, False),
}


@AUGMENTATIONS.register("downscale", source="Bonettini et al. 2020, https://arxiv.org/abs/2004.07676")
def downscale(
    *, least: float = 0.4, kernels: tuple[str, ...] = ("smooth",), probability: float = 0.3
) -> Augmentation:
    """Shrink the clip to `least`..1 of its size and enlarge it again, each by one of `kernels` (`KERNELS`).

    Players, sites and screen recorders all have their own.
    """
    check_names("downscale", "kernels", kernels, KERNELS)

    def work(frames: Frames, rng: np.random.Generator) -> Frames:
        height, width = frames.shape[-2:]
        factor = float(rng.uniform(least, 1.0))
        small = max(8, round(height * factor)), max(8, round(width * factor))
        for side in (small, (height, width)):
            name = str(rng.choice(kernels)) if len(kernels) > 1 else kernels[0]
            interpolation, smoothed = KERNELS[name]
            frames = F.resize(frames, list(side), interpolation=interpolation, antialias=smoothed)
        return frames

    return _sometimes(probability, "downscale", work)


@AUGMENTATIONS.register("sharpen", source="unsharp masking, as cameras, players and upscalers apply it")
def sharpen(*, amount: float = 1.5, sigma: float = 1.5, probability: float = 0.2) -> Augmentation:
    """Add up to `amount` times what a blur of up to `sigma` pixels takes away."""

    def work(frames: Frames, rng: np.random.Generator) -> Frames:
        strength, width = float(rng.uniform(0.1, 1.0)) * amount, float(rng.uniform(0.5, max(0.5, sigma)))
        sharp = frames.float()
        sharp = sharp + strength * (sharp - F.gaussian_blur(sharp, 2 * max(1, round(3 * width)) + 1, width))
        sharpened: Frames = sharp.round_().clamp_(0, 255).to(torch.uint8)
        return sharpened

    return _sometimes(probability, "sharpen", work)


@AUGMENTATIONS.register("smooth_skin", source="Tomasi & Manduchi 1998 (bilateral filter), as beauty filters use it")
def smooth_skin(*, levels: float = 40.0, sigma: float = 3.0, probability: float = 0.2) -> Augmentation:
    """Smooth what differs by less than about `levels` grey levels and keep the edges, over the whole picture."""

    def work(frames: Frames, rng: np.random.Generator) -> Frames:
        height = float(rng.uniform(0.2, 1.0)) * levels
        width = float(rng.uniform(0.3, 1.0)) * sigma
        pictures = frames.permute(0, 2, 3, 1).contiguous().numpy()
        smoothed = np.stack([cv2.bilateralFilter(picture, 5, height, width) for picture in pictures])
        return torch.from_numpy(smoothed).permute(0, 3, 1, 2)

    return _sometimes(probability, "smooth_skin", work)


@AUGMENTATIONS.register("h264", source="a real encoder, libx264, through the project's own writer")
def h264(*, crf_low: int = 18, crf_high: int = 38, probability: float = 0.3) -> Augmentation:
    """Encode the clip with H.264 at one constant rate factor and decode it again."""

    def work(frames: Frames, rng: np.random.Generator) -> Frames:
        crf = int(rng.integers(crf_low, crf_high + 1))
        return _coded(frames, codec="libx264", crf=crf)

    return _sometimes(probability, "h264", work)


def _coded(frames: Frames, *, codec: str, crf: int, pixel_format: str = "yuv420p") -> Frames:
    faces = np.ascontiguousarray(frames.permute(0, 2, 3, 1).numpy())
    return torch.from_numpy(reencode(faces, codec=codec, crf=crf, pixel_format=pixel_format)).permute(0, 3, 1, 2)


CODEC_QUALITIES = {"libx264": (18, 38), "libx265": (20, 40), "libvpx-vp9": (20, 55)}
SUBSAMPLINGS = ("yuv420p", "yuv420p", "yuv422p", "yuv444p")


@AUGMENTATIONS.register("video_codec", source="real encoders: libx264, libx265, libvpx-vp9")
def video_codec(*, codecs: tuple[str, ...] = tuple(CODEC_QUALITIES), probability: float = 0.3) -> Augmentation:
    """Encode the clip with H.264, H.265 or VP9 at one quality and chroma subsampling, and decode it again."""
    check_names("video_codec", "codecs", codecs, CODEC_QUALITIES)

    def work(frames: Frames, rng: np.random.Generator) -> Frames:
        codec = str(rng.choice(codecs))
        low, high = CODEC_QUALITIES[codec]
        crf = int(rng.integers(low, high + 1))
        return _coded(frames, codec=codec, crf=crf, pixel_format=str(rng.choice(SUBSAMPLINGS)))

    return _sometimes(probability, "video_codec", work)


@AUGMENTATIONS.register("time_mask", source="RealForensics, https://github.com/ahaliassos/RealForensics")
def time_mask(*, share: float = 0.4, probability: float = 0.3) -> Augmentation:
    """Black out one run of frames, up to `share` of the clip."""

    def work(frames: Frames, rng: np.random.Generator) -> Frames:
        length = int(rng.integers(1, max(1, int(len(frames) * share)) + 1))
        start = int(rng.integers(0, len(frames) - length + 1))
        result = frames.clone()
        result[start : start + length] = 0
        return result

    return _sometimes(probability, "time_mask", work)


@AUGMENTATIONS.register("erasing", source="Zhong et al. 2020, https://arxiv.org/abs/1708.04896")
def erasing(*, least: float = 0.02, most: float = 0.2, probability: float = 0.25) -> Augmentation:
    """Paint one rectangle, at the same place in every frame, with one random colour."""

    def work(frames: Frames, rng: np.random.Generator) -> Frames:
        height, width = frames.shape[-2:]
        area, aspect = rng.uniform(least, most) * height * width, np.exp(rng.uniform(-1, 1) * np.log(3.0))
        h, w = min(height, round(np.sqrt(area * aspect))), min(width, round(np.sqrt(area / aspect)))
        top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
        result = frames.clone()
        fill = torch.from_numpy(rng.integers(0, 256, 3).astype(np.uint8))
        result[:, :, top : top + h, left : left + w] = fill[None, :, None, None]
        return result

    return _sometimes(probability, "erasing", work)
