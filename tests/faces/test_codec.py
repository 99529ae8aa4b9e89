from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from vidfake.errors import StoreError
from vidfake.faces.codec import decode_crop, encode_crop, picture_size


def picture(size: int = 48) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return np.stack([x * 4 % 256, y * 4 % 256, (x + y) * 2 % 256], axis=2).astype(np.uint8)


@pytest.mark.parametrize("quality", [0, 50, 95, 100])
def test_same_pixels_same_bytes_same_pixels(quality: int) -> None:
    first, second = encode_crop(picture(), quality=quality), encode_crop(picture().copy(), quality=quality)
    assert first == second
    assert decode_crop(first).tobytes() == decode_crop(second).tobytes()
    assert decode_crop(first).shape == (48, 48, 3)


def test_png_is_lossless_and_jpeg_close() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (33, 47, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode_crop(encode_crop(noise, quality=0)), noise)
    assert np.abs(decode_crop(encode_crop(picture(), quality=95)).astype(int) - picture()).mean() < 3


def test_channels_are_rgb_and_chroma_is_whole() -> None:
    data = encode_crop(np.full((16, 16, 3), (250, 10, 10), np.uint8), quality=95)
    np.testing.assert_allclose(decode_crop(data)[8, 8], (250, 10, 10), atol=4)
    np.testing.assert_allclose(np.asarray(Image.open(BytesIO(data)))[8, 8], (250, 10, 10), atol=4)
    # in the frame header, each component's sampling factors: 1 x 1 for all three
    start = data.index(b"\xff\xc0")
    assert [data[start + 11 + 3 * i] for i in range(3)] == [0x11] * 3
    # single-pixel colour stripes survive, which subsampled chroma would mix
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2], stripes[:, 1::2] = (200, 60, 60), (60, 60, 200)
    assert np.abs(decode_crop(encode_crop(stripes, quality=95)).astype(int) - stripes).mean() < 12


@pytest.mark.parametrize("quality", [0, 95])
def test_size_is_read_from_the_header(quality: int) -> None:
    assert picture_size(encode_crop(np.zeros((20, 31, 3), np.uint8), quality=quality)) == (31, 20)


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\0\0", b"\xff\xd8\xff" + b"\0" * 40],
)
def test_anything_else_is_damaged(data: bytes) -> None:
    with pytest.raises(StoreError, match="vidfake prepare"):
        decode_crop(data)


def test_claimed_gigabytes_are_not_decoded() -> None:
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 60_000, 60_000) + b"\x08\x02\0\0\0"
    with pytest.raises(StoreError, match="60000 x 60000"):
        decode_crop(header)


def test_cut_off_png_is_damaged() -> None:
    whole = encode_crop(picture(), quality=0)
    with pytest.raises(StoreError):
        decode_crop(whole[:30])
