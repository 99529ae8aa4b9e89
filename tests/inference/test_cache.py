"""Clips on disk: the same to the last bit, bounded, never a half file, never a foreign one believed."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_clips import assert_same, clip, result

from vidfake.errors import StorageError, UnreadableVideoError
from vidfake.faces.extract import ExtractionResult
from vidfake.inference.cache import START, ClipCache
from vidfake.inference.profiles import BALANCED, PROFILES
from vidfake.settings import ExtractSettings
from vidfake.types import FaceClip, Region

SETTINGS = ExtractSettings(crop_size=32, num_frames=4, min_frames=2)
CONTENT = "ab" * 32


class Video:
    """Something to extract, that counts how often it was."""

    def __init__(self, clips: list[FaceClip]) -> None:
        self.clips, self.times = clips, 0

    def __call__(self, on_clip: Callable[[FaceClip], None]) -> ExtractionResult:
        self.times += 1
        for one in self.clips:
            on_clip(one)
        return result(num_clips=len(self.clips))


def ask(cache: ClipCache, video: Callable[..., ExtractionResult], content: str = CONTENT, **kwargs: Any) -> Any:
    found: list[FaceClip] = []
    settings = kwargs.pop("settings", SETTINGS)
    region = kwargs.pop("region", None)
    extraction, cached = cache.extract(content, settings, region=region, on_clip=found.append, make=video)
    return found, extraction, cached


def test_what_comes_back_is_what_was_made(tmp_path: Path) -> None:
    cache, video = ClipCache(tmp_path), Video([clip(0), clip(1, count=2)])
    first, made, cached = ask(cache, video)
    assert not cached
    again, found, cached = ask(ClipCache(tmp_path), video)
    assert cached
    assert video.times == 1
    assert_same(found, made)
    assert found.timings == made.timings
    for one, two, original in zip(first, again, video.clips, strict=True):
        assert_same(one, original)
        assert_same(one, two)


@pytest.mark.parametrize(
    "other",
    [
        {"content": "cd" * 32},
        {"settings": dataclasses.replace(SETTINGS, clip_interval_seconds=1.0)},
        {"region": Region(0, 0, 10, 10)},
    ],
    ids=["another video", "other settings", "another region"],
)
def test_anything_else_is_not_taken_for_it(tmp_path: Path, other: dict[str, Any]) -> None:
    cache, video = ClipCache(tmp_path), Video([clip(0)])
    ask(cache, video)
    assert not ask(cache, video, **other)[2]
    assert video.times == 2


def test_another_version_of_the_package_makes_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, video = ClipCache(tmp_path), Video([clip(0)])
    ask(cache, video)
    monkeypatch.setattr("vidfake.__version__", "999.0")
    assert not ask(cache, video)[2]


def test_every_damaged_byte_and_every_cut_is_noticed(tmp_path: Path) -> None:
    cache, video = ClipCache(tmp_path), Video([clip(0)])
    ask(cache, video)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    broken = [whole[:n] for n in (0, 1, len(START), 60, len(whole) - 1)] + [whole + b"\0"]
    for place in rng.integers(0, len(whole), 60).tolist():
        broken.append(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    for data in broken:
        path.write_bytes(data)
        found, _, cached = ask(cache, video)
        assert not cached
        assert_same(found[0], video.clips[0])
        assert path.read_bytes() == whole, "it was replaced"


@pytest.mark.parametrize("change", ["nothing", "header", "clips", "huge"])
def test_a_forged_file_with_a_right_digest_is_refused(tmp_path: Path, change: str) -> None:
    cache, video = ClipCache(tmp_path), Video([clip(0)])
    ask(cache, video)
    (path,) = tmp_path.iterdir()
    body = path.read_bytes()[:-32]
    forged = {
        "nothing": START,
        "header": body.replace(b'"num_faces": 3', b'"num_faces": 9'),
        "clips": body.replace(b'"num_clips": 1', b'"num_clips": 2'),
        "huge": START + bytes([3]) + (20).to_bytes(4, "big") + (1 << 60).to_bytes(8, "big") + b"{}",
    }[change]
    assert forged != body
    path.write_bytes(forged + hashlib.sha256(forged).digest())
    with pytest.raises(StorageError, match="Delete this file"):
        ask(cache, video)


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fails(on_clip: Callable[[FaceClip], None]) -> ExtractionResult:
        on_clip(clip(0))
        raise UnreadableVideoError("broken in the middle")

    with pytest.raises(UnreadableVideoError):
        ask(ClipCache(tmp_path), fails)
    assert not list(tmp_path.iterdir())


def test_its_size_is_bounded_and_the_longest_unused_goes_first(tmp_path: Path) -> None:
    video = Video([clip(0)])
    ask(ClipCache(tmp_path), video)
    size = next(tmp_path.iterdir()).stat().st_size
    note = tmp_path / "note.txt"
    note.write_text("a user's own file")
    abandoned = tmp_path / ".0000.clips.77.tmp"
    abandoned.write_bytes(b"x")
    os.utime(abandoned, (0, 0))
    cache = ClipCache(tmp_path, max_bytes=size * 5 // 2)
    ask(cache, video, "11" * 32)
    for path in tmp_path.glob("*.clips"):
        os.utime(path, (1000, 1000))
    assert ask(cache, video)[2], "used just now"
    ask(cache, video, "22" * 32)
    assert len(list(tmp_path.glob("*.clips"))) == 2
    assert ask(cache, video)[2], "still there: the other one was unused for longer"
    assert note.exists()
    assert not abandoned.exists()
    ask(ClipCache(tmp_path, max_bytes=1), video, "33" * 32)
    assert not list(tmp_path.glob("*.clips"))


def test_profiles_change_how_many_clips_and_nothing_else() -> None:
    own = ExtractSettings(num_frames=8, clip_interval_seconds=3.0, max_clips=10)
    assert BALANCED.extract(own) is own
    for profile in PROFILES.values():
        changed = profile.extract(own)
        back = dataclasses.replace(
            changed, clip_interval_seconds=own.clip_interval_seconds, max_clips=own.max_clips
        )
        assert back == own
    fast, thorough = PROFILES["fast"].extract(own), PROFILES["thorough"].extract(own)
    assert (fast.clip_interval_seconds, fast.max_clips) == (6.0, 2)
    assert (thorough.clip_interval_seconds, thorough.max_clips) == (1.5, 20)
