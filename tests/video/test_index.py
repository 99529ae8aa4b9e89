"""What is known of a file without decoding it, and with its first frame decoded."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from vidfake.errors import NoVideoStreamError, UnreadableVideoError
from vidfake.video.index import scan_index
from vidfake.video.reader import open_video, probe
from vidfake.video.timeline import is_shown


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("a.mp4", {"options": {"bf": "3", "g": "10"}}),
        ("a.mkv", {"options": {"bf": "3", "g": "10"}}),
        ("a.ts", {"options": {"bf": "3", "g": "10"}}),
        ("a.avi", {"codec": "mpeg4", "options": {"g": "10"}}),
        ("a.webm", {"codec": "libvpx-vp9", "options": {"g": "10"}}),
        ("a.mp4", {"codec": "libsvtav1", "options": {"g": "10"}}),
    ],
)
def test_the_index_agrees_with_the_decoder(make_video: Callable[..., Path], name: str, settings: Any) -> None:
    path = make_video(name, 35, **settings)
    index = scan_index(path)
    with open_video(path) as reader:
        decoded = [(frame.index, frame.pts_seconds) for frame in reader.frames()]
    assert index.pts_seconds.tolist() == [seconds for _, seconds in decoded]
    assert [number for number, _ in decoded] == list(range(len(index)))
    assert index.reliable
    assert not index.variable_frame_rate
    assert not index.truncated
    assert np.flatnonzero(index.keyframes)[0] == 0
    assert 2 <= index.keyframes.sum() <= 5


def test_variable_frame_rate_is_seen(make_video: Callable[..., Path]) -> None:
    times = np.cumsum([0.0, 0.04, 0.04, 0.2, 0.04, 0.04])
    for name in ("a.mp4", "a.mkv"):
        assert scan_index(make_video(name, 6, pts_seconds=times)).variable_frame_rate
        # 29.97 fps in milliseconds alternates between 33 and 34
        assert not scan_index(make_video(name, 60, frame_rate=29.97)).variable_frame_rate


def test_one_frame_is_a_constant_rate(make_video: Callable[..., Path]) -> None:
    index = scan_index(make_video("a.mp4", 1))
    assert (len(index), index.variable_frame_rate, index.reliable) == (1, False, True)


def test_repeated_times_make_an_index_unreliable(make_video: Callable[..., Path], tmp_path: Path) -> None:
    source = make_video("a.mkv", 10, codec="mjpeg")
    path = tmp_path / "twice.mkv"
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                packet.pts = packet.dts = (packet.pts // 80) * 80
                new.mux(packet)
    index = scan_index(path)
    assert len(index) == 10
    assert not index.reliable
    with open_video(path) as reader:
        times = [frame.pts_seconds for frame in reader.frames()]
        assert times == sorted(set(times))
        assert len(times) + reader.decode_errors == 10


def test_a_cut_off_file_is_seen_without_decoding(make_video: Callable[..., Path]) -> None:
    path = make_video("a.mkv", 100)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert scan_index(path).truncated


def test_scanning_refuses_what_opening_refuses(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("text")
    with pytest.raises(UnreadableVideoError):
        scan_index(tmp_path / "a.mp4")
    with pytest.raises(UnreadableVideoError):
        scan_index(tmp_path / "none.mp4")
    with av.open(str(tmp_path / "s.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        stream.layout = "mono"
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(NoVideoStreamError):
        scan_index(tmp_path / "s.mkv")


def test_hidden_pictures_of_vp8_are_no_frames() -> None:
    """Bit 4 of a VP8 frame's first byte says whether it is shown (RFC 6386, 9.1)."""
    shown, hidden = av.Packet(b"\x10\x00\x00"), av.Packet(b"\x00\x00\x00")
    assert is_shown(shown, "vp8")
    assert not is_shown(hidden, "vp8")
    assert is_shown(hidden, "vp9")


# ---- probe


def test_probe_tells_what_was_written(make_video: Callable[..., Path]) -> None:
    path = make_video("a.mp4", 30, frame_rate=30, size=(98, 66), pixel_format="yuv444p", rotation_degrees=90)
    info = probe(path)
    assert dataclasses.asdict(info) == {
        "container": "mp4", "codec": "h264", "width": 66, "height": 98, "coded_width": 98, "coded_height": 66,
        "rotation_degrees": 90, "mirrored": False, "pixel_aspect_ratio": 1.0, "duration_seconds": 1.0,
        "start_seconds": 0.0, "average_frame_rate": 30.0, "num_frames": 30, "pixel_format": "yuv444p",
        "bit_depth": 8, "colour_space": "bt601", "colour_range": "limited", "hdr": False, "has_audio": False,
        "num_video_streams": 1, "bytes": path.stat().st_size,
    }  # fmt: skip
    assert json.loads(json.dumps(dataclasses.asdict(info)))["width"] == 66


@pytest.mark.parametrize(
    ("name", "container", "codec", "encoder"),
    [
        ("a.mkv", "matroska", "hevc", "libx265"),
        ("a.webm", "webm", "vp9", "libvpx-vp9"),
        ("a.mov", "mov", "h264", "libx264"),
        ("a.avi", "avi", "mpeg4", "mpeg4"),
        ("a.ts", "mpegts", "h264", "libx264"),
        ("a.mkv", "matroska", "av1", "libsvtav1"),
    ],
)
def test_probe_names(make_video: Callable[..., Path], name: str, container: str, codec: str, encoder: str) -> None:
    info = probe(make_video(name, 30, codec=encoder))
    assert (info.container, info.codec) == (container, codec)
    assert info.duration_seconds == pytest.approx(1.2, abs=0.05)
    assert info.average_frame_rate == pytest.approx(25, rel=0.01)


def test_pixel_aspect_ratio_is_told(tmp_path: Path) -> None:
    path = tmp_path / "anamorphic.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 72, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 15)
        container.mux(stream.encode(av.VideoFrame(72, 48, "yuv420p")))
        container.mux(stream.encode(None))
    info = probe(path)
    assert info.pixel_aspect_ratio == pytest.approx(16 / 15)
    assert (info.width, info.height) == (72, 48)


def test_audio_beside_the_video_and_a_second_video(tmp_path: Path) -> None:
    path = tmp_path / "both.mkv"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=8000)
        sound.layout = "mono"
        streams = []
        for size in (64, 32):
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
            streams.append(stream)
        for stream in streams:
            container.mux(stream.encode(av.VideoFrame(stream.width, stream.height, "yuv420p")))
            container.mux(stream.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(sound.encode(frame))
    info = probe(path)
    assert (info.has_audio, info.num_video_streams, info.width) == (True, 2, 64)
    with open_video(path) as reader:
        assert len(list(reader.frames())) == 1
        assert not reader.truncated, "two seconds of sound do not make one frame of video cut off"
