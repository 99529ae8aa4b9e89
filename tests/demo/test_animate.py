"""The animated portrait: repeatable, moving, still a face where it says; and what is rendered back into a video."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from vidfake.data.render import paste, render_copy, render_fake
from vidfake.demo.animate import animate
from vidfake.demo.media import own_videos, portrait
from vidfake.errors import MediaError, UsageError
from vidfake.faces.align import crop_transform, warp
from vidfake.faces.detect import build_detector
from vidfake.settings import ExtractSettings
from vidfake.synth import MAKERS
from vidfake.types import ByteArray, Face
from vidfake.video.reader import open_video
from vidfake.video.writer import write_video


@pytest.fixture(scope="module")
def face() -> Face:
    return build_detector(ExtractSettings()).detect(portrait())[0]


def frames_of(face: Face, seed: int, count: int = 20) -> list[ByteArray]:
    return list(animate(portrait(), face, seed=seed, num_frames=count, frame_rate=25, side=240))


def test_scenes_repeat_differ_and_move(face: Face) -> None:
    first = frames_of(face, 0)
    assert all(np.array_equal(a, b) for a, b in zip(first, frames_of(face, 0), strict=True))
    assert not np.array_equal(first[0], frames_of(face, 1)[0])
    change = [np.abs(a.astype(int) - b).mean() for a, b in itertools.pairwise(first)]
    assert min(change) > 0.2, "noise and motion in every frame"
    found = build_detector(ExtractSettings()).detect(first[10])
    assert len(found) == 1
    assert found[0].confidence > 0.8


def test_paste_changes_nothing_without_mask_and_returns_the_face_within(face: Face) -> None:
    picture = frames_of(face, 2, 1)[0]
    landmarks = build_detector(ExtractSettings()).detect(picture)[0].landmarks
    matrix = crop_transform(landmarks, crop_size=128, margin=1.3)
    crop = warp(picture, matrix, crop_size=128)
    assert np.array_equal(paste(picture, crop, np.zeros((128, 128), np.float32), matrix), picture)
    mask = np.zeros((128, 128), np.float32)
    mask[40:90, 40:90] = 1
    green = np.full_like(crop, (0, 255, 0))
    pasted = paste(picture, green, mask, matrix)
    again = warp(pasted, matrix, crop_size=128)
    assert np.abs(again[45:85, 45:85].astype(int) - green[45:85, 45:85]).max() <= 2
    assert np.abs(again[:35].astype(int) - crop[:35]).max() <= 2


def test_a_rendered_fake_differs_from_its_copy_in_the_face_only(face: Face, tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    write_video(source, frames_of(face, 3, 25), frame_rate=25, crf=10)
    made = render_fake(
        source, tmp_path / "fake.mp4", MAKERS.build("self_blend", least_ratio=1.0), seed=1,
        settings=ExtractSettings(crop_size=128), crf=4,
    )  # fmt: skip
    assert render_copy(source, tmp_path / "copy.mp4", crf=4) == made.num_frames == 25
    assert made.num_manipulated == 25
    with open_video(tmp_path / "fake.mp4") as fake, open_video(tmp_path / "copy.mp4") as copy:
        for a, b in zip(fake.frames(), copy.frames(), strict=True):
            change = np.abs(a.rgb().astype(int) - b.rgb()).max(axis=2)
            x0, y0, x1, y1 = (round(v) for v in build_detector(ExtractSettings()).detect(b.rgb())[0].box)
            outside = np.ones(change.shape, bool)
            outside[max(0, y0 - 25) : y1 + 25, max(0, x0 - 25) : x1 + 25] = False
            assert change[outside].mean() < 1.0
            assert change[y0:y1, x0:x1].mean() > 2.0


def test_a_video_without_a_face_cannot_be_faked(tmp_path: Path) -> None:
    path = tmp_path / "grey.mp4"
    write_video(path, (np.full((64, 64, 3), 90, np.uint8) for _ in range(10)), frame_rate=25)
    with pytest.raises(MediaError, match="no face"):
        render_fake(path, tmp_path / "x.mp4", MAKERS.build("self_blend"), seed=0, settings=ExtractSettings())
    assert not (tmp_path / "x.mp4").exists()


def test_too_few_videos_of_the_user_are_refused(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", (np.full((64, 64, 3), 90, np.uint8) for _ in range(3)), frame_rate=25)
    with pytest.raises(UsageError, match="at least 5"):
        own_videos(tmp_path, most=10)
