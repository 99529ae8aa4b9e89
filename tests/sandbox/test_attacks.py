"""The attacks that were shown to work on a plain decoder, each through `score_video`, and each with its defence
taken away, where it must succeed: otherwise the test would prove nothing."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import jsonschema
import numpy as np
import pytest
from media_corpus import Kind, write

from vidfake.faces.extract import extract_clips
from vidfake.inference.load import LoadedDetector, load_detector
from vidfake.inference.result import schema
from vidfake.inference.video import score_video
from vidfake.sandbox import SandboxLimits, extraction
from vidfake.settings import ExtractSettings
from vidfake.video import opening
from vidfake.video.limits import VideoLimits
from vidfake.video.reader import probe

SETTINGS = ExtractSettings(crop_size=32, num_frames=4, min_frames=2)


@pytest.fixture(scope="module")
def detector(checkpoint: Path) -> LoadedDetector:
    return load_detector(checkpoint)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A video of the user's that an attack wants to open."""
    return write(Kind("ts", "libx264"), tmp_path).rename(tmp_path / "victim.ts")


@pytest.fixture
def undefended(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda: monkeypatch.setattr(opening, "DEMUXER_OPTIONS", {})


def refused(path: Path, detector: LoadedDetector) -> dict[str, Any]:
    """The result of a file that must be refused: whole, valid, with a reason, and the file as it was."""
    before = path.read_bytes()
    start = time.monotonic()
    result = score_video(path, detector).json
    assert time.monotonic() - start < 60
    jsonschema.validate(json.loads(json.dumps(result, allow_nan=False)), schema())
    assert result["status"] == "unreadable"
    assert result["error"]
    assert result["environment"]["decoded_in"] == "sandbox"
    assert path.read_bytes() == before
    return result


class Listener:
    """Counts requests to a port of this machine."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.5)
        self.port = self._server.getsockname()[1]

    def was_called(self) -> bool:
        try:
            connection, _ = self._server.accept()
        except TimeoutError:
            return False
        connection.close()
        return True

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


def playlist(target: str) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4"])
def test_1_a_playlist_sends_no_request(
    tmp_path: Path, detector: LoadedDetector, listener: Listener, name: str
) -> None:
    """Attacks 1 to 3 of the survey: by path, under another name, and as a file object, which is never used."""
    path = tmp_path / name
    path.write_text(playlist(f"http://127.0.0.1:{listener.port}/a.ts"))
    refused(path, detector)
    assert not listener.was_called()


def test_1_a_file_object_would_have_sent_it(tmp_path: Path, listener: Listener) -> None:
    """Files are opened by path with a list of protocols: as a file object, libavformat asks the network."""
    path = tmp_path / "list.m3u8"
    path.write_text(playlist(f"http://127.0.0.1:{listener.port}/a.ts"))
    with path.open("rb") as handle, pytest.raises((av.error.FFmpegError, OSError)), av.open(handle, timeout=2):
        pass
    assert listener.was_called()


def test_2_a_playlist_opens_no_other_file(
    tmp_path: Path, detector: LoadedDetector, victim: Path, undefended: Any
) -> None:
    path = tmp_path / "list.m3u8"
    path.write_text(playlist(victim.name))
    refused(path, detector)
    undefended()
    assert probe(path).width == 64


def test_3_a_script_named_mp4_opens_no_other_file(
    tmp_path: Path, detector: LoadedDetector, victim: Path, undefended: Any
) -> None:
    path = tmp_path / "holiday.mp4"
    path.write_text(f"ffconcat version 1.0\nfile {victim.name}\n")
    refused(path, detector)
    undefended()
    assert probe(path).width == 64


def test_4_a_session_description_opens_no_port(tmp_path: Path, detector: LoadedDetector) -> None:
    text = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe_socket:
        probe_socket.bind(("127.0.0.1", 0))
        port = probe_socket.getsockname()[1] & ~1
    for name in ("live.mp4", "live.sdp"):
        path = tmp_path / name
        path.write_text(text.format(port=port) + "a=rtpmap:96 H264/90000\n")
        start = time.monotonic()
        refused(path, detector)
        assert time.monotonic() - start < 30
    protocols = {"protocol_whitelist": "file,udp,rtp"}  # undefended: neither list keeps it out
    with av.open(str(path), options=protocols, timeout=1.0) as container:
        assert container.format.name == "sdp"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours, pytest.raises(OSError, match="in use"):
            ours.bind(("0.0.0.0", port))


def test_5_addresses_and_pseudo_protocols(detector: LoadedDetector, victim: Path, listener: Listener) -> None:
    addresses = [f"http://127.0.0.1:{listener.port}/a.mp4", f"concat:{victim}|{victim}", "pipe:0", "fd:"]
    addresses += [f"subfile,,start,0,end,0,,:{victim}", f"file://{victim}", f"crypto:{victim}"]
    for address in addresses:
        result = score_video(address, detector).json
        jsonschema.validate(result, schema())
        assert (result["status"], result["input"]["sha256"]) == ("unreadable", None)
    assert not listener.was_called()
    with av.open(f"concat:{victim}|{victim}") as container:
        assert container.streams.video, "undefended, another file is opened"


def test_6_a_picture_of_gigabytes_is_not_decoded(tmp_path: Path, detector: LoadedDetector) -> None:
    """8704 x 4352, more than 8K, in a small file; then its header says 64 x 64: only the decoder's limit knows."""
    path = tmp_path / "huge.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 8704, 4352, "yuvj420p"
        frame = av.VideoFrame(8704, 4352, "yuvj420p")
        for plane in frame.planes:
            np.frombuffer(plane, np.uint8)[:] = 128
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert path.stat().st_size < 8 << 20
    refused(path, detector)
    data = path.read_bytes()
    claim = (8704).to_bytes(4, "little") + (4352).to_bytes(4, "little")
    path.write_bytes(data.replace(claim, (64).to_bytes(4, "little") * 2))
    refused(path, detector)
    with av.open(str(path)) as container:  # undefended
        assert next(container.decode(video=0)).width == 8704


def test_7_an_endless_video_ends(tmp_path: Path, detector: LoadedDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few bytes, many frames: the caps stop decoding, and the result says that not all was looked at."""
    path = tmp_path / "endless.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "1500"})
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        frame = av.VideoFrame(32, 32, "gray").reformat(format="yuv420p")
        for number in range(1500):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert path.stat().st_size < 200_000
    limits = SandboxLimits(video=VideoLimits(max_frames=300))
    monkeypatch.setattr(extraction, "SandboxLimits", lambda: limits)
    result = score_video(path, detector).json
    assert result["status"] == "no_face"
    assert result["decode"]["limits_hit"] == ["frames"]
    assert result["decode"]["frames_decoded"] == 300
    assert "only the first 300 frames" in result["error"]
    assert extract_clips(path, SETTINGS, threads=1).num_frames_decoded == 1500, "undefended"
