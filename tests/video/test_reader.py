"""Frames come in order, with the right number, time and picture, from every kind of file."""

from __future__ import annotations

import gc
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from vidfake.errors import UsageError
from vidfake.types import Region
from vidfake.video import reader as reader_module
from vidfake.video.decoding import Decoder
from vidfake.video.encoding import available_encoders
from vidfake.video.reader import DecodedFrame, open_video, probe

Array = np.ndarray[Any, Any]

KINDS = [
    ("a.mp4", "libx264", {"options": {"bf": "3", "g": "10"}}),
    ("a.mp4", "libx264", {"options": {"bf": "0"}}),
    ("a.mov", "libx264", {"pixel_format": "yuv444p", "options": {"bf": "2"}}),
    ("a.mkv", "libx264", {"pixel_format": "yuv420p10le"}),
    ("a.mkv", "libx264", {"pixel_format": "yuv422p", "options": {"bf": "2"}}),
    ("a.avi", "mpeg4", {}),
    ("a.ts", "libx264", {"options": {"bf": "2"}}),
    ("a.flv", "libx264", {"options": {"bf": "2"}}),
    ("a.mp4", "libx265", {}),
    ("a.mkv", "libx265", {"pixel_format": "yuv420p10le"}),
    ("a.webm", "libvpx-vp9", {}),
    ("a.mp4", "libsvtav1", {}),
    ("a.mkv", "ffv1", {}),
    ("a.avi", "mjpeg", {}),
    ("a.mov", "mjpeg", {"pixel_format": "yuv422p"}),
]


@pytest.mark.parametrize(
    ("name", "codec", "settings"), KINDS, ids=[f"{n[2:]}-{c}-{i}" for i, (n, c, _) in enumerate(KINDS)]
)
def test_containers_and_codecs(
    make_video: Callable[..., Path], read_number: Callable[[Array], int], pictures: Callable[..., Array],
    name: str, codec: str, settings: dict[str, Any],
) -> None:  # fmt: skip
    if codec not in available_encoders():
        pytest.skip(f"this PyAV has no encoder {codec}")
    path = make_video(name, 25, codec=codec, **settings)
    originals = pictures(25)
    with open_video(path) as reader:
        frames = list(reader.frames())
        assert [frame.index for frame in frames] == list(range(25))
        assert [read_number(frame.rgb()) for frame in frames] == list(range(25))
        times = np.array([frame.pts_seconds for frame in frames])
        assert np.allclose(times - times[0], np.arange(25) / 25, atol=0.0011)  # Matroska counts milliseconds
        assert times[0] == reader.info.start_seconds
        assert (reader.decode_errors, reader.truncated) == (0, False)
        assert (reader.info.width, reader.info.height) == (96, 64)
        error = np.abs(frames[12].rgb().astype(int) - originals[12])[24:, 8:-8].mean()
        assert error < 6, f"colours are off by {error:.1f} levels"


def test_the_first_pass_and_later_ones_agree(make_video: Callable[..., Path]) -> None:
    with open_video(make_video("a.mp4", 30)) as reader:
        passes = [[(f.index, f.pts_seconds, f.rgb().tobytes()) for f in reader.frames()] for _ in range(3)]
    assert len(passes[0]) == 30
    assert passes[0] == passes[1] == passes[2]


def test_a_pass_that_is_given_up_does_not_shorten_the_next(make_video: Callable[..., Path]) -> None:
    with open_video(make_video("a.mp4", 30)) as reader:
        assert next(reader.frames()).index == 0
        assert [frame.index for frame in reader.frames()] == list(range(30))


@pytest.mark.parametrize("threads", [0, 1, 2, 5])
def test_pictures_do_not_depend_on_threads(make_video: Callable[..., Path], threads: int) -> None:
    path = make_video("a.mp4", 40, options={"bf": "3", "g": "12"})
    with open_video(path, threads=1) as one, open_video(path, threads=threads) as many:
        for a, b in zip(one.frames(), many.frames(), strict=True):
            assert (a.index, a.pts_seconds) == (b.index, b.pts_seconds)
            assert np.array_equal(a.rgb(), b.rgb())
            assert np.array_equal(a.luma_thumbnail(), b.luma_thumbnail())


