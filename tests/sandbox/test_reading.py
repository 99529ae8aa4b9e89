"""Pictures from a child are those that this process would have decoded, and a child that stops or lies is ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vidfake.corruptions import corrupt_video
from vidfake.errors import DecoderFailedError, StorageError, UnreadableVideoError
from vidfake.faces.limited import open_admitted
from vidfake.sandbox import SandboxLimits, close_children, extract_in_child, extraction, open_in_child, process
from vidfake.settings import ExtractSettings
from vidfake.types import FaceClip
from vidfake.video.limits import VideoLimits
from vidfake.video.source import Picture

SETTINGS = ExtractSettings(crop_size=64, num_frames=4, min_frames=2, clip_interval_seconds=0.5)
# an honest child, but for one line that stands where `{}` is
RIGGED = (
    "import sys, json; config = json.loads(sys.argv[1]); sys.path[:] = config['sys_path']; "
    "from vidfake.sandbox import child, wire; send = child._Server.send\n"
    "def rigged(self, kind, header, payload=()):\n"
    "    {}\n"
    "    send(self, kind, header, payload)\n"
    "child._Server.send = rigged; child.main(config)"
)


def assert_same(found: list[Picture], expected: list[Picture]) -> None:
    assert [p.index for p in found] == [p.index for p in expected]
    assert [p.pts_seconds for p in found] == [p.pts_seconds for p in expected]
    assert all(np.array_equal(a.rgb(), b.rgb()) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("limits", [VideoLimits(), VideoLimits(max_frames=7), VideoLimits(max_frame_rate=10)])
def test_the_same_pictures_at_the_same_times(face_video: Path, limits: VideoLimits) -> None:
    with (
        open_in_child(face_video, limits=SandboxLimits(video=limits)) as there,
        open_admitted(face_video, limits) as here,
    ):
        assert there.info == here.info
        found, expected = list(there.frames()), list(here.frames())
    assert len(expected) > 5
    assert_same(found, expected)


def _fail_at(picture: Picture) -> None:
    raise StorageError(f"full at picture {picture.index}")


def test_a_photograph_is_one_picture(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (31, 47, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    with open_in_child(tmp_path / "a.png", photo=True) as reader:
        (only,) = reader.frames()
        assert (reader.info.width, reader.info.height) == (47, 31)
    assert np.array_equal(only.rgb(), picture)
    with pytest.raises(UnreadableVideoError, match="still image"), open_in_child(tmp_path / "a.png"):
        pass


def test_whoever_stops_early_ends_the_child_and_the_next_file_is_read(face_video: Path) -> None:
    close_children()
    with open_in_child(face_video) as reader:
        next(reader.frames())
    assert extraction._idle == []
    with pytest.raises(StorageError), open_in_child(face_video) as reader:
        _fail_at(next(reader.frames()))
    assert extraction._idle == []
    with open_in_child(face_video) as reader:
        assert sum(1 for _ in reader.frames()) == 60
    assert len(extraction._idle) == 1  # done with the file: kept


def test_a_receiver_that_fails_in_the_middle_leaves_no_messages_to_the_next_file(face_video: Path) -> None:
    def full(clip: FaceClip) -> None:
        raise StorageError("full")

    with pytest.raises(StorageError):
        extract_in_child(face_video, SETTINGS, on_clip=full)
    assert extract_in_child(face_video, SETTINGS, on_clip=lambda clip: None).num_clips > 2


@pytest.fixture
def rigged(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    close_children()
    yield monkeypatch
    close_children()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("header = dict(header, index=0) if kind == 7 else header", "index is 0"),
        ("payload = payload[:0] if kind == 7 else payload", "too short"),
        ("header = dict(header, num_frames=1) if kind == 4 else header", "num_frames is 1"),
        ("kind = 3 if kind == 6 else kind", "before the facts"),
    ],
)
def test_a_child_that_lies_is_found_out(
    face_video: Path, rigged: pytest.MonkeyPatch, line: str, words: str
) -> None:
    rigged.setattr(process, "_BOOT", RIGGED.format(line))
    with pytest.raises(DecoderFailedError, match=words), open_in_child(face_video) as reader:
        for _ in reader.frames():
            pass
    assert extraction._idle == []


def test_a_damaged_copy_is_the_same_and_a_failing_child_leaves_none(
    face_video: Path, tmp_path: Path, rigged: pytest.MonkeyPatch
) -> None:
    corrupt_video(face_video, tmp_path / "here.mkv", "GNC", severity=3)
    corrupt_video(face_video, tmp_path / "there.mkv", "GNC", severity=3, opener=open_in_child)
    with open_admitted(tmp_path / "there.mkv") as there, open_admitted(tmp_path / "here.mkv") as here:
        assert_same(list(there.frames()), list(here.frames()))
    close_children()
    rigged.setattr(process, "_BOOT", RIGGED.format("kind == 7 and header['index'] == 9 and child.os._exit(3)"))
    with pytest.raises(DecoderFailedError, match="ended with code 3"):
        corrupt_video(face_video, tmp_path / "none.mkv", "GNC", severity=3, opener=open_in_child)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["here.mkv", "there.mkv"]
