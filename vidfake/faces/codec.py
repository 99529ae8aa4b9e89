"""The one way from a crop to bytes and back: JPEG in 4:4:4, or PNG."""

from __future__ import annotations

import struct

import numpy as np

from vidfake.errors import StoreError
from vidfake.types import ByteArray

MAX_SIDE = 4096
"""Largest picture that is decoded; a few hundred bytes can claim one of gigabytes."""

_PNG_START = b"\x89PNG\r\n\x1a\n"
_JPEG_START = b"\xff\xd8\xff"
_JPEG_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def encode_crop(rgb: ByteArray, *, quality: int) -> bytes:
    """Bytes of an (H, W, 3) uint8 RGB crop: JPEG of that `quality` without chroma subsampling, or PNG at 0.

    Equal pixels give equal bytes. Chroma is kept whole because swapped faces often differ in colour first.
    """
    import cv2

    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    if quality == 0:
        suffix, options = ".png", [cv2.IMWRITE_PNG_COMPRESSION, 3]
    else:
        sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
        suffix = ".jpg"
        options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    done, data = cv2.imencode(suffix, bgr, options)
    if not done:
        raise ValueError(f"OpenCV cannot encode a crop of shape {rgb.shape} and type {rgb.dtype}")
    return data.tobytes()


def decode_crop(data: bytes) -> ByteArray:
    """The (H, W, 3) uint8 RGB crop of `encode_crop`'s bytes; the same pixels every time.

    Raises StoreError for anything that is not a whole JPEG or PNG of at most `MAX_SIDE` pixels a side.
    """
    import cv2

    width, height = picture_size(data)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise StoreError(
            f"a stored face is {width} x {height} pixels; 1 to {MAX_SIDE} a side are accepted. "
            "The store is damaged: make it again with `vidfake prepare`."
        )
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if bgr is None:
        raise _damaged(data)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def picture_size(data: bytes) -> tuple[int, int]:
    """Width and height that a JPEG or PNG claims. Raises StoreError where it claims nothing."""
    try:
        if data.startswith(_PNG_START):
            width, height = struct.unpack_from(">II", data, 16)
            return width, height
        if data.startswith(_JPEG_START):
            return _jpeg_size(data)
    except struct.error as error:
        raise _damaged(data) from error
    raise _damaged(data)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    position = 2
    while True:
        start, marker, length = struct.unpack_from(">BBH", data, position)
        if start != 0xFF or length < 2:
            raise _damaged(data)
        if marker in _JPEG_SIZE_MARKERS:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return width, height
        position += 2 + length


def _damaged(data: bytes) -> StoreError:
    return StoreError(
        f"a stored face of {len(data)} bytes (beginning {data[:8].hex()}) is not a whole JPEG or PNG. "
        "The store is damaged: make it again with `vidfake prepare`."
    )
