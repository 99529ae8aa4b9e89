"""Which matrix and range turn a frame's YUV into RGB, when the file says so and when it does not."""

from __future__ import annotations

from dataclasses import dataclass

from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

HD_LINES = 720
"""A file that names no matrix is read as BT.709 from this height of the stored picture on, as BT.601 below."""

# ITU-T H.273 matrix coefficients -> swscale's table and our name
_MATRICES = {
    1: (Colorspace.ITU709, "bt709"),
    4: (Colorspace.FCC, "fcc"),
    5: (Colorspace.ITU601, "bt601"),
    6: (Colorspace.ITU601, "bt601"),
    7: (Colorspace.SMPTE240M, "smpte240m"),
    9: (Colorspace.BT2020, "bt2020"),
    10: (Colorspace.BT2020, "bt2020"),
}
_HDR_TRANSFERS = {16, 18}  # H.273: SMPTE ST 2084 (PQ), ARIB STD-B67 (HLG)
# grayscale without a declared range is limited in these, full in still-picture and lossless codecs
_LIMITED_GRAY_CODECS = {"h264", "hevc", "av1", "vp8", "vp9", "mpeg1video", "mpeg2video", "mpeg4"}


@dataclass(frozen=True)
class ColourRule:
    """How one frame's numbers are to be read."""

    matrix: Colorspace | None  # None: already RGB, a palette, or gray
    space: str  # bt709, bt601, bt2020, smpte240m, fcc, rgb, gray
    full_range: bool
    expand_gray: bool  # gray in limited range, which swscale would show washed out
    hdr: bool


def colour_rule(frame: VideoFrame, codec: str) -> ColourRule:
    """The rule for a decoded frame. Undeclared: BT.709 from 720 lines, else BT.601; limited range."""
    fmt = frame.format
    hdr = int(frame.color_trc) in _HDR_TRANSFERS
    declared_full = int(frame.color_range) == ColorRange.JPEG
    if fmt.is_rgb or fmt.has_palette:
        return ColourRule(None, "rgb", True, False, hdr)
    if is_gray(fmt):
        limited = int(frame.color_range) == ColorRange.MPEG or (not declared_full and codec in _LIMITED_GRAY_CODECS)
        return ColourRule(None, "gray", not limited, limited, hdr)
    default = _MATRICES[1] if frame.height >= HD_LINES else _MATRICES[6]
    matrix, space = _MATRICES.get(int(frame.colorspace), default)
    return ColourRule(matrix, space, declared_full or fmt.name.startswith("yuvj"), False, hdr)


def is_gray(fmt: VideoFormat) -> bool:
    """True for luma alone, with or without alpha."""
    return len(fmt.components) <= 2 and not fmt.is_rgb and not fmt.has_palette


def bit_depth(fmt: VideoFormat) -> int:
    """Bits of the widest component."""
    return max(int(component.bits) for component in fmt.components)
