"""Small videos of many kinds, made on the spot, and seeded damage to them."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from vidfake.video.scheduling import scheduling_kept

Bytes = npt.NDArray[np.uint8]
FRAMES = 8
os.environ.setdefault("SVT_LOG", "0")  # the AV1 encoder talks on standard error otherwise


@dataclass(frozen=True)
class Kind:
    """One way to write a video: file name suffix, encoder, pixel format, and how times and turns are."""

    suffix: str
    codec: str
    pixel_format: str = "yuv420p"
    size: tuple[int, int] = (64, 48)
    times: str = "constant"  # constant, varying, jump, late start
    rotation: int = 0
    container_options: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return "-".join(
            [self.codec, self.pixel_format, f"{self.size[0]}x{self.size[1]}", self.times.split()[0]]
            + ([f"turn{self.rotation}"] if self.rotation else [])
            + [value for _, value in self.container_options]
        ) + f".{self.suffix}"  # fmt: skip


_FASTSTART = (("movflags", "faststart"),)
_FRAGMENTED = (("movflags", "frag_keyframe+empty_moov"),)
KINDS = (
    # codecs × containers
    Kind("mp4", "libx264"), Kind("mkv", "libx264"), Kind("mov", "libx264"), Kind("ts", "libx264"),
    Kind("flv", "libx264"), Kind("avi", "libx264"), Kind("3gp", "libx264"),
    Kind("mp4", "libx265"), Kind("mkv", "libx265"), Kind("ts", "libx265"),
    Kind("webm", "libvpx"), Kind("webm", "libvpx-vp9"), Kind("mp4", "libvpx-vp9"),
    Kind("mp4", "libsvtav1", size=(64, 64)), Kind("webm", "libsvtav1", size=(64, 64)),
    Kind("avi", "mpeg4"), Kind("mp4", "mpeg4"), Kind("mkv", "mpeg4"),
    Kind("mpg", "mpeg2video"), Kind("ts", "mpeg2video"), Kind("mpg", "mpeg1video"), Kind("mkv", "mpeg2video"),
    Kind("avi", "mjpeg", "yuvj420p"), Kind("mov", "mjpeg", "yuvj422p"), Kind("mkv", "mjpeg", "yuvj444p"),
    Kind("mkv", "ffv1"), Kind("avi", "ffv1", "yuv444p"), Kind("asf", "wmv2"), Kind("asf", "msmpeg4v2"),
    Kind("flv", "flv"), Kind("3gp", "h263", size=(176, 144)), Kind("mov", "prores_ks", "yuv422p10le"),
    Kind("avi", "huffyuv", "yuv422p"), Kind("avi", "utvideo", "yuv420p"), Kind("mov", "qtrle", "rgb24"),
    Kind("mov", "png", "rgb24"), Kind("avi", "cinepak", "rgb24"), Kind("avi", "rawvideo", "yuv420p"),
    # pixel formats
    Kind("mp4", "libx264", "yuv444p"), Kind("mp4", "libx264", "yuv422p"), Kind("mp4", "libx264", "yuv420p10le"),
    Kind("mp4", "libx264", "gray"), Kind("mkv", "libx264rgb", "rgb24"), Kind("mkv", "ffv1", "gray16le"),
    Kind("mkv", "ffv1", "yuva420p"), Kind("mkv", "ffv1", "bgr0"), Kind("mkv", "ffv1", "yuv444p12le"),
    Kind("mp4", "libx265", "yuv420p10le"), Kind("webm", "libvpx-vp9", "yuv444p"),
    # sizes, turns, times, layouts
    Kind("mp4", "libx264", "yuv444p", size=(67, 51)), Kind("mkv", "ffv1", "yuv420p", size=(33, 35)),
    Kind("mkv", "ffv1", "yuv420p", size=(128, 96)), Kind("mp4", "libx264", rotation=90),
    Kind("mov", "libx264", rotation=180), Kind("mp4", "libx264", rotation=270), Kind("mkv", "libx264", rotation=90),
    Kind("mp4", "libx264", times="varying"), Kind("mkv", "libx264", times="varying"),
    Kind("webm", "libvpx-vp9", times="varying"), Kind("mp4", "libx264", times="jump"),
    Kind("mkv", "libx264", times="jump"), Kind("ts", "libx264", times="late start"),
    Kind("mp4", "libx264", times="late start"), Kind("mp4", "libx264", container_options=_FASTSTART),
    Kind("mp4", "libx264", container_options=_FRAGMENTED), Kind("mov", "mpeg4", container_options=_FASTSTART),
)  # fmt: skip

_OPTIONS = {
    "libx264": {"preset": "ultrafast"}, "libx264rgb": {"preset": "ultrafast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"}, "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "12", "svtav1-params": "lp=1"},
}  # fmt: skip
_MUXERS = {"mkv": "matroska", "mpg": "mpeg", "ts": "mpegts"}


def write(kind: Kind, folder: Path) -> Path:
    """The video of that kind: a soft, moving picture."""
    path = folder / kind.name
    width, height = kind.size
    y, x = np.mgrid[:height, :width]
    times = _times(kind.times)
    with (
        scheduling_kept(),
        av.open(
            str(path),
            "w",
            format=_MUXERS.get(kind.suffix, kind.suffix),
            container_options=dict(kind.container_options),
        ) as container,
    ):
        stream = container.add_stream(kind.codec, rate=25, options=_OPTIONS.get(kind.codec, {}))
        stream.width, stream.height, stream.pix_fmt = width, height, kind.pixel_format
        stream.codec_context.time_base = Fraction(1, 1000) if kind.times == "varying" else Fraction(1, 25)
        if kind.codec != "libsvtav1":
            stream.codec_context.thread_count = 1
        for number, seconds in enumerate(times):
            rgb = np.stack([x * 2 + 5 * number, y * 2, x + y + 9 * number], -1).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=kind.pixel_format)
            frame.pts = round(seconds / float(stream.codec_context.time_base))
            frame.time_base = stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if kind.rotation and kind.suffix in ("mp4", "mov"):
        path.write_bytes(turned(path.read_bytes(), kind.rotation))
    return path


def _times(how: str) -> list[float]:
    steps = {"varying": (0.02, 0.1, 0.033, 0.4), "jump": (0.04, 0.04, 0.04, 30.0)}.get(how, (0.04,))
    start = 5.0 if how == "late start" else 0.0
    return [start + sum(steps[i % len(steps)] for i in range(n)) for n in range(FRAMES)]


def turned(data: bytes, degrees: int) -> bytes:
    """An MP4 whose first `tkhd` box has the display matrix of a clockwise turn."""
    one = 1 << 16
    matrix = {90: (0, one, 0, -one, 0, 0, 0, 0, 1 << 30), 180: (-one, 0, 0, 0, -one, 0, 0, 0, 1 << 30),
              270: (0, -one, 0, one, 0, 0, 0, 0, 1 << 30)}[degrees]  # fmt: skip
    place = data.index(b"tkhd") + 4 + 40
    return data[:place] + struct.pack(">9i", *matrix) + data[place + 36 :]


# ---- damage

Mutation = Callable[[bytes, np.random.Generator, list[bytes]], bytes]
MUTATIONS: dict[str, Mutation] = {}


def mutation(make: Mutation) -> Mutation:
    MUTATIONS[make.__name__] = make
    return make


@mutation
def flipped(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    copy = bytearray(data)
    for place in rng.integers(0, len(copy), rng.integers(1, 40)):
        copy[place] ^= int(rng.integers(1, 256))
    return bytes(copy)


@mutation
def flipped_head(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    """The header decides what is allocated."""
    copy = bytearray(data)
    for place in rng.integers(4, min(len(copy), 600), rng.integers(1, 8)):
        copy[place] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(0, 256))]))
    return bytes(copy)


@mutation
def cut_off(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    return data[: int(rng.integers(1, len(data)))]


@mutation
def zeroed(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    start = int(rng.integers(0, len(data)))
    length = int(rng.integers(1, 1 + len(data) // 3))
    return data[:start] + bytes(min(length, len(data) - start)) + data[start + length :]


@mutation
def spliced(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    """The beginning of one file and the end of another, of whatever kind."""
    other = others[int(rng.integers(len(others)))]
    return data[: int(rng.integers(1, len(data)))] + other[int(rng.integers(0, len(other))) :]


@mutation
def repeated(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    start, stop = sorted(int(v) for v in rng.integers(0, len(data), 2))
    return data[:stop] + data[start:stop] * int(rng.integers(1, 6)) + data[stop:]


@mutation
def swapped(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    """Two boxes of an MP4 change places, or two stretches of another file."""
    boxes = list(boxes_of(data))
    if len(boxes) > 2:
        first, second = sorted(int(v) for v in rng.choice(len(boxes), 2, replace=False))
        (a, b), (c, d) = boxes[first], boxes[second]
        if b <= c:
            return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]
    third = len(data) // 3
    return data[third : 2 * third] + data[:third] + data[2 * third :]


@mutation
def huge_size(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    """A size or a count claims gigabytes: in a box, or anywhere in the first kilobyte."""
    boxes = list(boxes_of(data))
    place = boxes[int(rng.integers(len(boxes)))][0] if boxes else int(rng.integers(0, min(len(data), 1000)))
    place += int(rng.choice([0, 8, 12, 16]))
    claim = int(rng.choice([0xFFFFFFFF, 0x7FFFFFFF, 0x40000000, 1, 0]))
    return (data[:place] + struct.pack(">I", claim) + data[place + 4 :])[: max(len(data), 8)]


@mutation
def odd_duration(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    """Durations and time scales of 0, -1 and beyond; in Matroska also NaN and infinity."""
    copy = bytearray(data)
    value = struct.pack(">I", int(rng.choice([0, 1, 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF])))
    found = False
    for name, offsets in ((b"mvhd", (16, 20)), (b"tkhd", (24,)), (b"mdhd", (16, 20)), (b"stts", (12, 16))):
        place = data.find(name)
        if place >= 0 and rng.random() < 0.6:
            offset = place + int(rng.choice(offsets))
            copy[offset : offset + 4] = value
            found = True
    place = data.find(b"\x44\x89\x88")
    if place >= 0:
        odd = [0.0, -1.0, float("nan"), float("inf"), 1e300, -1e300]
        copy[place + 3 : place + 11] = struct.pack(">d", odd[int(rng.integers(len(odd)))])
        found = True
    return bytes(copy[: len(data)]) if found else flipped_head(data, rng, others)


@mutation
def many_streams(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    """The track of an MP4 many times over."""
    return with_tracks(data, int(rng.integers(10, 120))) or repeated(data, rng, others)


def with_tracks(data: bytes, count: int) -> bytes | None:
    """An MP4 with its track `count` times, or None for another kind of file."""
    moov, trak = data.rfind(b"moov") - 4, data.rfind(b"trak") - 4
    if moov < 0 or trak < moov:
        return None
    size = int.from_bytes(data[trak : trak + 4], "big")
    more = data[trak : trak + size] * (count - 1)
    moov_size = int.from_bytes(data[moov : moov + 4], "big") + len(more)
    return data[:moov] + struct.pack(">I", moov_size) + data[moov + 4 : trak + size] + more + data[trak + size :]


_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"moof", b"traf", b"mvex", b"udta"}


def boxes_of(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """(start, end) of the boxes of an MP4, inner ones too; nothing for other files."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, name = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
        if size < 8 or start + size > end or not name.isalnum():
            return
        yield start, start + size
        if name in _CONTAINERS:
            yield from boxes_of(data, start + 8, start + size)
        start += size


def write_all(folder: Path) -> list[Path]:
    """Every kind once. One that this build of FFmpeg cannot write is left out, but most must be there."""
    made = []
    for kind in KINDS:
        try:
            made.append(write(kind, folder))
        except (av.error.FFmpegError, ValueError, KeyError) as error:
            (folder / kind.name).unlink(missing_ok=True)
            if os.environ.get("VIDFAKE_CORPUS_STRICT"):
                raise AssertionError(kind.name) from error
    assert len(made) >= len(KINDS) * 3 // 4, f"only {len(made)} of {len(KINDS)} kinds could be written"
    return made


def mutants(files: list[Path], count: int, *, seed: int) -> Iterator[tuple[str, str, bytes]]:
    """(name of the mutation, suffix, bytes), `count` of them: every mutation and every file in turn."""
    contents = [path.read_bytes() for path in files]
    names = list(MUTATIONS)
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        which = number % len(files)
        name = names[int(rng.integers(len(names)))]
        data = MUTATIONS[name](contents[which], rng, contents)
        if rng.random() < 0.2:
            data = flipped(data or b"\0", rng, contents)
        yield f"{number}-{name}-{files[which].stem}", files[which].suffix, data
