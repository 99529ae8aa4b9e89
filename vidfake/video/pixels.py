"""From decoded frames to arrays: RGB through swscale, and thumbnails straight from the luma plane."""

from __future__ import annotations

import math
import re
import threading
from collections import OrderedDict
from typing import Any

import av.error
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from vidfake.errors import UnreadableVideoError, UsageError
from vidfake.types import ByteArray, Region
from vidfake.video.colour import ColourRule, bit_depth, colour_rule
from vidfake.video.orientation import Orientation

THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH = 36, 64

_CROP_ALIGNMENT = 16  # pixels; a multiple of every chroma subsampling and of swscale's SIMD blocks
_CROP_MARGIN = 16  # pixels; wider than chroma interpolation reaches
_KEPT_SCALERS = 8
_LARGE_PIXELS = 1 << 19  # below, starting threads costs more than it saves
_HIGH_BITS = re.compile(r"p[024]1\d")  # P010 and its kin keep their bits at the top of 16
# Within one level of the exact value on every processor. swscale's default is ten times as fast on whole pictures,
# but up to 4 levels off, darker on average, and another path for odd sizes.
_INTERPOLATION = (
    Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT
)


class PixelConverter:
    """Turns the frames of one video into upright arrays. Safe to share between threads.

    `size` is the stored width and height of the first frame; a frame of another size (a stream may change its
    resolution) is scaled to it, so that coordinates mean the same throughout. `threads` (0: one per core) work on
    large pictures; the result does not depend on them.
    """

    def __init__(self, *, size: tuple[int, int], orientation: Orientation, codec: str, threads: int = 1) -> None:
        self.size = size
        self._threads = threads
        self.orientation = orientation
        self._codec = codec
        self._scalers: OrderedDict[tuple[object, ...], VideoReformatter] = OrderedDict()
        self._lock = threading.Lock()

    def rgb(self, frame: VideoFrame, *, max_side: int | None, region: Region | None) -> ByteArray:
        """(H, W, 3) uint8; see `DecodedFrame.rgb`."""
        rule = colour_rule(frame, self._codec)
        size = _shrunk(*self.size, max_side)
        if region is None and (size != (frame.width, frame.height) or _whole_chroma(frame)):
            stored = self._scaled(frame, rule, size)
        else:
            part = Region(0, 0, *self.size) if region is None else self._stored_region(region)
            stored = self._region(frame, rule, part)
            width, height = _shrunk(stored.shape[1], stored.shape[0], max_side)
            if (width, height) != (stored.shape[1], stored.shape[0]):
                whole = VideoFrame.from_ndarray(np.ascontiguousarray(stored), "rgb24")
                stored = self._scaled(whole, rule, (width, height))
        if rule.expand_gray:
            stored = _FULL_FROM_LIMITED[stored]
        upright: ByteArray = np.ascontiguousarray(self.orientation.apply(stored))
        return upright

    def luma_thumbnail(self, frame: VideoFrame) -> ByteArray:
        """(36, 64) uint8; see `DecodedFrame.luma_thumbnail`."""
        if not _has_luma_plane(frame):
            key = ("gray", frame.format.name, frame.width, frame.height)
            gray = self._reformat(key, frame, (THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT), "gray")
            samples: ByteArray = _plane(gray, 0, 1, 1).copy()
            return samples
        depth = bit_depth(frame.format)
        plane = _plane(frame, 0, 1, 1 if depth <= 8 else 2)
        rows = (np.arange(THUMBNAIL_HEIGHT) * 2 + 1) * plane.shape[0] // (2 * THUMBNAIL_HEIGHT)
        columns = (np.arange(THUMBNAIL_WIDTH) * 2 + 1) * plane.shape[1] // (2 * THUMBNAIL_WIDTH)
        luma = plane[rows[:, None], columns[None, :]]
        shift = 8 if _HIGH_BITS.match(frame.format.name) else max(0, depth - 8)
        samples = (luma >> shift).astype(np.uint8)
        return samples

    def _stored_region(self, region: Region) -> Region:
        width, height = self.orientation.upright_size(*self.size)
        if region.x + region.width > width or region.y + region.height > height:
            raise UsageError(
                f"region '{region.as_text()}' (x y width height) is not inside the {width} x {height} picture. "
                "Correct the region."
            )
        return self.orientation.stored_region(region, *self.size)

    def _region(self, frame: VideoFrame, rule: ColourRule, region: Region) -> ByteArray:
        """RGB of a part of the stored picture, pixel for pixel as in the whole."""
        x0, y0 = 0, 0
        if (frame.width, frame.height) == self.size and _can_crop(frame):
            horizontal, vertical = _chroma_steps(frame)
            x0, x1 = _widened(region.x, region.width, _round_up(frame.width, horizontal))
            y0, y1 = _widened(region.y, region.height, _round_up(frame.height, vertical))
            part = self._cropped(frame, x0, y0, x1, y1)
            rgb = self._scaled(part, rule, (x1 - x0, y1 - y0))
        else:
            rgb = self._scaled(frame, rule, self.size)
        top, left = region.y - y0, region.x - x0
        return rgb[top : top + region.height, left : left + region.width]

    def _cropped(self, frame: VideoFrame, x0: int, y0: int, x1: int, y1: int) -> VideoFrame:
        """A copy of part of a frame, all planes; corners are multiples of the chroma steps.

        x1 and y1 may lie in the chroma sample that sticks out of a picture of odd size: luma is repeated there.
        """
        name, size = frame.format.name, (x1 - x0, y1 - y0)
        if size == (frame.width, frame.height):
            return frame
        # scaled only to get a frame that keeps the declared colours and chroma position; its samples are replaced
        key = ("part", name, frame.width, frame.height, size)
        part = self._reformat(key, frame, size, name, interpolation=Interpolation.POINT)
        sample_bytes = 1 if bit_depth(frame.format) <= 8 else 2
        for index, target in enumerate(part.planes):
            samples = sum(component.plane == index for component in frame.format.components)
            across, down = round(size[0] / target.width), round(size[1] / target.height)
            left, top = x0 // across * samples, y0 // down
            source = _plane(frame, index, samples, sample_bytes)
            source = source[top : top + target.height, left : left + target.width * samples]
            rows, columns = source.shape
            view = _plane(part, index, samples, sample_bytes)
            view[:rows, :columns] = source
            view[:rows, columns:] = view[:rows, columns - 1 : columns]
            view[rows:] = view[rows - 1]
        return part

    def _scaled(self, frame: VideoFrame, rule: ColourRule, size: tuple[int, int]) -> ByteArray:
        """RGB of the whole frame at `size`, in one pass of swscale."""
        options: dict[str, Any] = {}
        if rule.matrix is not None and not frame.format.is_rgb:
            options["src_colorspace"] = rule.matrix
            options["src_color_range"] = ColorRange.JPEG if rule.full_range else ColorRange.MPEG
        # swscale writes planes several times as fast as packed pixels
        planar = rule.matrix is not None and _same_in_planes(frame, size)
        key = (frame.format.name, frame.width, frame.height, size)
        converted = self._reformat(
            key,
            frame,
            size,
            "gbrp" if planar else "rgb24",
            dst_color_range=ColorRange.JPEG,
            interpolation=_INTERPOLATION,
            **options,
        )
        if planar:
            joined: ByteArray = np.empty((size[1], size[0], 3), np.uint8)
            for channel, plane in enumerate((2, 0, 1)):  # stored as green, blue, red
                joined[:, :, channel] = _plane(converted, plane, 1, 1)
            return joined
        rgb = _plane(converted, 0, 3, 1).reshape(size[1], size[0], 3)
        return rgb.copy() if converted is frame else rgb  # swscale had nothing to do: these are the frame's own

    def _reformat(
        self, key: tuple[object, ...], frame: VideoFrame, size: tuple[int, int], pixel_format: str, **options: Any
    ) -> VideoFrame:
        """swscale, with one context per `key`: setting one up costs as much as using it."""
        with self._lock:
            scaler = self._scalers.pop(key, None) or VideoReformatter()
            self._scalers[key] = scaler
            if len(self._scalers) > _KEPT_SCALERS:
                self._scalers.popitem(last=False)
            threads = self._threads if size[0] * size[1] >= _LARGE_PIXELS else 1
            try:
                return scaler.reformat(
                    frame, width=size[0], height=size[1], format=pixel_format, threads=threads, **options
                )
            except av.error.FFmpegError as error:
                raise UnreadableVideoError(
                    f"a {frame.width} x {frame.height} picture in the pixel format {frame.format.name} cannot be "
                    f"shown ({error.strerror}). Convert the video to H.264 in yuv420p."
                ) from error


