"""Fakes in whole files: the face differs and nothing else, times stay, and nothing is half-written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vidfake.data import render_faces
from vidfake.data.decoding import Decoding
from vidfake.data.render import Donor, render_copy, render_fake
from vidfake.data.render_faces import MAX_SIDE, crop_side, paste
from vidfake.demo.media import portrait
from vidfake.errors import MakerError, MediaError, StorageError, UnknownNameError, UsageError
from vidfake.faces.align import crop_transform, warp
from vidfake.faces.detect import build_detector
from vidfake.settings import ExtractSettings
from vidfake.synth.animate import animate
from vidfake.types import ByteArray, Face
from vidfake.video.reader import open_video
from vidfake.video.source import FrameSource, Picture
from vidfake.video.writer import write_video

SETTINGS = ExtractSettings(crop_size=96)
HERE = Decoding(sandbox=False)
TIMES = [1.5 + 0.04 * i + (0.02 if i > 6 else 0) for i in range(14)]  # late, and not at one rate


@pytest.fixture(scope="module")
def face() -> Face:
    return build_detector(ExtractSettings()).detect(portrait())[0]


def moving(face: Face, seed: int, count: int, side: int = 240) -> list[ByteArray]:
    return list(animate(portrait(), face, seed=seed, num_frames=count, frame_rate=25, side=side))


@pytest.fixture(scope="module")
def video(face: Face, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two faces side by side, an odd number of pixels high; the right one goes after nine of fourteen frames."""
    path = tmp_path_factory.mktemp("video") / "two.mkv"
    left, right = moving(face, 0, 14), moving(face, 1, 14)
    right[9:] = [np.full_like(right[0], 60)] * 5
    pictures = [np.concatenate(pair, axis=1)[:239] for pair in zip(left, right, strict=True)]
    write_video(path, pictures, pts_seconds=TIMES, codec="ffv1", pixel_format="bgr0")
    return path


def pictures(path: Path) -> tuple[list[float], np.ndarray]:
    with open_video(path) as reader:
        found = [(frame.pts_seconds, frame.rgb().astype(int)) for frame in reader.frames()]
    return [seconds for seconds, _ in found], np.stack([rgb for _, rgb in found])


