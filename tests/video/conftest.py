"""Videos made on the spot: pictures whose frame number can be read back, and streams of exact YUV values."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from vidfake.video.writer import write_video

WIDTH, HEIGHT = 96, 64


def picture(number: int, width: int = WIDTH, height: int = HEIGHT, *, noise: float = 0.0) -> np.ndarray[Any, Any]:
    """A soft colour gradient, with `number` (0-255) in eight black or white blocks along the top.

    `noise` (levels) makes the packets of a video large.
    """
    y, x = np.mgrid[:height, :width].astype(np.float64)
    rgb = np.stack([60 + 120 * x / width, 60 + 120 * y / height, 180 - 120 * x / width], -1)
    side = width // 8
    for bit in range(8):
        rgb[: height // 4, bit * side : (bit + 1) * side] = 235 if number >> bit & 1 else 20
    rgb += np.random.default_rng(number).normal(0, noise, rgb.shape) if noise else 0
    return np.clip(rgb.round(), 0, 255).astype(np.uint8)


def number_in(rgb: np.ndarray[Any, Any]) -> int:
    """The number that `picture` drew."""
    side = rgb.shape[1] // 8
    row = rgb[rgb.shape[0] // 8]
    return sum((int(row[bit * side + side // 2].mean()) > 128) << bit for bit in range(8))


@pytest.fixture
def pictures() -> Callable[..., np.ndarray[Any, Any]]:
    """``pictures(count, width, height)`` -> (T, H, W, 3), numbered from 0."""

    def make(count: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray[Any, Any]:
        return np.stack([picture(number, width, height) for number in range(count)])

    return make


@pytest.fixture
def read_number() -> Callable[[np.ndarray[Any, Any]], int]:
    return number_in


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """``make_video("name.mp4", count, **settings of write_video)`` -> path of a video of numbered pictures."""

    def make(
        name: str,
        count: int = 10,
        *,
        size: tuple[int, int] = (WIDTH, HEIGHT),
        noise: float = 0.0,
        **settings: Any,
    ) -> Path:
        path = tmp_path / name
        if "pts_seconds" not in settings:
            settings.setdefault("frame_rate", 25)
        write_video(path, (picture(number, *size, noise=noise) for number in range(count)), **settings)
        return path

    return make


@pytest.fixture
def make_yuv(tmp_path: Path) -> Callable[..., Path]:
    """``make_yuv([[plane, ...], ...], "yuv420p", ...)`` -> lossless FFV1 file that holds exactly these planes."""

    def make(
        frames: list[list[np.ndarray[Any, Any]]],
        pixel_format: str,
        *,
        name: str = "exact.mkv",
        codec: str = "ffv1",
        matrix: int | None = None,
        full_range: bool | None = None,
        transfer: int | None = None,
        size: tuple[int, int] | None = None,
    ) -> Path:
        path = tmp_path / name
        height, width = frames[0][0].shape if size is None else size[::-1]
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
            for number, planes in enumerate(frames):
                frame = av.VideoFrame(width, height, pixel_format)
                frame.pts = number
                for target, plane in zip(frame.planes, planes, strict=True):
                    _fill(target, plane)
                for item in (frame, stream.codec_context):
                    if matrix is not None:
                        item.colorspace = matrix
                    if full_range is not None:
                        item.color_range = 2 if full_range else 1
                    if transfer is not None:
                        item.color_trc = transfer
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return make


def _fill(target: Any, plane: np.ndarray[Any, Any]) -> None:
    rows = np.frombuffer(target, np.uint8).reshape(-1, target.line_size)
    data = np.ascontiguousarray(plane).view(np.uint8).reshape(len(plane), -1)
    rows[: len(data), : data.shape[1]] = data


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def replace_box(data: bytes, path: list[bytes], new: bytes) -> bytes:
    """`data` (a sequence of boxes) with the box at `path` replaced and the sizes around it mended."""
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        if data[position + 4 : position + 8] == path[0]:
            content = data[position + 8 : position + size]
            inner = new if len(path) == 1 else box(path[0], replace_box(content, path[1:], new))
            return data[:position] + inner + data[position + size :]
        position += size
    raise AssertionError(f"no box {path[0]!r}")


@pytest.fixture
def boxes() -> SimpleNamespace:
    """MP4 surgery: ``boxes.box(kind, content)`` and ``boxes.replace(data, [b"moov", ...], new_box)``."""
    return SimpleNamespace(box=box, replace=replace_box)
