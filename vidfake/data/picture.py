"""Size of a JPEG or PNG from its header, so that nothing is decoded before its size is known to be right."""

from __future__ import annotations

import struct

_PNG = b"\x89PNG\r\n\x1a\n"
_STANDALONE = {0x01, *range(0xD0, 0xD9)}  # JPEG markers without a length
_FRAME_HEADERS = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive; no decoder here takes the others


def picture_size(data: bytes) -> tuple[int, int] | None:
    """(height, width) of a JPEG or PNG file's bytes; None when they are neither."""
    if data.startswith(_PNG):
        if len(data) < 24 or data[12:16] != b"IHDR":
            return None
        width, height = struct.unpack(">II", data[16:24])
        return height, width
    if data.startswith(b"\xff\xd8"):
        return _jpeg_size(data)
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF or marker in _STANDALONE:
            position += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack(">H", data[position + 2 : position + 4])
        if marker in _FRAME_HEADERS:
            if position + 9 > len(data):
                return None
            height, width = struct.unpack(">HH", data[position + 5 : position + 9])
            return height, width
        if length < 2:
            return None
        position += 2 + length
    return None