_FULL_FROM_LIMITED: ByteArray = np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)


def _shrunk(width: int, height: int, max_side: int | None) -> tuple[int, int]:
    """Size with the longer side at most `max_side`, never enlarged.

    >>> _shrunk(1920, 1080, 640), _shrunk(320, 240, 640)
    ((640, 360), (320, 240))
    """
    longer = max(width, height)
    if max_side is None or longer <= max_side:
        return width, height
    if max_side < 1:
        raise UsageError(f"max_side is {max_side}; it must be at least 1 pixel")
    return max(1, round(width * max_side / longer)), max(1, round(height * max_side / longer))


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step


def _widened(start: int, length: int, limit: int) -> tuple[int, int]:
    first = max(0, (start - _CROP_MARGIN) // _CROP_ALIGNMENT * _CROP_ALIGNMENT)
    return first, min(limit, _round_up(start + length + _CROP_MARGIN, _CROP_ALIGNMENT))


def _chroma_steps(frame: VideoFrame) -> tuple[int, int]:
    """Luma samples per chroma sample, across and down; (1, 1) where chroma is not in planes of its own."""
    if not _can_crop(frame):
        return 1, 1
    last = frame.planes[min(1, len(frame.planes) - 1)]
    # planes of odd pictures are rounded up, so 163 / 82 stands for 2
    across, down = frame.width / last.width, frame.height / last.height
    return 1 << math.ceil(math.log2(across)), 1 << math.ceil(math.log2(down))


def _whole_chroma(frame: VideoFrame) -> bool:
    """True when the size is a multiple of the chroma steps; swscale stretches the chroma of others to fit."""
    across, down = _chroma_steps(frame)
    return frame.width % across == 0 and frame.height % down == 0


def _same_in_planes(frame: VideoFrame, size: tuple[int, int]) -> bool:
    """True where swscale gives the same values in planes as in packed pixels: not where it mixes just two rows."""
    unscaled = size == (frame.width, frame.height)
    return _whole_chroma(frame) and (unscaled or frame.height >= 1.25 * size[1])


def _plane(frame: VideoFrame, index: int, samples: int, sample_bytes: int) -> npt.NDArray[Any]:
    """(rows, columns * samples) view of a plane without its padding."""
    plane = frame.planes[index]
    dtype = np.dtype(np.uint8 if sample_bytes == 1 else np.uint16)
    rows: ByteArray = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, abs(plane.line_size))
    return rows[:, : plane.width * samples * sample_bytes].view(dtype)


def _has_luma_plane(frame: VideoFrame) -> bool:
    fmt = frame.format
    in_first = [component for component in fmt.components if component.plane == 0]
    little = not fmt.is_big_endian or bit_depth(fmt) <= 8
    return (
        len(in_first) == 1
        and not fmt.is_rgb
        and not fmt.has_palette
        and not fmt.is_bit_stream
        and bit_depth(fmt) <= 16
        and little
        and frame.planes[0].line_size > 0  # bottom-up pictures are left to swscale
    )


def _can_crop(frame: VideoFrame) -> bool:
    fmt = frame.format
    return _has_luma_plane(frame) or (bool(fmt.is_planar) and bool(fmt.is_rgb) and bit_depth(fmt) <= 16)