def test_all_tracks_change_under_the_mask_only_and_at_the_same_times(video: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.mp4" for name in ("fake", "mask", "real")}
    made = render_fake(
        video, files["fake"], "self_blend", seed=3, settings=SETTINGS, tracks="all", mask=files["mask"],
        real=files["real"], crf=0,
    )  # fmt: skip
    assert [t.num_frames for t in made.tracks] == [14, 9]
    assert (made.num_frames, made.skipped) == (14, {})
    times, fake = pictures(files["fake"])
    assert np.allclose(times, TIMES, atol=1e-4)
    assert fake.shape == (14, 238, 480, 3)
    same_times, real = pictures(files["real"])
    assert same_times == times
    changed = np.abs(fake - real).max(axis=3) > 8
    mask = pictures(files["mask"])[1].max(axis=3) > 0
    grown = mask.copy()  # H.264 keeps one colour for four pixels
    for shift in (-1, 1):
        grown |= np.roll(mask, shift, 1) | np.roll(mask, shift, 2)
    assert not (changed & ~grown).any()
    for part, frames in ((np.s_[:, :, :240], 14), (np.s_[:, :, 240:], 9)):
        assert changed[part].any(axis=(1, 2)).sum() == frames
        assert mask[part].any(axis=(1, 2)).sum() == frames
    assert render_copy(video, tmp_path / "copy.mp4", crf=0) == 14
    assert (tmp_path / "copy.mp4").read_bytes() == files["real"].read_bytes()


def test_a_track_s_fake_is_its_own_whatever_else_is_asked_for(video: Path, tmp_path: Path) -> None:
    def fake(tracks: Any, decoding: Decoding = HERE, seed: int = 3) -> Any:
        out = tmp_path / "out.mp4"
        made = render_fake(
            video, out, "resynthesis", seed=seed, settings=SETTINGS, tracks=tracks, decoding=decoding
        )
        return {t.track_id: t.parameters for t in made.tracks}, out.read_bytes()

    both, data = fake("all")
    first, second = both
    assert fake((second,))[0] == {second: both[second]}
    assert fake("longest")[0] == {first: both[first]}
    assert fake("all", Decoding(sandbox=True)) == (both, data)
    assert fake("all", seed=4)[0] != both


def test_another_person_s_face(video: Path, face: Face, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no donor is given"):
        render_fake(video, tmp_path / "x.mp4", "swap_warp", seed=0, settings=SETTINGS, decoding=HERE)
    Image.fromarray(portrait()).save(tmp_path / "donor.png")
    donor = Donor(tmp_path / "donor.png", SETTINGS, HERE)
    made = render_fake(
        video, tmp_path / "x.mp4", "resynthesis+cross_blend", seed=0, settings=SETTINGS, decoding=HERE, donor=donor
    )
    parts = made.tracks[0].parameters["parts"]
    assert [part["maker"] for part in parts] == ["resynthesis", "cross_blend"]
    assert set(parts[1]["frames"]) == {0}


def test_a_photograph_is_a_clip_of_one_frame(tmp_path: Path) -> None:
    photo = tmp_path / "face.jpg"
    Image.fromarray(portrait()[:511]).save(photo, quality=95)
    out, mask = tmp_path / "fake.png", tmp_path / "mask.png"
    made = render_fake(photo, out, "self_blend", seed=0, settings=SETTINGS, mask=mask, real=tmp_path / "real.png")
    assert made.num_frames == made.tracks[0].num_frames == 1
    with Image.open(out) as fake, Image.open(tmp_path / "real.png") as real, Image.open(photo) as source:
        assert fake.size == (512, 510)
        assert np.array_equal(np.asarray(real), np.asarray(source)[:510])
        changed = (np.asarray(fake) != np.asarray(real)).any(axis=2)
    with Image.open(mask) as shown:
        assert changed.any()
        assert not (changed & (np.asarray(shown)[..., 0] == 0)).any()
    with pytest.raises(MakerError, match=r"needs 2 frames, and track 0 has 1\. Makers that take one frame.*self_"):
        render_fake(photo, tmp_path / "x.png", "flicker_blend", seed=0, settings=SETTINGS)


def test_what_cannot_be_done_is_said_and_nothing_is_written(video: Path, tmp_path: Path) -> None:
    grey = tmp_path / "grey.mp4"
    write_video(grey, (np.full((64, 64, 3), 90, np.uint8) for _ in range(10)), frame_rate=25)
    out = tmp_path / "x.mp4"
    with pytest.raises(MediaError, match="no face"):
        render_fake(grey, out, "self_blend", seed=0, settings=SETTINGS, decoding=HERE)
    with pytest.raises(UsageError, match=r"no track 77\. Tracks there: \d+ \(1\.50-2\.04 s\)"):
        render_fake(video, out, "self_blend", seed=0, settings=SETTINGS, tracks=(77,), decoding=HERE)
    with pytest.raises(UnknownNameError, match="self_blend"):
        render_fake(video, out, "self_blnd", seed=0, settings=SETTINGS, decoding=HERE)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["grey.mp4"]


@dataclass(frozen=True)
class Failing(Decoding):
    """Reads well twice, and fails in the middle of the last pass, in which the files are written."""

    sandbox: bool = False
    passes: Any = None

    @contextlib.contextmanager
    def open(self, path: Path | str) -> Iterator[FrameSource]:
        self.passes.append(path)
        with Decoding(sandbox=False).open(path) as source:
            yield Broken(source) if len(self.passes) == 2 else source


@dataclass(frozen=True)
class Broken:
    source: FrameSource

    @property
    def info(self) -> Any:
        return self.source.info

    def frames(self) -> Iterator[Picture]:
        for picture in self.source.frames():
            if picture.index == 5:
                raise StorageError("the disk is gone")
            yield picture


def test_a_failure_in_the_middle_leaves_no_file(video: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="disk is gone"):
        render_fake(
            video, tmp_path / "a.mp4", "self_blend", seed=0, settings=SETTINGS, mask=tmp_path / "b.mp4",
            decoding=Failing(passes=[]),
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_crops_are_as_large_as_the_faces_and_as_memory_allows(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = HERE.tracks(video, SETTINGS)
    track = found.tracks[0]
    width = np.median(track.boxes[:, 2:] - track.boxes[:, :2])
    side = crop_side("a", [track], found.info, SETTINGS)
    assert side % 16 == 0
    assert abs(side - SETTINGS.margin * width) < 48
    large = replace(track, landmarks=track.landmarks * 9, boxes=track.boxes * 9)
    assert crop_side("a", [large], found.info, SETTINGS) == MAX_SIDE
    small = replace(track, landmarks=track.landmarks / 9, boxes=track.boxes / 9)
    assert crop_side("a", [small], found.info, SETTINGS) == SETTINGS.crop_size
    monkeypatch.setattr(render_faces, "_MAX_PIXELS", 14 * 200**2)
    assert crop_side("a", [large], found.info, SETTINGS) == 192
    monkeypatch.setattr(render_faces, "_MAX_PIXELS", 13 * 96**2)
    with pytest.raises(UsageError, match=r"a: 14 faces are seen; at most 13 of 96 x 96"):
        crop_side("a", [large], found.info, SETTINGS)


def test_paste_changes_nothing_without_mask_and_returns_the_face_within(face: Face) -> None:
    picture = moving(face, 2, 1)[0]
    landmarks = build_detector(ExtractSettings()).detect(picture)[0].landmarks
    green_of = np.array((0, 255, 0))
    for shift in (0, -90):  # in the picture, and half out of it
        matrix = crop_transform(landmarks + shift, crop_size=128, margin=1.3)
        crop = warp(picture, matrix, crop_size=128)
        assert np.array_equal(paste(picture, crop, np.zeros((128, 128), np.float32), matrix), picture)
        mask = np.zeros((128, 128), np.float32)
        mask[70:110, 70:110] = 1
        pasted = paste(picture, np.full_like(crop, green_of), mask, matrix)
        again = warp(pasted, matrix, crop_size=128)
        assert np.abs(again[75:105, 75:105].astype(int) - green_of).max() <= 2
        assert np.abs(again[:65].astype(int) - crop[:65]).max() <= 2
    far = crop_transform(landmarks + 5000, crop_size=128, margin=1.3)
    assert np.array_equal(paste(picture, crop, np.ones((128, 128), np.float32), far), picture)
