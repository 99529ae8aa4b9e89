"""Clip store: what is read is what was written, plain `tar` reads it too, and hostile files give StoreError."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import struct
import subprocess
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_stores import SETTINGS, make_clip, make_record, write_store

from vidfake.data import store_format as fmt
from vidfake.data.locking import writer_lock
from vidfake.data.store import ClipStore
from vidfake.data.store_writer import ShardWriter, StoreWriter
from vidfake.errors import StorageError, StoreError
from vidfake.files import dump_json
from vidfake.types import Region


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with its hash."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_faces_and_details_come_back_exactly(tmp_path: Path) -> None:
    clips = [make_clip(1, track_id=t, clip_index=c, num_faces=n) for t, c, n in ((0, 0, 6), (0, 1, 2), (3, 0, 5))]
    record = replace(make_record("vidéo/1", 1, split="test"), region=Region(1, 2, 3, 4), extra={"b": "x", "a": ""})
    store = ClipStore(write_store(tmp_path / "s", [(record, clips)]))
    assert store.settings == SETTINGS
    assert [video.record for video in store.videos] == [record]
    assert [(c.track_id, c.clip_index, c.num_faces) for c in store.clips] == [(0, 0, 6), (0, 1, 2), (3, 0, 5)]
    for stored, clip in zip(store.clips, clips, strict=True):
        assert np.array_equal(store.read_faces(stored), clip.faces)
        assert np.array_equal(store.read_faces(stored, slice(1, 2)), clip.faces[1:2])
        assert tuple(store.read_encoded(stored)) == clip.encoded
        details = store.details(stored)
        for name in ("pts_seconds", "frame_indices", "boxes", "landmarks", "crop_landmarks"):
            assert np.array_equal(getattr(details, name), getattr(clip, name)), name
        assert np.array_equal(stored.pts_seconds, clip.pts_seconds)
        assert details.quality.keys() == clip.quality.keys()
        assert np.array_equal(details.quality["sharpness"], clip.quality["sharpness"])


@pytest.mark.parametrize("quality", [95, 0])
def test_a_clip_without_bytes_is_encoded_by_the_store(tmp_path: Path, quality: int) -> None:
    settings = replace(SETTINGS, jpeg_quality=quality)
    clip = replace(make_clip(1), encoded=())
    with StoreWriter(tmp_path, settings) as writer:
        with ShardWriter(tmp_path, make_record("a"), settings) as shard:
            shard.add_clip(clip)
            shard.finish(status="ok")
        writer.finish()
    store = ClipStore(tmp_path)
    difference = np.abs(store.read_faces(store.clips[0]).astype(int) - clip.faces)
    assert difference.max() == 0 if quality == 0 else 0 < difference.mean() < 3
    with tarfile.open(next(tmp_path.glob("shards/*/*.tar"))) as archive:
        suffix = {name.rpartition(".")[2] for name in archive.getnames()}
    assert suffix == {"png" if quality == 0 else "jpg"}


def test_shards_are_plain_tar_with_the_offsets_of_the_record(small_store: ClipStore, tmp_path: Path) -> None:
    tars = sorted(small_store.path.glob("shards/*/*.tar"))
    assert len(tars) == 5
    for path in tars:
        record = json.loads(path.with_suffix(".json").read_text())
        faces = {
            f"{clip['track_id']:04d}-{clip['clip_index']:04d}/{i:03d}.jpg": face
            for clip in record["clips"]
            for i, face in enumerate(clip["faces"])
        }
        data = path.read_bytes()
        assert record["tar_bytes"] == len(data)
        assert record["tar_sha256"] == hashlib.sha256(data).hexdigest()
        with tarfile.open(path, "r:") as archive:
            members = archive.getmembers()
        assert [m.name for m in members] == list(faces)
        for member in members:
            face = faces[member.name]
            assert (member.offset_data, member.size) == (face["offset"], face["length"])
            assert hashlib.sha256(data[member.offset_data :][: member.size]).hexdigest() == face["sha256"]
            assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o644)
        for clip in record["clips"]:
            part = data[clip["offset"] : clip["offset"] + clip["length"]]
            assert hashlib.sha256(part).hexdigest() == clip["sha256"]
    if shutil.which("tar"):
        subprocess.run(["tar", "xf", tars[0], "-C", tmp_path], check=True, capture_output=True)
        record = json.loads(tars[0].with_suffix(".json").read_text())
        first = (tmp_path / "0000-0000" / "000.jpg").read_bytes()
        assert hashlib.sha256(first).hexdigest() == record["clips"][0]["faces"][0]["sha256"]


def test_order_of_writing_does_not_matter(tmp_path: Path) -> None:
    videos = [(make_record(f"v{i}"), [make_clip(i, clip_index=k) for k in range(2)]) for i in range(4)]
    write_store(tmp_path / "one" / "s", videos)
    write_store(tmp_path / "two" / "s", videos[::-1])
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert not list((tmp_path / "one").rglob(".*"))
    assert ClipStore(tmp_path / "one" / "s").content_hash == ClipStore(tmp_path / "two" / "s").content_hash


def test_a_video_without_clips_is_listed(small_store: ClipStore) -> None:
    statuses = {video.video_id: video.status for video in small_store.videos}
    assert statuses == {"a": "ok", "a-swap": "ok", "b": "ok", "b-swap": "ok", "c": "ok", "empty": "no_face"}
    assert len(small_store.clips) == 15
    assert not fmt.tar_path(small_store.path, fmt.key_of("empty")).exists()


def test_a_store_is_pickled_by_its_path(small_store: ClipStore) -> None:
    data = pickle.dumps(small_store)
    assert len(data) < 500
    again = pickle.loads(data)
    assert np.array_equal(again.read_faces(again.clips[4]), small_store.read_faces(small_store.clips[4]))


def test_store_and_videos_can_be_moved_together(tmp_path: Path) -> None:
    record = replace(make_record("a"), path=str(tmp_path / "here" / "a.mp4"))
    write_store(tmp_path / "here" / "s", [(record, [make_clip(1)])])
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert ClipStore(tmp_path / "there" / "s").videos[0].record.path == str(tmp_path / "there" / "a.mp4")


def test_other_settings_are_named_old_and_new(small_store: ClipStore) -> None:
    wanted = replace(SETTINGS, margin=1.5, crop_size=64)
    message = r"extract.margin: 1.3 -> 1.5; extract.crop_size: 32 -> 64"
    with pytest.raises(StoreError, match=message):
        ClipStore(small_store.path, settings=wanted)
    with pytest.raises(StoreError, match=message), StoreWriter(small_store.path, wanted):
        pass
    assert ClipStore(small_store.path, settings=SETTINGS).settings == SETTINGS


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("words")
    with (
        pytest.raises(StoreError, match=r"holds thesis.txt and is not a clip store"),
        StoreWriter(tmp_path, SETTINGS),
    ):
        pass
    with (
        pytest.raises(StoreError, match="is a file"),
        StoreWriter(tmp_path / "thesis.txt", SETTINGS),
    ):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such clip store"):
        ClipStore(tmp_path / "none")
    with pytest.raises(StoreError, match="is not a clip store"):
        ClipStore(tmp_path)


def test_an_unfinished_store_says_so(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, SETTINGS), ShardWriter(tmp_path, make_record("a"), SETTINGS) as shard:
        shard.add_clip(make_clip(1))
        shard.finish(status="ok")
    with pytest.raises(StoreError, match=r"is not finished.*goes on"):
        ClipStore(tmp_path)


def test_a_video_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def break_off() -> None:
        with ShardWriter(tmp_path, make_record("a"), SETTINGS) as shard:
            shard.add_clip(make_clip(1))
            raise RuntimeError

    with StoreWriter(tmp_path, SETTINGS):
        with pytest.raises(RuntimeError):
            break_off()
        with ShardWriter(tmp_path, make_record("b"), SETTINGS) as shard:
            shard.add_clip(make_clip(1))
            shard.abandon()
            shard.finish(status="unreadable", reason="why")
    left = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "store.json"]
    assert left == [fmt.record_path(tmp_path, fmt.key_of("b"))]
    assert json.loads(left[0].read_text())["clips"] == []


def test_two_writers_of_one_store(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, SETTINGS):
        with pytest.raises(StoreError, match="another process is writing"), StoreWriter(tmp_path, SETTINGS):
            pass
        with pytest.raises(StoreError, match="another"), StoreWriter(tmp_path, SETTINGS, shard=(0, 2)):
            pass
    with StoreWriter(tmp_path, SETTINGS, shard=(0, 2)), StoreWriter(tmp_path, SETTINGS, shard=(1, 2)):
        with pytest.raises(StoreError, match="another"), StoreWriter(tmp_path, SETTINGS, shard=(1, 2)):
            pass
        with pytest.raises(StoreError, match="another"), StoreWriter(tmp_path, SETTINGS):
            pass
    with StoreWriter(tmp_path, SETTINGS):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["store.json"]


def test_a_lock_left_by_a_killed_process_holds_nobody(tmp_path: Path) -> None:
    (tmp_path / ".writing").touch()
    with writer_lock(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_shards_share_the_videos(tmp_path: Path) -> None:
    keys = [fmt.key_of(f"v{i}") for i in range(50)]
    with StoreWriter(tmp_path, SETTINGS, shard=(0, 3)) as a, StoreWriter(tmp_path, SETTINGS, shard=(1, 3)) as b:
        owners = [(a.owns(key), b.owns(key)) for key in keys]
    assert {(True, False), (False, True), (False, False)} == set(owners)


def test_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be made"), StoreWriter(tmp_path / "file" / "s", SETTINGS):
        pass


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quality": {"sharpness": np.full(6, np.nan)}}, "NaN or infinite"),
        ({"boxes": np.full((6, 4), np.inf)}, "NaN or infinite"),
    ],
)
def test_clips_with_bad_numbers_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with (
        StoreWriter(tmp_path, SETTINGS),
        pytest.raises(StoreError, match=message),
        ShardWriter(tmp_path, make_record("a"), SETTINGS) as shard,
    ):
        shard.add_clip(replace(make_clip(1), **change))


def test_clips_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, SETTINGS), ShardWriter(tmp_path, make_record("a"), SETTINGS) as shard:
        with pytest.raises(StoreError, match="a clip of 7 faces; the store takes 1 to 6"):
            shard.add_clip(make_clip(1, num_faces=7))
        shard.add_clip(make_clip(1))
        with pytest.raises(StoreError, match="clip 0000-0000 came twice"):
            shard.add_clip(make_clip(2))
        shard.abandon()
        shard.finish(status="no_face")


# --- hostile files ---------------------------------------------------------------------------------------------


def edit_index(store: Path, change: Callable[[Any], Any]) -> None:
    index = json.loads((store / "index.json").read_text())
    change(index)
    (store / "index.json").write_text(json.dumps(index))


def first_clip(index: Any) -> Any:
    return index["videos"][0]["clips"][0]


def setting(place: Callable[[Any], Any], key: str, value: Any) -> Callable[[Any], None]:
    return lambda index: place(index).__setitem__(key, value)


def video(index: Any) -> Any:
    return index["videos"][0]


def row(index: Any) -> Any:
    return index["videos"][0]["video"]


HOSTILE = {
    "version": setting(lambda i: i, "format_version", 2),
    "no_videos": lambda i: i.pop("videos"),
    "videos_are_text": setting(lambda i: i, "videos", "all"),
    "video_is_a_list": lambda i: i["videos"].__setitem__(0, []),
    "video_twice": lambda i: i["videos"].append(i["videos"][0]),
    "status": setting(video, "status", "fine"),
    "reason": setting(video, "reason", None),
    "tar_bytes_text": setting(video, "tar_bytes", "1"),
    "tar_bytes_small": setting(video, "tar_bytes", 10),
    "tar_bytes_true": setting(video, "tar_bytes", True),
    "record_hash": setting(video, "record_sha256", "../../x"),
    "label_two": setting(row, "label", 2),
    "label_true": setting(row, "label", True),
    "row_key": setting(row, "shell", "rm"),
    "row_missing": lambda i: row(i).pop("path"),
    "row_region": setting(row, "region", "1 2 3"),
    "row_region_empty": setting(row, "region", "1 2 0 0"),
    "row_extra": setting(row, "extra", {"x": 1}),
    "clips_missing": lambda i: video(i).pop("clips"),
    "lengths_empty": setting(first_clip, "lengths", []),
    "lengths_many": setting(first_clip, "lengths", [1] * 7),
    "length_huge": setting(first_clip, "lengths", [2**40] * 6),
    "length_negative": setting(first_clip, "lengths", [-1] * 6),
    "length_float": setting(first_clip, "lengths", [10.5] * 6),
    "offset_negative": setting(first_clip, "offset", -512),
    "offset_odd": setting(first_clip, "offset", 100),
    "offset_beyond": setting(first_clip, "offset", 512 * 10**6),
    "offset_bigint": setting(first_clip, "offset", 10**300),
    "hash": setting(first_clip, "sha256", "0" * 63),
    "pts_text": setting(first_clip, "pts_seconds", ["a"] * 6),
    "pts_short": setting(first_clip, "pts_seconds", [0.0]),
    "pts_equal": setting(first_clip, "pts_seconds", [0.0] * 6),
    "pts_huge": setting(first_clip, "pts_seconds", [0, 1, 2, 3, 4, 10**400]),
    "track_negative": setting(first_clip, "track_id", -1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_index(small_store: ClipStore, name: str) -> None:
    edit_index(small_store.path, HOSTILE[name])
    with pytest.raises(StoreError, match=r"index\.json"):
        ClipStore(small_store.path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b"{" * 100_000,
        b"[" * 100_000,
        b'{"format_version": NaN}',
        b'{"videos": [{"x": ' + b"9" * 5000 + b"}]}",
        b'{"format_version": 1, "videos": [1e999]}',
    ],
)
def test_index_that_is_no_index(small_store: ClipStore, data: bytes) -> None:
    (small_store.path / "index.json").write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        ClipStore(small_store.path)


def test_sizes_are_checked_before_reading(small_store: ClipStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fmt, "MAX_INDEX_BYTES", 100)
    with pytest.raises(StoreError, match="at most 100 are read"):
        ClipStore(small_store.path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "store format 2; this vidfake reads up to 1. Update vidfake"),
        ({"format_version": "1"}, "is not a vidfake clip store"),
        ({"format": "zip"}, "is not a vidfake clip store"),
        ({"extract": {"crop_size": 10**9}}, "crop_size is 1000000000; 32 to 1024"),
        ({"extract": {"crops": 1}}, "Unknown setting 'extract.crops'"),
        ({"extract": []}, "extract is list, expected dict"),
    ],
)
def test_hostile_header(small_store: ClipStore, change: dict[str, Any], message: str) -> None:
    path = small_store.path / "store.json"
    path.write_text(dump_json({**json.loads(path.read_text()), **change}))
    with pytest.raises(StoreError, match=message):
        ClipStore(small_store.path)


def test_a_changed_byte_is_found_anywhere(small_store: ClipStore) -> None:
    clip = small_store.clips[1]
    path = fmt.tar_path(small_store.path, clip.video.key)
    good = bytearray(path.read_bytes())
    start, size = clip.offset, sum(512 + -(-n // 512) * 512 for n in clip.lengths)
    for place in (start, start + 700, start + size - 1):
        bad = bytearray(good)
        bad[place] ^= 1
        path.write_bytes(bad)
        with pytest.raises(StoreError, match=r"a track 0 clip 1 is not what was written"):
            small_store.read_faces(clip)
    path.write_bytes(good[: start + size - 1])
    with pytest.raises(StoreError, match="is not what was written"):
        small_store.read_faces(clip)
    with pytest.raises(StoreError, match="is not what was written"):
        ClipStore(small_store.path, verify=False).read_faces(clip)


def test_a_changed_record_is_found(small_store: ClipStore) -> None:
    clip = small_store.clips[0]
    path = fmt.record_path(small_store.path, clip.video.key)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(StoreError, match="differs from the index"):
        small_store.details(clip)


@pytest.mark.parametrize("kind", ["tar", "json"])
def test_nothing_outside_the_store_is_read(small_store: ClipStore, tmp_path: Path, kind: str) -> None:
    clip = small_store.clips[0]
    place = fmt.tar_path if kind == "tar" else fmt.record_path
    path = place(small_store.path, clip.video.key)
    shutil.move(path, tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    read = small_store.read_faces if kind == "tar" else small_store.details
    with pytest.raises(StoreError, match="leads out of the store"):
        read(clip)


def test_a_linked_index_is_not_followed_but_a_linked_store_is(small_store: ClipStore, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(small_store.path)
    linked = ClipStore(tmp_path / "link")
    assert len(linked.read_faces(linked.clips[0])) == 6
    shutil.move(small_store.path / "index.json", tmp_path / "index.json")
    (small_store.path / "index.json").symlink_to(tmp_path / "index.json")
    with pytest.raises(StoreError, match="leads out of the store"):
        ClipStore(small_store.path)


def test_a_fifo_does_not_hang(small_store: ClipStore) -> None:
    path = fmt.tar_path(small_store.path, small_store.clips[0].video.key)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StoreError, match="is not a regular file"):
        small_store.read_faces(small_store.clips[0])
    path.unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        small_store.read_faces(small_store.clips[0])


def test_a_picture_of_another_size_is_not_decoded(tmp_path: Path) -> None:
    """A consistent store whose picture claims 60000 x 60000 pixels: 10 GB, were it decoded."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    bomb = b"\x89PNG\r\n\x1a\n" + chunk
    clip = replace(make_clip(1), encoded=(bomb,) * 6)
    store = ClipStore(write_store(tmp_path / "s", [(make_record("a"), [clip])]))
    with pytest.raises(StoreError, match=r"face 0 is \(60000, 60000\) pixels, expected \(32, 32\)"):
        store.read_faces(store.clips[0])


def test_a_hostile_record_that_fits_its_hash(small_store: ClipStore) -> None:
    clip = small_store.clips[0]
    path = fmt.record_path(small_store.path, clip.video.key)
    for change in (
        setting(lambda r: r["clips"][0]["faces"][0], "box", [1, 2, 3]),
        setting(lambda r: r["clips"][0]["faces"][0], "landmarks", "x"),
        setting(lambda r: r["clips"][0]["faces"][0], "frame_index", -1),
        setting(lambda r: r["clips"][0]["faces"][0], "quality", []),
        setting(lambda r: r["clips"][0]["faces"][0], "pts_seconds", 10**400),
        setting(lambda r: r["clips"][0], "faces", []),
        setting(lambda r: r["clips"][0], "offset", 512),
        setting(lambda r: r, "clips", [1]),
        setting(lambda r: r, "clips", {}),
    ):
        value = json.loads(path.read_text())
        change(value)
        data = json.dumps(value).encode()
        stored = replace(clip.video, record_sha256=hashlib.sha256(data).hexdigest())
        kept = path.read_bytes()
        path.write_bytes(data)
        with pytest.raises(StoreError, match="damaged"):
            ClipStore(small_store.path).details(replace(clip, video=stored))
        path.write_bytes(kept)
