"""Files are written whole or not at all, and hold what was asked for."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from vidfake import files
from vidfake.errors import ConfigError, MissingPackageError, StorageError
from vidfake.video import encoding
from vidfake.video.encoding import ENCODERS, available_encoders
from vidfake.video.reader import open_video, probe
from vidfake.video.writer import VideoWriter, write_video

Array = np.ndarray[Any, Any]


def test_there_is_what_augmentation_needs() -> None:
    assert {"libx264", "mpeg4", "mjpeg", "ffv1"} <= set(available_encoders())


@pytest.mark.parametrize("codec", available_encoders())
def test_every_encoder_writes_every_frame(tmp_path: Path, pictures: Callable[..., Array], codec: str) -> None:
    path = tmp_path / "a.mkv"
    originals = pictures(12)
    write_video(path, originals, frame_rate=30, codec=codec)
    with open_video(path) as reader:
        frames = [frame.rgb() for frame in reader.frames()]
    assert len(frames) == 12
    assert np.abs(np.stack(frames).astype(int) - originals).mean() < 8


@pytest.mark.parametrize("codec", available_encoders())
def test_one_and_two_frames(tmp_path: Path, pictures: Callable[..., Array], codec: str) -> None:
    for count in (1, 2) * 4:  # often: the decoding times that libx265 gives here are arbitrary
        write_video(tmp_path / "a.mp4", pictures(count), frame_rate=25, codec=codec)
        with open_video(tmp_path / "a.mp4") as reader:
            assert [frame.pts_seconds for frame in reader.frames()] == [0.0, 0.04][:count]
            assert reader.info.duration_seconds == pytest.approx(count / 25)


def test_lossless_rgb_is_exact(tmp_path: Path, pictures: Callable[..., Array]) -> None:
    originals = pictures(5, 33, 31)
    write_video(tmp_path / "a.mkv", originals, frame_rate=25, codec="ffv1", pixel_format="bgr0")
    with open_video(tmp_path / "a.mkv") as reader:
        assert np.array_equal(np.stack([frame.rgb() for frame in reader.frames()]), originals)


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("colour_space", ["bt601", "bt709"])
def test_colours_survive_and_are_declared(
    tmp_path: Path, pictures: Callable[..., Array], colour_space: Any, full_range: bool
) -> None:
    originals = pictures(2, 64, 64)
    path = tmp_path / "a.mp4"
    write_video(
        path,
        originals,
        frame_rate=25,
        crf=1,
        pixel_format="yuv444p",
        colour_space=colour_space,
        full_range=full_range,
    )
    info = probe(path)
    assert (info.colour_space, info.colour_range) == (colour_space, "full" if full_range else "limited")
    with open_video(path) as reader:
        assert np.abs(next(reader.frames()).rgb().astype(int) - originals[0]).max() <= 6


def test_the_default_matrix_is_the_one_the_reader_would_assume(
    tmp_path: Path, pictures: Callable[..., Array]
) -> None:
    for height, expected in ((64, "bt601"), (720, "bt709")):
        write_video(tmp_path / "a.mp4", pictures(1, 64, height), frame_rate=25)
        assert probe(tmp_path / "a.mp4").colour_space == expected


def test_times_from_a_rate_a_list_or_pairs(tmp_path: Path, pictures: Callable[..., Array]) -> None:
    originals = pictures(4)
    times = [0.0, 0.04, 0.5, 0.52]
    write_video(tmp_path / "rate.mp4", originals, frame_rate=Fraction(30000, 1001))
    write_video(tmp_path / "list.mp4", originals, pts_seconds=times)
    write_video(tmp_path / "pairs.mp4", zip(times, originals, strict=True))
    for name, expected in (("rate", np.arange(4) * 1001 / 30000), ("list", times), ("pairs", times)):
        with open_video(tmp_path / f"{name}.mp4") as reader:
            assert np.allclose([frame.pts_seconds for frame in reader.frames()], expected, atol=1e-4)


def test_frames_are_taken_one_at_a_time(tmp_path: Path, pictures: Callable[..., Array]) -> None:
    alive: list[int] = []

    def stream() -> Iterator[Array]:
        for number, picture in enumerate(pictures(5)):
            alive.append(number)
            yield picture

    write_video(tmp_path / "a.mp4", stream(), frame_rate=25)
    assert alive == list(range(5))


def test_bit_rate_and_crf_change_the_size(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (10, 96, 128, 3)).astype(np.uint8)
    sizes = []
    for settings in ({"crf": 10}, {"crf": 40}, {"bit_rate": 50_000}, {"bit_rate": 2_000_000}):
        write_video(tmp_path / "a.mp4", noise, frame_rate=25, **settings)
        sizes.append((tmp_path / "a.mp4").stat().st_size)
    assert sizes[0] > 2 * sizes[1]
    assert sizes[3] > 2 * sizes[2]


# ---- nothing is left half-written


def test_a_failure_leaves_the_old_file(tmp_path: Path, pictures: Callable[..., Array]) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, pictures(3), frame_rate=25)
    before = path.read_bytes()

    def failing() -> Iterator[Array]:
        yield from pictures(2)
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        write_video(path, failing(), frame_rate=25)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_source_that_cannot_be_read_is_not_blamed_on_the_disk(
    tmp_path: Path, pictures: Callable[..., Array]
) -> None:
    def unreadable() -> Iterator[Array]:
        yield pictures(1)[0]
        raise FileNotFoundError("source.png")

    with pytest.raises(FileNotFoundError, match=r"source\.png"):
        write_video(tmp_path / "a.mp4", unreadable(), frame_rate=25)
    assert list(tmp_path.iterdir()) == []


def test_interruption_leaves_nothing(tmp_path: Path, pictures: Callable[..., Array]) -> None:
    def interrupted() -> Iterator[Array]:
        yield pictures(1)[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / "a.mp4", interrupted(), frame_rate=25)
    assert list(tmp_path.iterdir()) == []


class FullDisk(io.BytesIO):
    """Takes some bytes, then has no room left."""

    room = 3000

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)

    def fileno(self) -> int:
        raise AssertionError("never synced: writing failed before")


@pytest.mark.parametrize("room", [0, 100, 3000, 150_000])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, room: int) -> None:
    """Full at the header, among the pictures, or (with much room) only when the file is closed."""
    noise = np.random.default_rng(0).integers(0, 256, (12, 96, 128, 3)).astype(np.uint8)
    write_video(tmp_path / name, noise, frame_rate=25)
    size = (tmp_path / name).stat().st_size
    (tmp_path / name).unlink()
    monkeypatch.setattr(FullDisk, "room", min(room, size - 60))
    monkeypatch.setattr(files, "open", lambda *_: FullDisk(), raising=False)
    with pytest.raises(StorageError, match=r"cannot be written \(No space left on device\)\. Free some space"):
        write_video(tmp_path / name, noise, frame_rate=25)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path, pictures: Callable[..., Array]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        write_video(tmp_path / "file" / "a.mp4", pictures(1), frame_rate=25)


# ---- requests that cannot be


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"codec": "libx246"}, r"unknown video codec 'libx246'.*Did you mean 'libx26"),
        ({"crf": 52}, r"crf is 52; libx264 takes 0 \(best\) to 51 \(worst\)"),
        ({"codec": "mpeg4", "crf": 20}, r"mpeg4 takes no crf; give bit_rate"),
        ({"rotation_degrees": 45}, r"rotation_degrees is 45; it must be a multiple of 90"),
        ({"pixel_format": "rgb24"}, r"libx264 does not take these pictures \(rgb24"),
        ({"pixel_format": "yuv42p"}, r"no pixel format 'yuv42p'"),
        ({"crf": 20, "bit_rate": 1000}, r"exclude each other"),
        ({"colour_space": "bt2020"}, r"colour_space is 'bt2020'"),
    ],
)
def test_settings_that_cannot_be(
    tmp_path: Path, pictures: Callable[..., Array], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        write_video(tmp_path / "a.mp4", pictures(2), frame_rate=25, **settings)
    assert list(tmp_path.iterdir()) == []


def test_sizes_times_and_suffixes_that_cannot_be(tmp_path: Path, pictures: Callable[..., Array]) -> None:
    path = tmp_path / "a.mp4"
    with pytest.raises(ConfigError, match=r"cannot store 97 x 64 pixels as yuv420p.*yuv444p"):
        write_video(path, pictures(2, 97, 64), frame_rate=25)
    with pytest.raises(ConfigError, match="either frame_rate"):
        write_video(path, pictures(2))
    with pytest.raises(ConfigError, match="either frame_rate"):
        write_video(path, pictures(2), frame_rate=25, pts_seconds=[0.0, 1.0])
    with pytest.raises(ConfigError, match=r"picture 1 is at 1\.0 s, not after the one before"):
        write_video(path, pictures(2), pts_seconds=[1.0, 1.0])
    with pytest.raises(ValueError, match="argument"):
        write_video(path, pictures(3), pts_seconds=[0.0, 1.0])
    with pytest.raises(ConfigError, match=r"suffix '\.gif'.*\.mp4"):
        write_video(tmp_path / "a.gif", pictures(2), frame_rate=25)
    with pytest.raises(ConfigError, match="no picture was written"):
        write_video(path, [], frame_rate=25)
    with pytest.raises(ValueError, match=r"all must be \(64, 96, 3\) uint8"):
        write_video(path, [pictures(1)[0], pictures(1, 64, 64)[0]], frame_rate=25)
    with pytest.raises(ConfigError, match=r"webm cannot hold libx264; use \.mkv"):
        write_video(tmp_path / "a.webm", pictures(2), frame_rate=25)
    with pytest.raises(ValueError, match="use `with VideoWriter"):
        VideoWriter(path, frame_rate=25).write(pictures(1)[0])
    assert list(tmp_path.iterdir()) == []


def test_writing_after_the_end_is_an_error_and_no_crash(tmp_path: Path, pictures: Callable[..., Array]) -> None:
    with VideoWriter(tmp_path / "a.mp4", frame_rate=25) as writer:
        writer.write(pictures(1)[0])
    with pytest.raises(ValueError, match="use `with VideoWriter"):
        writer.write(pictures(1)[0])


def test_an_encoder_that_this_build_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODERS, "libnone", encoding.Encoder("libnone", "h264", None, {}))
    assert "libnone" not in available_encoders()
    with pytest.raises(MissingPackageError, match=rf"PyAV {av.__version__} has no encoder 'libnone'.*libx264"):
        encoding.find_encoder("libnone")