def test_large_pictures_do_not_depend_on_threads_either(make_video: Callable[..., Path]) -> None:
    path = make_video("a.mkv", 2, size=(1281, 723), codec="ffv1", noise=30)
    pictures = []
    for threads in (1, 2, 3):
        with open_video(path, threads=threads) as reader:
            pictures.append([frame.rgb() for frame in reader.frames()])
            part = next(reader.frames()).rgb(region=Region(101, 33, 900, 600))
            assert np.array_equal(part, pictures[0][0][33:633, 101:1001])
    assert np.array_equal(pictures[0], pictures[1])
    assert np.array_equal(pictures[0], pictures[2])


def test_frames_stay_valid_after_the_reader_is_closed(
    make_video: Callable[..., Path], read_number: Callable[[Array], int]
) -> None:
    with open_video(make_video("a.mp4", 60, options={"g": "7"})) as reader:
        frames = list(reader.frames())
    gc.collect()
    assert [read_number(frame.rgb()) for frame in reversed(frames)] == list(range(59, -1, -1))


def test_frames_may_be_converted_from_several_threads(make_video: Callable[..., Path]) -> None:
    with open_video(make_video("a.mp4", 40)) as reader:
        frames = list(reader.frames())

    def work(frame: DecodedFrame) -> tuple[bytes, bytes, bytes]:
        part = frame.rgb(region=Region(5, 7, 40, 30))
        return frame.rgb().tobytes(), frame.rgb(max_side=50).tobytes(), part.tobytes()

    alone = [work(frame) for frame in frames]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, frames)) == alone


def test_a_closed_reader_says_so(make_video: Callable[..., Path]) -> None:
    path = make_video("a.mp4")
    with open_video(path) as reader:
        pass
    with pytest.raises(ValueError, match=r"the reader is closed; open the video again"):
        list(reader.frames())


def test_reading_on_after_the_end_of_a_pass_is_an_error_and_no_crash(make_video: Callable[..., Path]) -> None:
    with open_video(make_video("a.mp4", 60)) as reader:
        first = reader.frames()
        next(first)
        second = reader.frames()
        assert next(second).index == 0
        with pytest.raises(ValueError, match="this pass over the video has ended"):
            list(first)
        assert len(list(second)) == 59
        third = reader.frames()
        kept = next(third)
    with pytest.raises(ValueError, match="this pass over the video has ended"):
        list(third)
    assert kept.rgb().shape == (64, 96, 3)


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [("a.mov", "png", "rgb24"), ("a.mkv", "ffv1", "bgr0"), ("a.mp4", "libx264", "yuv420p")],
)
def test_arrays_belong_to_the_caller(
    tmp_path: Path, pictures: Callable[..., Array], name: str, codec: str, pixel_format: str
) -> None:
    picture = pictures(1, 64, 64)[0]  # 192 bytes a row: no padding to copy away
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, pixel_format
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pixel_format)))
        container.mux(stream.encode(None))
    with open_video(tmp_path / name) as reader:
        frame = next(reader.frames())
    for take in (frame.rgb, lambda: frame.rgb(region=Region(0, 0, 64, 64)), frame.luma_thumbnail):
        before = take().copy()
        taken = take()
        taken[:] = 0
        assert np.array_equal(take(), before)


def test_nothing_stays_open_after_a_refusal(make_video: Callable[..., Path]) -> None:
    path = make_video("a.mp4", container_options={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + 20])
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("this system does not list open files")
    before = len(list(descriptors.iterdir()))
    for _ in range(3):
        with pytest.raises(reader_module.UnreadableVideoError), open_video(path):
            pass
    assert len(list(descriptors.iterdir())) == before


def test_memory_does_not_grow_with_duration(make_video: Callable[..., Path]) -> None:
    status = Path("/proc/self/status")
    if not status.is_file():
        pytest.skip("this system does not tell a process's memory")

    def resident_mb() -> float:
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    path = make_video("long.mp4", 350, size=(640, 480), options={"preset": "ultrafast"})
    with open_video(path, threads=2) as reader:
        for frame in reader.frames():
            frame.luma_thumbnail()
            frame.rgb(max_side=160)
            if frame.index == 50:
                early = resident_mb()
    assert resident_mb() - early < 40  # 300 frames of 640 x 480 would be 138 MB


# ---- time


def test_variable_frame_rate(make_video: Callable[..., Path], read_number: Callable[[Array], int]) -> None:
    steps = np.random.default_rng(0).choice([1 / 30, 2 / 30, 0.1, 0.5], 39)
    times = np.concatenate([[0.0], np.cumsum(steps)])
    for name in ("a.mp4", "a.mkv"):
        with open_video(make_video(name, 40, pts_seconds=times, options={"bf": "2"})) as reader:
            frames = list(reader.frames())
        assert np.allclose([frame.pts_seconds for frame in frames], times, atol=0.0011)
        assert [read_number(frame.rgb()) for frame in frames] == list(range(40))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.mov"])
