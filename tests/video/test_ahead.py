"""Decoding ahead: the same frames and the same errors, no thread left, no container closed under a decoder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from vidfake.video.ahead import ReadAhead
from vidfake.video.reader import open_video
from vidfake.video.writer import write_video


def decode_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "vidfake-decode"]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ahead") / "v.mp4"
    rng = np.random.default_rng(0)
    write_video(path, (rng.integers(0, 256, (64, 96, 3), dtype=np.uint8) for _ in range(60)), frame_rate=30)
    return path


@pytest.fixture
def damaged(video: Path, tmp_path: Path) -> Path:
    data = bytearray(video.read_bytes())
    rng = np.random.default_rng(3)
    for place in rng.integers(len(data) // 10, len(data) * 9 // 10, 40).tolist():
        data[place] ^= 0xFF
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    return path


def seen(path: Path, *, ahead: bool) -> tuple[list[tuple[int, float, bytes, int, int]], int, bool]:
    with open_video(path, threads=2) as reader:
        frames = [
            (f.index, f.pts_seconds, f.luma_thumbnail().tobytes(), reader.decode_errors, reader.damaged_frames)
            for f in reader.frames(ahead=ahead)
        ]
        return frames, reader.decode_errors, reader.truncated


def test_same_frames_and_errors(video: Path, damaged: Path) -> None:
    assert seen(video, ahead=True) == seen(video, ahead=False)
    frames, errors, _ = seen(damaged, ahead=False)
    assert errors > 0, "the test needs a file with damage"
    assert 0 < frames[-1][-1] != frames[0][-1], "and with frames that are shown although damaged, not all at once"
    # what FFmpeg paints over damage depends on how far its other threads were: pixels count up to the first damage
    ahead_frames, ahead_errors, _ = seen(damaged, ahead=True)
    assert ahead_errors == errors
    assert [(*frame[:2], frame[-1]) for frame in ahead_frames] == [(*frame[:2], frame[-1]) for frame in frames]
    whole = [frame for frame in frames if frame[-1] == 0]
    assert len(whole) > 1
    assert ahead_frames[: len(whole)] == whole
    assert not decode_threads()


def test_leaving_early_ends_the_thread_before_the_file_is_closed(video: Path) -> None:
    for _ in range(20):
        reader = open_video(video, threads=2)
        frames = reader.frames(ahead=True)
        next(frames)
        reader.close()
        assert not decode_threads()
        with pytest.raises(ValueError, match="has ended"):
            next(frames)
    with open_video(video, threads=2) as reader:
        first = reader.frames(ahead=True)
        next(first)
        assert len(list(reader.frames(ahead=True))) == 60, "a new pass ends the one before it, and sees all"
        with pytest.raises(ValueError, match="has ended"):
            next(first)


def test_never_further_ahead_than_told_and_errors_come_in_their_place() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            yield number
        raise OSError("the disk is gone")

    ahead = iter(ReadAhead(items(), 3))
    for number in range(10):
        assert next(ahead) == number
        assert len(made) <= number + 1 + 3 + 1  # three wait, and one is in the thread's hands
    with pytest.raises(OSError, match="gone"):
        next(ahead)
