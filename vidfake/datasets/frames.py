"""Corpora that come as pictures, not as videos: sequences of frames to lossless video files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from vidfake.datasets.result import ScanBuilder
from vidfake.errors import DatasetError
from vidfake.types import ByteArray

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
MAX_SIDE = 4096  # pixels of a frame

_NUMBER = re.compile(r"(\d+)$")
_JPEG_SIZE_MARKERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def frame_number(stem: str) -> int | None:
    """The number at the end of a frame's name; names are not padded, so they must not be sorted as text."""
    match = _NUMBER.search(stem)
    return int(match[1]) if match and len(match[1]) <= 9 else None


def images_in(folder: Path, *, bare_names: bool = False) -> list[Path]:
    """Pictures in a folder in the order of their numbers; with `bare_names` also files without a suffix."""
    suffixes = IMAGE_SUFFIXES | ({""} if bare_names else set())
    numbered = [
        (number, path)
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and path.is_file()
        if (number := frame_number(path.stem)) is not None
    ]
    return [path for _, path in sorted(numbered)]


def convert(builder: ScanBuilder, target: Path, pictures: Iterable[bytes], *, frame_rate: float) -> bool:
    """Write a sequence as `target` unless it is there. A damaged one is noted as missing, and False is given."""
    if target.exists():
        return True
    try:
        write_sequence(target, pictures, frame_rate=frame_rate)
    except DatasetError as error:
        builder.missing.append(str(error))
        return False
    return True


def write_sequence(path: Path, pictures: Iterable[bytes], *, frame_rate: float) -> None:
    """PNG or JPEG pictures, in order, as a lossless video (FFV1, RGB, Matroska), written atomically.

    Raises DatasetError for a damaged or huge picture, or for one of another size than the first.
    """
    from vidfake.video.writer import write_video

    write_video(path, _decoded(path, pictures), frame_rate=frame_rate, codec="ffv1", pixel_format="bgr0")


def _decoded(path: Path, pictures: Iterable[bytes]) -> Iterator[ByteArray]:
    shape: tuple[int, ...] | None = None
    for index, data in enumerate(pictures):
        picture = decode_picture(data, f"{path.name}, frame {index}")
        if shape is not None and picture.shape != shape:
            raise DatasetError(f"{path.name}, frame {index}: {picture.shape} pixels, the first one has {shape}.")
        shape = picture.shape
        yield picture


def decode_picture(data: bytes, name: str) -> ByteArray:
    """(H, W, 3) uint8 RGB of a PNG or JPEG. Its size is read and checked before anything is decoded."""
    import cv2

    size = _png_size(data) or _jpeg_size(data)
    if size is None:
        raise DatasetError(f"{name}: is neither a PNG nor a JPEG picture.")
    if not (0 < size[0] <= MAX_SIDE and 0 < size[1] <= MAX_SIDE):
        raise DatasetError(f"{name}: {size[0]} x {size[1]} pixels; a frame has at most {MAX_SIDE} per side.")
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise DatasetError(f"{name}: a damaged picture. Unpack or download it again.")
    return np.ascontiguousarray(picture[:, :, ::-1])


def _png_size(data: bytes) -> tuple[int, int] | None:
    if len(data) < 24 or not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height from the frame header, found by walking the segments before it."""
    if not data.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _JPEG_SIZE_MARKERS:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + max(length, 2)
    return None
