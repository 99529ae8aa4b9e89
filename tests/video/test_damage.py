"""Damage is survived and counted, and time goes on increasing."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from vidfake.video.decoding import MAX_READ_ERRORS, PacketReader
from vidfake.video.reader import open_video
from vidfake.video.timeline import Timeline

Array = np.ndarray[Any, Any]

KINDS = [
    ("a.mp4", "libx264", {"g": "10"}),
    ("a.mkv", "libx264", {"g": "10"}),
    ("a.mp4", "libx265", {"x265-params": "log-level=none:keyint=10"}),
    ("a.webm", "libvpx-vp9", {"g": "10"}),
    ("a.avi", "mpeg4", {"g": "10"}),
    ("a.mkv", "mjpeg", {}),
    ("a.flv", "libx264", {"g": "10"}),
]


def packets_of(path: Path) -> list[tuple[int, int]]:
    """(position, size) of the video packets in the file."""
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize(("name", "codec", "options"), KINDS)
def test_overwritten_packets_in_the_middle(
    make_video: Callable[..., Path],
    read_number: Callable[[Array], int],
    name: str,
    codec: str,
    options: dict[str, str],
) -> None:
    """The contents of packets 20 to 24 are replaced by zeros: the rest is decoded, and keeps its place."""
    path = make_video(name, 60, codec=codec, options=options, noise=40)
    data = bytearray(path.read_bytes())
    for position, size in packets_of(path)[20:25]:
        kept = 4 if name == "a.mp4" else 16  # the container's own few bytes
        data[position + kept : position + size] = bytes(size - kept)
    path.write_bytes(data)
    with open_video(path) as reader:
        frames = list(reader.frames())
        assert reader.decode_errors > 0
        assert not reader.truncated
    assert len(frames) >= 30
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})
    for frame in frames:
        if frame.index < 18 or frame.index >= 40:
            assert read_number(frame.rgb()) == frame.index
            assert frame.pts_seconds - reader.info.start_seconds == pytest.approx(frame.index / 25, abs=0.0011)
    assert {*range(18), *range(40, 60)} <= {frame.index for frame in frames}


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_cut_off_files_give_what_is_there(
    make_video: Callable[..., Path], read_number: Callable[[Array], int], name: str, share: float
) -> None:
    faststart = {"container_options": {"movflags": "faststart"}} if name == "a.mp4" else {}
    codec = "mpeg4" if name == "a.avi" else "libx264"
    path = make_video(name, 100, codec=codec, noise=40, options={"g": "20"}, **faststart)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    counts = set()
    for threads in (0, 1, 3):
        with open_video(path, threads=threads) as reader:
            frames = list(reader.frames())
            assert reader.truncated
        assert [read_number(frame.rgb()) for frame in frames] == [frame.index for frame in frames]
        counts.add(len(frames))
    assert len(counts) == 1
    assert 1 <= counts.pop() < 99


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts", "a.flv"])
def test_whole_files_are_not_called_cut_off(make_video: Callable[..., Path], name: str) -> None:
    with open_video(make_video(name, 100)) as reader:
        assert not reader.truncated  # nothing is known yet
        assert len(list(reader.frames())) == 100
        assert (reader.truncated, reader.decode_errors) == (False, 0)


def test_spans_of_a_cut_off_file(make_video: Callable[..., Path]) -> None:
    """The part asked for is whole; that the file is not, is known from its index."""
    path = make_video("a.mkv", 800, options={"preset": "veryfast", "g": "25"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    with open_video(path) as reader:
        assert len(list(reader.frames([(10.0, 10.5)]))) == 13
        assert reader.truncated


def test_an_unfinished_pass_does_not_call_a_file_cut_off(make_video: Callable[..., Path]) -> None:
    with open_video(make_video("a.mp4", 100)) as reader:
        for frame in reader.frames([(0.0, 0.5)]):
            assert frame.pts_seconds <= 0.5
        assert not reader.truncated


class FailingContainer:
    """Reading fails for ever."""

    format = SimpleNamespace(name="mov")

    def __init__(self, error: Exception) -> None:
        self.num_reads = 0
        self._error = error

    def demux(self) -> Any:
        self.num_reads += 1
        raise self._error
        yield


@pytest.mark.parametrize(
    "error", [av.error.InvalidDataError(1, "broken"), OSError("unplugged"), IndexError("stream 9")]
)
def test_reading_that_always_fails_ends(error: Exception) -> None:
    container: Any = FailingContainer(error)
    reader = PacketReader(container, SimpleNamespace(index=0, frames=10))  # type: ignore[arg-type]
    assert list(reader) == []
    assert reader.errors == container.num_reads == MAX_READ_ERRORS + 1
    assert reader.truncated


# ---- the timeline alone


def timeline() -> Timeline:
    context = SimpleNamespace(codec=SimpleNamespace(canonical_name="h264"))
    stream: Any = SimpleNamespace(
        time_base=Fraction(1, 100),
        average_rate=Fraction(25),
        codec_context=context,
        container=SimpleNamespace(format=SimpleNamespace(name="mov,mp4")),
    )
    return Timeline(stream)


def run(pts: list[int | None], announced: list[int] | None = None) -> tuple[list[tuple[int, float]], Timeline]:
    """Times in hundredths of a second in; (index, seconds) out."""
    line = timeline()
    for value in announced if announced is not None else [value for value in pts if value is not None]:
        packet = av.Packet(b"\0\0\0")
        packet.pts = value
        line.expect(packet)
    placed = []
    for value in pts:
        frame = av.VideoFrame(16, 16, "gray")
        frame.pts = value
        placed += line.place(frame)
    placed += line.finish()
    return [(index, round(seconds, 6)) for index, seconds, _ in placed], line


def test_sound_times_are_kept() -> None:
    assert run([0, 4, 8, 50])[0] == [(0, 0.0), (1, 0.04), (2, 0.08), (3, 0.5)]
    placed, line = run([150, 154, 158])
    assert placed == [(0, 1.5), (1, 1.54), (2, 1.58)]
    assert (line.num_dropped, line.num_missing) == (0, 0)


def test_lost_frames_leave_gaps_in_the_index() -> None:
    placed, line = run([0, 4, 16, 20], announced=[0, 4, 8, 12, 16, 20, 24])
    assert placed == [(0, 0.0), (1, 0.04), (4, 0.16), (5, 0.2)]
    assert line.num_missing == 3  # two in the middle, one at the end


def test_undecodable_pictures_before_the_first_are_not_damage() -> None:
    """An open group of pictures at the start refers to what was cut away."""
    placed, line = run([8, 12], announced=[0, 4, 8, 12])
    assert placed == [(2, 0.08), (3, 0.12)]
    assert line.num_missing == 0


def test_frames_without_a_time_follow_the_one_before() -> None:
    assert run([None, None, None])[0] == [(0, 0.0), (1, 0.04), (2, 0.08)]
    assert run([100, None, 108])[0] == [(0, 1.0), (1, 1.04), (2, 1.08)]


def test_a_small_step_back_is_dropped() -> None:
    placed, line = run([0, 4, 8, 6, 8, 12])
    assert [seconds for _, seconds in placed] == [0.0, 0.04, 0.08, 0.12]
    assert line.num_dropped == 2


def test_a_large_step_back_starts_a_new_piece() -> None:
    placed, line = run([1000, 1004, 0, 4, 8], announced=[])
    assert placed == [(0, 10.0), (1, 10.04), (2, 10.08), (3, 10.12), (4, 10.16)]
    assert line.num_dropped == 0


def test_a_single_damaged_time_far_ahead_is_dropped() -> None:
    placed, line = run([0, 4, 5_000_000, 12, 16], announced=[])
    assert [seconds for _, seconds in placed] == [0.0, 0.04, 0.12, 0.16]
    assert line.num_dropped == 1


def test_a_long_still_picture_is_believed() -> None:
    """A recording of a screen may not change for a minute."""
    placed, line = run([0, 4, 6000, 6004, 20000])
    assert [seconds for _, seconds in placed] == [0.0, 0.04, 60.0, 60.04, 200.0]
    assert line.num_dropped == 0


def test_any_times_come_out_increasing() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        pts = [
            None if rng.random() < 0.1 else int(value) for value in rng.integers(-3000, 3000, rng.integers(1, 40))
        ]
        placed, line = run(pts)
        indices, seconds = [index for index, _ in placed], [time for _, time in placed]
        assert indices == sorted(set(indices))
        assert seconds == sorted(set(seconds))
        assert len(placed) + line.num_dropped == len(pts)