def test_non_zero_start(make_video: Callable[..., Path], name: str) -> None:
    """The stream's own timeline: a start that the container states is kept, not moved to 0."""
    path = make_video(name, 20, pts_seconds=5.0 + np.arange(20) / 25)
    with open_video(path) as reader:
        times = [frame.pts_seconds for frame in reader.frames()]
    assert abs(times[0] - 5.0) < 0.1  # MPEG-TS is written with the codec's delay on top
    assert np.allclose(np.diff(times), 0.04, atol=0.0011)
    assert probe(path).start_seconds == times[0]


def edit_list(boxes: Any, data: bytes, entries: list[tuple[int, int]]) -> bytes:
    """`data` with an edit list of (duration in movie ticks, media time in track ticks)."""
    content = struct.pack(">II", 0, len(entries)) + b"".join(struct.pack(">IiI", d, t, 0x10000) for d, t in entries)
    return bytes(boxes.replace(data, [b"moov", b"trak", b"edts"], boxes.box(b"edts", boxes.box(b"elst", content))))


def test_edit_list_that_cuts_the_beginning(
    make_video: Callable[..., Path], read_number: Callable[[Array], int], boxes: Any
) -> None:
    """An edit from frame 7 on: frames 0 to 6 are decoded, for reference, and not shown."""
    path = make_video("a.mp4", 30, options={"bf": "0", "g": "30"})
    with av.open(str(path)) as container:
        ticks = int(7 / 25 / container.streams.video[0].time_base)
    path.write_bytes(edit_list(boxes, path.read_bytes(), [(23 * 40, ticks)]))
    with open_video(path) as reader:
        frames = list(reader.frames())
        assert (reader.decode_errors, reader.truncated) == (0, False)
    assert [read_number(frame.rgb()) for frame in frames] == list(range(7, 30))
    assert [frame.index for frame in frames] == list(range(23))
    assert frames[0].pts_seconds == 0.0


def test_edit_list_that_delays_the_beginning(make_video: Callable[..., Path], boxes: Any) -> None:
    path = make_video("a.mp4", 10, options={"bf": "0"})
    path.write_bytes(edit_list(boxes, path.read_bytes(), [(2000, -1), (400, 0)]))
    with open_video(path) as reader:
        times = [frame.pts_seconds for frame in reader.frames()]
    assert np.allclose(times, 2.0 + np.arange(10) / 25)


# ---- shape


def test_one_frame(make_video: Callable[..., Path]) -> None:
    for name in ("a.mp4", "a.mkv", "a.avi", "a.ts"):
        with open_video(make_video(name, 1)) as reader:
            frames = list(reader.frames())
            assert [(frame.index, frame.pts_seconds) for frame in frames] == [(0, reader.info.start_seconds)]
            assert not reader.truncated


def test_sixteen_by_sixteen(make_video: Callable[..., Path]) -> None:
    with open_video(make_video("a.mp4", 5, size=(16, 16))) as reader:
        for frame in reader.frames():
            assert frame.rgb().shape == (16, 16, 3)
            assert frame.luma_thumbnail().shape == (36, 64)


