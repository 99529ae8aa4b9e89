"""Encoders that the installed `av` carries, and the way from RGB into them with the colours declared."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import av
import av.codec
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from vidfake.errors import ConfigError, MissingPackageError
from vidfake.registry import nearest
from vidfake.types import ByteArray
from vidfake.video.colour import HD_LINES

ColourSpace = Literal["auto", "bt601", "bt709"]


@dataclass(frozen=True)
class Encoder:
    """An encoder by its FFmpeg name. `decoder` reads its packets; `crf_range` is None where it has no CRF.

    `defaults` keep it quick, quiet, and its output the same whatever the number of cores.
    """

    name: str
    decoder: str
    crf_range: tuple[int, int] | None
    defaults: dict[str, str]
    always_full_range: bool = False


def _x264_defaults() -> dict[str, str]:
    """x264's AVX-512 code (core 165) reads memory that nobody wrote: the same pictures gave up to 15 different
    files in 60 runs of one process. With its AVX2 code they gave one."""
    # the processor's features, as numpy found them
    features = getattr(importlib.import_module("numpy._core._multiarray_umath"), "__cpu_features__", {})
    return {"x264-params": "asm=avx2"} if features.get("AVX512F") else {}


_ENCODERS = (
    Encoder("libx264", "h264", (0, 51), _x264_defaults()),
    Encoder("libx265", "hevc", (0, 51), {"x265-params": "log-level=none:pools=none:frame-threads=1"}),
    Encoder("libvpx-vp9", "vp9", (0, 63), {"deadline": "good", "cpu-used": "4"}),
    Encoder("libsvtav1", "libdav1d", (0, 63), {"preset": "8", "svtav1-params": "lp=1"}),
    Encoder("mpeg4", "mpeg4", None, {}),
    Encoder("mjpeg", "mjpeg", None, {}, always_full_range=True),
    Encoder("ffv1", "ffv1", None, {}),
)
ENCODERS = {encoder.name: encoder for encoder in _ENCODERS}


def available_encoders() -> tuple[str, ...]:
    """Names of the video encoders that this installation can use, of those that vidfake knows."""
    return tuple(name for name, encoder in ENCODERS.items() if _has(name, "w") and _has(encoder.decoder, "r"))


def find_encoder(name: str) -> Encoder:
    """The encoder of that name. Raises ConfigError if unknown, MissingPackageError if not in this build."""
    if name not in ENCODERS:
        known = list(ENCODERS)
        raise ConfigError(f"unknown video codec '{name}'. Known: {', '.join(known)}.{nearest(name, known)}")
    if name not in available_encoders():
        raise MissingPackageError(
            f"the installed PyAV {av.__version__} has no encoder '{name}'. It has: "
            f"{', '.join(available_encoders())}. Use one of these, or install a PyAV wheel from PyPI."
        )
    if name == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # errors only; its own setting, read when the encoder starts
    return ENCODERS[name]


def rate_options(
    encoder: Encoder, *, crf: float | None, bit_rate: int | None, options: dict[str, str] | None
) -> dict[str, str]:
    """Encoder options: its defaults, then the quality, then the caller's own. Raises ConfigError."""
    chosen = dict(encoder.defaults)
    if crf is not None and bit_rate is not None:
        raise ConfigError(f"crf {crf} and bit_rate {bit_rate} exclude each other; give one of them")
    if crf is not None:
        if encoder.crf_range is None:
            raise ConfigError(f"{encoder.name} takes no crf; give bit_rate, or options such as {{'qmin': '2'}}")
        lowest, highest = encoder.crf_range
        if not lowest <= crf <= highest:
            raise ConfigError(f"crf is {crf}; {encoder.name} takes {lowest} (best) to {highest} (worst)")
        chosen["crf"] = f"{crf:g}"
        if encoder.name == "libvpx-vp9":
            chosen["b"] = "0"  # without it, crf is only a ceiling under a default bit rate
    return chosen | (options or {})


def exact_rate(frame_rate: float | Fraction) -> Fraction:
    """Frames per second as a fraction that encoders take. Raises ConfigError unless above 0."""
    if not 0 < frame_rate < 1e5:
        raise ConfigError(f"frame_rate is {frame_rate}; it must be above 0 (frames per second)")
    return Fraction(frame_rate).limit_denominator(100_000)


class FrameEncoder:
    """Configures a codec context for RGB pictures of one size, and turns pictures into its frames."""

    def __init__(
        self,
        context: VideoCodecContext,
        encoder: Encoder,
        *,
        size: tuple[int, int],
        pixel_format: str,
        time_base: Fraction,
        colour_space: ColourSpace = "auto",
        full_range: bool = False,
        bit_rate: int | None = None,
    ) -> None:
        self._width, self._height = size
        try:
            self._format = VideoFormat(pixel_format)
        except ValueError as error:
            raise ConfigError(f"no pixel format '{pixel_format}'; usual ones are yuv420p and yuv444p") from error
        if colour_space == "auto":
            colour_space = "bt709" if size[1] >= HD_LINES else "bt601"
        if colour_space not in ("bt601", "bt709"):
            raise ConfigError(f"colour_space is '{colour_space}'; it must be auto, bt601 or bt709")
        self._matrix = Colorspace.ITU709 if colour_space == "bt709" else Colorspace.ITU601
        self._range = ColorRange.JPEG if full_range or encoder.always_full_range else ColorRange.MPEG
        self._reformatter = VideoReformatter()
        context.width, context.height = size
        context.pix_fmt = pixel_format
        context.time_base = time_base
        if bit_rate is not None:
            context.bit_rate = bit_rate
        if not self._format.is_rgb:
            # H.273: 1 is BT.709 for matrix, primaries and transfer alike; 6 is BT.601 in its 525-line form
            code = 1 if colour_space == "bt709" else 6
            context.colorspace = context.color_primaries = context.color_trc = code
            context.color_range = self._range

    def frame(self, picture: ByteArray, pts: int) -> VideoFrame:
        """The (H, W, 3) uint8 RGB picture in the codec's pixel format."""
        if picture.shape != (self._height, self._width, 3) or picture.dtype != np.uint8:
            raise ValueError(
                f"a picture is {picture.shape} {picture.dtype}; "
                f"all must be ({self._height}, {self._width}, 3) uint8 like the first"
            )
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
        if not self._format.is_rgb:
            frame = self._reformatter.reformat(
                frame,
                format=self._format.name,
                dst_colorspace=self._matrix,
                src_color_range=ColorRange.JPEG,
                dst_color_range=self._range,
                interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP,
                threads=1,
            )
        else:
            frame = self._reformatter.reformat(frame, format=self._format.name, threads=1)
        frame.pts = pts
        return frame


def needs_even_size(encoder: Encoder, pixel_format: str, size: tuple[int, int]) -> bool:
    """True when an odd width or height cannot be stored: H.264 and HEVC crop in whole chroma samples."""
    halved = pixel_format.startswith(("yuv420", "yuvj420", "yuv422", "yuvj422", "nv12", "nv16"))
    return encoder.name in ("libx264", "libx265", "libsvtav1") and halved and bool(size[0] % 2 or size[1] % 2)


def _has(name: str, mode: Literal["r", "w"]) -> bool:
    try:
        av.codec.Codec(name, mode)
    except ValueError:
        return False
    return True
