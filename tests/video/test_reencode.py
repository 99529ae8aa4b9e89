"""Through a codec and back in memory: the same frames, in order, with real compression in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidfake.errors import ConfigError
from vidfake.video.encoding import available_encoders
from vidfake.video.reader import open_video
from vidfake.video.reencode import reencode
from vidfake.video.writer import write_video

Array = np.ndarray[Any, Any]


@pytest.mark.parametrize("size", [(96, 64), (97, 63), (16, 16), (17, 23)])
@pytest.mark.parametrize("codec", available_encoders())
def test_same_frames_in_order(
    pictures: Callable[..., Array], read_number: Callable[[Array], int], codec: str, size: tuple[int, int]
) -> None:
    frames = pictures(20, *size)
    result = reencode(frames, codec=codec)
    assert result.shape == frames.shape
    assert result.dtype == np.uint8
    if size[0] > 90:
        assert [read_number(frame) for frame in result] == list(range(20))
    assert np.abs(result.astype(int) - frames).mean() < 10


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("codec", available_encoders())
def test_few_frames(pictures: Callable[..., Array], codec: str, count: int) -> None:
    frames = pictures(3)[:count]
    assert reencode(frames, codec=codec).shape == frames.shape


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9", "libsvtav1"])
def test_a_higher_crf_loses_more(codec: str) -> None:
    if codec not in available_encoders():
        pytest.skip(f"this PyAV has no encoder {codec}")
    rng = np.random.default_rng(0)
    frames = np.clip(128 + rng.normal(0, 30, (8, 64, 64, 3)), 0, 255).astype(np.uint8)
    losses = [np.abs(reencode(frames, codec=codec, crf=crf).astype(int) - frames).mean() for crf in (5, 25, 45)]
    assert losses[0] < losses[1] < losses[2]


def test_a_lower_bit_rate_loses_more() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (25, 64, 64, 3)).astype(np.uint8)
    losses = [np.abs(reencode(frames, bit_rate=rate).astype(int) - frames).mean() for rate in (3_000_000, 30_000)]
    assert losses[0] < losses[1]


def test_the_same_twice(pictures: Callable[..., Array]) -> None:
    frames = pictures(12)
    for codec in available_encoders():
        first = reencode(frames, codec=codec)
        for _ in range(20 if codec == "libx264" else 1):  # its AVX-512 code gave another result now and then
            assert np.array_equal(reencode(frames, codec=codec), first), codec


def test_the_input_is_left_alone(pictures: Callable[..., Array]) -> None:
    frames = pictures(4)
    before = frames.copy()
    reencode(frames)
    assert np.array_equal(frames, before)
    assert not np.shares_memory(reencode(frames[:0]), frames)


def test_it_is_the_same_compression_as_in_a_file(tmp_path: Path, pictures: Callable[..., Array]) -> None:
    """FFV1 in RGB loses nothing on either way; H.264 loses alike."""
    frames = pictures(10)
    assert np.array_equal(reencode(frames, codec="ffv1", pixel_format="bgr0"), frames)
    write_video(tmp_path / "a.mkv", frames, frame_rate=25, crf=30)
    with open_video(tmp_path / "a.mkv") as reader:
        in_file = np.stack([frame.rgb() for frame in reader.frames()]).astype(int)
    in_memory = reencode(frames, crf=30).astype(int)
    assert np.abs(in_memory - in_file).mean() < 0.25 * np.abs(in_file - frames).mean() + 0.5


def test_strided_input(pictures: Callable[..., Array]) -> None:
    frames = pictures(6, 96, 64)
    assert np.array_equal(reencode(frames[:, ::2, ::2]), reencode(np.ascontiguousarray(frames[:, ::2, ::2])))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"codec": "h264"}, r"unknown video codec 'h264'.*libx264"),
        ({"crf": 20, "bit_rate": 1000}, r"crf 20 and bit_rate 1000 exclude each other"),
        ({"crf": -1}, r"crf is -1; libx264 takes 0"),
        ({"pixel_format": "rgb24"}, r"libx264 does not take these frames"),
        ({"options": {"preset": "warp"}}, r"libx264 does not take these frames"),
        ({"frame_rate": 0}, r"frame_rate is 0; it must be above 0"),
    ],
)
def test_requests_that_cannot_be(pictures: Callable[..., Array], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        reencode(pictures(3), **settings)


def test_arrays_that_cannot_be() -> None:
    for wrong in (
        np.zeros((4, 8, 8), np.uint8),
        np.zeros((4, 8, 8, 3), np.float32),
        np.zeros((4, 8, 8, 4), np.uint8),
    ):
        with pytest.raises(ValueError, match=r"frames must be \(T, H, W, 3\) uint8"):
            reencode(wrong)