@pytest.mark.parametrize("size", [(97, 64), (96, 63), (97, 63), (1, 1), (3, 5)])
def test_odd_sizes(make_video: Callable[..., Path], size: tuple[int, int]) -> None:
    path = make_video("a.mkv", 4, size=size, codec="ffv1") if min(size) > 8 else None
    if path is None:
        path = make_video("a.mkv", 4, size=(max(size[0], 8), max(size[1], 8)), codec="ffv1")
        size = (max(size[0], 8), max(size[1], 8))
    with open_video(path) as reader:
        assert (reader.info.width, reader.info.height) == size
        for frame in reader.frames():
            assert frame.rgb().shape == (size[1], size[0], 3)
            assert frame.rgb(max_side=40).shape[1 if size[0] >= size[1] else 0] == min(40, max(size))


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied(make_video: Callable[..., Path], pictures: Callable[..., Array], degrees: int) -> None:
    """A display matrix as phones write it; `numpy.rot90` turns counter-clockwise."""
    path = make_video("a.mp4", 3, rotation_degrees=degrees, crf=5)
    upright = np.rot90(pictures(1)[0], -degrees // 90)
    with open_video(path) as reader:
        info = reader.info
        frame = next(reader.frames())
    assert (info.rotation_degrees, info.mirrored) == (degrees, False)
    assert (info.width, info.height) == (upright.shape[1], upright.shape[0])
    assert (info.coded_width, info.coded_height) == (96, 64)
    assert np.abs(frame.rgb().astype(int) - upright).mean() < 6
    part = frame.rgb(region=Region(10, 20, 30, 25))
    assert np.array_equal(part, frame.rgb()[20:45, 10:40])
    assert max(frame.rgb(max_side=48).shape) == 48


def test_region_outside_of_the_picture(make_video: Callable[..., Path]) -> None:
    with open_video(make_video("a.mp4", 2)) as reader:
        frame = next(reader.frames())
        with pytest.raises(UsageError, match=r"region '90 0 10 10' .* is not inside the 96 x 64 picture"):
            frame.rgb(region=Region(90, 0, 10, 10))


# ---- spans


@pytest.fixture
def long_video(make_video: Callable[..., Path]) -> Callable[[str], Path]:
    open_gop = "log-level=none:keyint=25:open-gop=1:bframes=3"
    settings = {
        "a.mp4": {"codec": "libx264", "options": {"bf": "3", "g": "25", "preset": "veryfast"}},
        "open.mp4": {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": open_gop}},
        "a.mkv": {"codec": "libx264", "options": {"bf": "2", "g": "30", "preset": "veryfast"}},
        "b.mkv": {"codec": "mpeg4", "options": {"g": "20"}},
        "a.ts": {"codec": "libx264", "options": {"g": "25", "preset": "veryfast"}},
        "a.webm": {"codec": "libvpx-vp9", "options": {"g": "25", "deadline": "realtime", "cpu-used": "8"}},
    }  # fmt: skip
    return lambda name: make_video(name, 600, **settings[name])


SPANS = [
    [(3.0, 3.5), (9.0, 9.3), (9.2, 9.6), (20.0, 21.0)],
    [(0.0, 0.0), (23.9, 40.0)],
    [(-5.0, 0.05), (12.01, 12.02), (12.0, 12.01)],
    [(100.0, 200.0)],
    [],
]


def described(frames: Any) -> list[tuple[int, float, bytes]]:
    return [(frame.index, frame.pts_seconds, frame.rgb().tobytes()) for frame in frames]


@pytest.mark.parametrize("name", ["a.mp4", "open.mp4", "a.mkv", "b.mkv", "a.ts", "a.webm"])
def test_spans_give_the_same_frames_as_decoding_everything(
    long_video: Callable[[str], Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeks: list[int] = []
    original = Decoder.seek

    def counted(self: Decoder, pts: int, known: Any) -> None:
        seeks.append(pts)
        original(self, pts, known)

    monkeypatch.setattr(Decoder, "seek", counted)
    path = long_video(name)
    with open_video(path) as reader:
        everything = described(reader.frames())
        assert len(everything) == 600
        for spans in SPANS:
            wanted = [item for item in everything if any(start <= item[1] <= end for start, end in spans)]
            assert described(reader.frames(spans)) == wanted
            assert reader.decode_errors == 0
    assert bool(seeks) is (name != "a.ts"), "seeks where there is a packet index, and only there"


def test_near_spans_are_decoded_through(long_video: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Decoder, "seek", lambda *_: pytest.fail("seeks though decoding through is cheaper"))
    with open_video(long_video("a.mp4")) as reader:
        found = [frame.index for frame in reader.frames([(k * 0.5, k * 0.5 + 0.1) for k in range(20)])]
    assert len(found) == 20 * 3 or len(found) > 40


def test_a_seek_that_goes_astray_falls_back_to_decoding(
    long_video: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Decoder.seek
    monkeypatch.setattr(Decoder, "seek", lambda self, pts, known: original(self, pts + 8 * 15360, known))
    with open_video(long_video("a.mp4")) as reader:
        everything = described(reader.frames())
        wanted = [item for item in everything if 1.0 <= item[1] <= 1.1 or 15.0 <= item[1] <= 15.2]
        assert described(reader.frames([(1.0, 1.1), (15.0, 15.2)])) == wanted


def test_backward_span_is_an_error(make_video: Callable[..., Path]) -> None:
    with open_video(make_video("a.mp4")) as reader, pytest.raises(ValueError, match="does not end after it starts"):
        list(reader.frames([(2.0, 1.0)]))
