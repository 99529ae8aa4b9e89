"""What must be refused is refused, with a reason; what an attack would reach without the defence, is shown."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from vidfake.errors import MediaError, NoVideoStreamError, UnreadableVideoError
from vidfake.video import opening
from vidfake.video.reader import open_video, probe


def refused(path: Path | str, *words: str) -> str:
    """The message with which `path` is refused: one line that names it and holds `words`."""
    with pytest.raises(UnreadableVideoError) as caught, open_video(path):
        pass
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.status == "unreadable"
    for word in words:
        assert word in message, message
    return message


def write_audio(path: Path, seconds: float = 0.5, cover: bool = False) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        stream.layout = "mono"
        art = container.add_stream("mjpeg") if cover else None
        if art is not None:
            art.width, art.height, art.pix_fmt = 32, 32, "yuvj420p"
            art.disposition = av.stream.Disposition.attached_pic
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 90, np.uint8), "rgb24")
            container.mux(art.encode(frame))
            container.mux(art.encode(None))
        for start in range(0, int(seconds * 16000), 1024):
            samples = np.zeros((1, 1024), np.float32)
            sound = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
            sound.sample_rate, sound.pts = 16000, start
            container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    return path


# ---- bad input


def test_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "nothing.mp4", "nothing.mp4", "does not exist", "Check the path")


def test_path_through_a_file(make_video: Callable[..., Path]) -> None:
    refused(make_video("a.mp4") / "b.mp4", "does not exist")


def test_folder(tmp_path: Path) -> None:
    refused(tmp_path, "is a folder", "Pass the files in it")


def test_zero_bytes(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    refused(tmp_path / "empty.mp4", "is empty (0 bytes)")


@pytest.mark.parametrize("text", ["hello\n", "path,label\na.mp4,1\n" * 500, "<html><body>404</body></html>"])
def test_text_named_mp4(tmp_path: Path, text: str) -> None:
    (tmp_path / "text.mp4").write_text(text)
    refused(tmp_path / "text.mp4", "is not a video that can be read", "MP4/MOV", "convert it")


def test_random_bytes(tmp_path: Path) -> None:
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(100_000))
    refused(tmp_path / "noise.mp4", "is not a video that can be read")


def test_mp4_without_its_moov(make_video: Callable[..., Path]) -> None:
    path = make_video("cut.mp4", 30)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.8)])
    refused(path, "is cut off", "'moov'", "download it again")


def test_mp4_with_half_a_moov(make_video: Callable[..., Path]) -> None:
    path = make_video("cut.mp4", 30, container_options={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") + 200])
    refused(path, "is cut off", "'moov'")


def test_permission_denied(make_video: Callable[..., Path]) -> None:
    path = make_video("secret.mp4")
    path.chmod(0)
    if os.geteuid() == 0:
        os.seteuid(65534)  # root may read everything
        try:
            refused(path, "permission denied")
        finally:
            os.seteuid(0)
    else:
        refused(path, "permission denied", "Change its permissions")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "JPEG"),
        (b"GIF89a", "GIF"),
        (b"BM\x36\x00", "BMP"),
        (b"II*\x00", "TIFF"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "WebP"),
        (b"\x00\x00\x00\x18ftypheic", "HEIC"),
        (b"\x00\x00\x00\x18ftypavif", "AVIF"),
    ],
)
def test_still_images(tmp_path: Path, head: bytes, kind: str) -> None:
    (tmp_path / "picture.mp4").write_bytes(head + bytes(100))
    refused(tmp_path / "picture.mp4", f"still image ({kind})", "Pass a video file")


def test_audio_only(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "sound.mp4")
    with pytest.raises(NoVideoStreamError, match=r"has no video stream \(found: audio\)\. Pass a file with video"):
        probe(path)


def test_cover_art_is_not_video(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "song.mp4", cover=True)
    with av.open(str(path)) as container:
        assert container.streams.video, "the file must really hold a picture"
    with pytest.raises(NoVideoStreamError, match="found: audio, cover picture"):
        probe(path)


def test_wrong_suffix_is_no_obstacle(make_video: Callable[..., Path]) -> None:
    path = make_video("video.mp4")
    renamed = path.rename(path.with_suffix(".txt"))
    info = probe(renamed)
    assert (info.container, info.num_frames) == ("mp4", 10)


@pytest.mark.parametrize(
    "name", ["with space.mp4", "größe 名前.mp4", "a:b.mp4", "%d.mp4", "-dash.mp4", "a#b?c.mp4", "a'\"b.mp4"]
)
def test_unusual_names(make_video: Callable[..., Path], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video("plain.mp4").rename(make_video("other.mp4").with_name(name))
    assert probe(path).num_frames == 10
    monkeypatch.chdir(path.parent)
    assert probe(name).num_frames == 10


def test_a_name_that_is_not_unicode(make_video: Callable[..., Path]) -> None:
    path = make_video("plain.mp4")
    odd = os.fsdecode(os.fsencode(path.parent) + b"/\xff\xfe.mp4")
    try:
        path.rename(odd)
    except OSError:
        pytest.skip("this file system takes only Unicode names")
    assert probe(odd).num_frames == 10


def test_metadata_that_is_not_unicode(make_video: Callable[..., Path]) -> None:
    path = make_video("a.mkv")
    data = path.read_bytes()
    assert b"Lavf" in data
    path.write_bytes(data.replace(b"Lavf", b"L\xe4\xff\xf6"))
    with open_video(path) as reader:
        assert len(list(reader.frames())) == 10


def test_symbolic_link(make_video: Callable[..., Path]) -> None:
    path = make_video("real.mp4")
    link = path.with_name("link.mp4")
    link.symlink_to(path)
    assert probe(link).num_frames == 10


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    refused(tmp_path / "pipe.mp4", "a pipe or a device")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no device files here")
def test_a_device_is_refused() -> None:
    assert stat.S_ISCHR(Path("/dev/zero").stat().st_mode)
    refused("/dev/zero", "a pipe or a device")


# ---- attacks: refused with the defence, and shown to work without it


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/a.mp4",
        "https://example.org/a.mp4",
        "file:///etc/hostname",
        "rtmp://127.0.0.1/live",
        "concat:a.mp4|b.mp4",
        "subfile,,start,0,end,100,,:a.mp4",
        "data:video/mp4;base64,AAAA",
        "pipe:0",
        "crypto:a.mp4",
        "cache:a.mp4",
        "fd:",
        "udp:127.0.0.1:9",
    ],
)
def test_addresses_and_protocols(address: str) -> None:
    refused(address, "looks like an address or a protocol", "local files only")


def test_zero_byte_in_a_name() -> None:
    refused("a\0b.mp4", "contains a zero byte")


def playlist(kind: str, target: Path) -> str:
    if kind == "hls":
        return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target.name}\n#EXT-X-ENDLIST\n"
    return f"ffconcat version 1.0\nfile {target.name}\n"


@pytest.mark.parametrize(
    ("kind", "name"), [("hls", "list.m3u8"), ("concat", "list.ffconcat"), ("concat", "list.mp4")]
)
def test_a_playlist_opens_no_other_file(
    make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    target = make_video("victim.ts")
    path = target.with_name(name)
    path.write_text(playlist(kind, target))
    refused(path, "is not a video that can be read")

    monkeypatch.setattr(opening, "DEMUXER_OPTIONS", {})
    assert probe(path).width == 96  # the other file, opened


def test_no_request_leaves_through_a_playlist(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        port = server.getsockname()[1]
        for name in ("list.m3u8", "list.mp4"):
            (tmp_path / name).write_text(
                f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n"
            )
            refused(tmp_path / name)
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_session_description_opens_no_port(tmp_path: Path) -> None:
    text = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    text += "a=rtpmap:96 H264/90000\n"
    (tmp_path / "live.mp4").write_text(text)
    (tmp_path / "live.sdp").write_text(text)
    finished: list[str] = []
    thread = threading.Thread(
        target=lambda: finished.extend(refused(tmp_path / name) for name in ("live.mp4", "live.sdp")), daemon=True
    )
    thread.start()
    thread.join(timeout=5)
    assert len(finished) == 2, "opening waits for a network stream"


def alias_to(box: Callable[[bytes, bytes], bytes], target: Path) -> bytes:
    """A QuickTime data reference that names another file."""
    name = str(target).encode()
    record = (
        bytes(10)
        + bytes([0])
        + bytes(27)
        + bytes(12)
        + bytes([len(target.name)])
        + target.name.encode().ljust(63, b"\0")
    )
    record += bytes(16) + struct.pack(">hh", 0, 0) + bytes(16) + struct.pack(">hH", 2, len(name)) + name
    record += bytes(len(name) % 2) + struct.pack(">hH", -1, 0)
    return box(b"dref", struct.pack(">II", 0, 1) + box(b"alis", struct.pack(">I", 0) + record))


def test_pictures_in_another_file_are_not_fetched(
    make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, boxes: Any
) -> None:
    victim = make_video("victim.mov", 5)
    data = victim.read_bytes()
    moov = data[data.index(b"moov") - 4 :]
    moov = moov[: int.from_bytes(moov[:4], "big")]
    place = [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"]
    moov = boxes.replace(moov, place, alias_to(boxes.box, victim))
    attack = victim.with_name("attack.mov")
    attack.write_bytes(boxes.box(b"ftyp", b"qt  \0\0\0\0qt  ") + moov)
    refused(attack)

    monkeypatch.setattr(
        opening, "DEMUXER_OPTIONS", opening.DEMUXER_OPTIONS | {"enable_drefs": "1", "use_absolute_path": "1"}
    )
    with open_video(attack) as reader:
        assert len(list(reader.frames())) == 5  # the victim's pictures


@pytest.fixture
def understated(make_yuv: Callable[..., Path]) -> Path:
    """An AVI that claims 64 x 64 pictures and holds one of 512 x 512."""
    planes = [np.full((512, 512), 120, np.uint8)] + [np.full((256, 256), 100, np.uint8)] * 2
    path = make_yuv([planes] * 2, "yuvj420p", name="small.avi", codec="mjpeg", full_range=True)
    data = path.read_bytes()
    claim = struct.pack("<II", 512, 512)
    assert data.count(claim) >= 2
    path.write_bytes(data.replace(claim, struct.pack("<II", 64, 64)))
    return path


def test_a_picture_larger_than_claimed_is_not_decoded(understated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert probe(understated).width == 512  # harmless at this size
    monkeypatch.setattr(opening, "DECODER_OPTIONS", {"max_pixels": "65536"})
    refused(understated, "not one frame could be decoded")


def test_a_huge_picture_is_refused_before_decoding(
    make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video("large.mp4", size=(640, 480))
    monkeypatch.setattr(opening, "MAX_PIXELS", 640 * 480 - 1)
    refused(path, "640 x 480", "307,199 pixels")


def test_eight_k_is_allowed() -> None:
    assert opening.MAX_PIXELS >= 7680 * 4320
    assert int(opening.DECODER_OPTIONS["max_pixels"]) == opening.MAX_PIXELS


def test_very_many_streams_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "many.mkv"
    with av.open(str(path), "w") as container:
        streams: list[Any] = []
        for _ in range(opening.MAX_STREAMS + 6):
            stream = container.add_stream("rawvideo", rate=25)
            stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
            streams.append(stream)
        for stream in streams:
            container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
    assert probe(path).num_video_streams == opening.MAX_STREAMS

    monkeypatch.setattr(opening, "DEMUXER_OPTIONS", opening.DEMUXER_OPTIONS | {"max_streams": "1000"})
    assert probe(path).num_video_streams == opening.MAX_STREAMS + 6


def test_every_refusal_is_a_media_error() -> None:
    assert issubclass(UnreadableVideoError, MediaError)
    assert issubclass(NoVideoStreamError, MediaError)


def test_damaged_copies_never_crash(make_video: Callable[..., Path]) -> None:
    """Seeded byte flips and cuts: an error of ours, or frames; nothing else."""
    for name in ("a.mp4", "a.mkv", "a.avi", "a.ts", "a.flv"):
        path = make_video(name, 12)
        data = path.read_bytes()
        damaged = path.with_name("damaged" + path.suffix)
        rng = np.random.default_rng(len(name) + data[100])
        for round_ in range(25):
            copy = bytearray(data)
            for position in rng.integers(0, len(copy), rng.integers(1, 40)):
                copy[position] ^= int(rng.integers(1, 256))
            damaged.write_bytes(copy[: len(copy) if round_ % 3 else int(rng.integers(1, len(copy)))])
            try:
                with open_video(damaged, threads=1) as reader:
                    times = [frame.pts_seconds for frame in reader.frames()]
            except MediaError:
                continue
            assert times == sorted(set(times))
    shutil.rmtree(path.parent)
