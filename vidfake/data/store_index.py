"""The store's index: what is needed to choose clips and read their faces, merged from the records of all videos."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vidfake.data import store_format as fmt
from vidfake.data.tar import BLOCK, END, span
from vidfake.errors import StoreError
from vidfake.files import atomic_writer, dump_json
from vidfake.types import VideoRecord

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, eq=False)
class StoredVideo:
    """One video of a store: its manifest row and what became of it. `reason` says why `status` is not ``ok``."""

    record: VideoRecord
    key: str
    status: str
    reason: str
    tar_bytes: int
    record_sha256: str

    @property
    def video_id(self) -> str:
        """The id of its manifest row."""
        return self.record.video_id


@dataclass(frozen=True, slots=True, eq=False)
class StoredClip:
    """One clip of a store: T faces of one track, `pts_seconds` (T,) float64 in the video.

    `offset` is where its members begin in the video's tar, `lengths` the bytes of each face, `sha256` of that part.
    """

    video: StoredVideo
    track_id: int
    shot_index: int
    clip_index: int
    offset: int
    lengths: tuple[int, ...]
    sha256: str
    pts_seconds: npt.NDArray[np.float64]

    @property
    def num_faces(self) -> int:
        """T, at most the store's `num_frames`."""
        return len(self.lengths)

    @property
    def name(self) -> str:
        """For messages: video, track and clip."""
        return f"{self.video.video_id} track {self.track_id} clip {self.clip_index}"


def write_index(store: Path) -> None:
    """Write index.json from the records: one video per line, in the order of `video_id`."""
    entries = sorted(_entries(store), key=lambda entry: entry["video"]["video_id"])
    with atomic_writer(store / fmt.INDEX_FILE) as handle:
        handle.write(f'{{"format_version": {fmt.FORMAT_VERSION}, "videos": [\n'.encode())
        for i, entry in enumerate(entries):
            end = "," if i + 1 < len(entries) else ""
            handle.write(f"{dump_json(entry, indent=None)}{end}\n".encode())
        handle.write(b"]}\n")


def _entries(store: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((store / fmt.SHARDS).glob("*/*.json")):
        if path.name.startswith("."):
            continue
        data = fmt.read_inside(path, store, fmt.MAX_RECORD_BYTES)
        record = fmt.expect(fmt.parse_json(data, str(path)), dict, str(path))
        try:
            entry = {key: record[key] for key in ("video", "status", "reason", "tar_bytes")}
            entry["record_sha256"] = hashlib.sha256(data).hexdigest()
            entry["clips"] = [_clip_summary(clip) for clip in record["clips"]]
            if fmt.record_path(store, fmt.key_of(entry["video"]["video_id"])) != path:
                fmt.fail(str(path), "holds another video than its name says")
        except (KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{path}: is damaged ({error!r}). Remove it and run `vidfake prepare` again."
            ) from error
        yield entry


def _clip_summary(clip: dict[str, Any]) -> dict[str, Any]:
    kept = {key: clip[key] for key in ("track_id", "shot_index", "clip_index", "offset", "sha256")}
    kept["lengths"] = [face["length"] for face in clip["faces"]]
    kept["pts_seconds"] = [face["pts_seconds"] for face in clip["faces"]]
    return kept


def read_index(store: Path, num_frames: int) -> tuple[list[StoredVideo], list[StoredClip], str]:
    """Videos, clips and the index's SHA-256. Every value is checked. Raises StoreError."""
    path = store / fmt.INDEX_FILE
    if not path.exists():
        raise StoreError(
            f"{store}: is not finished (no {fmt.INDEX_FILE}). Run the same `vidfake prepare` again; it goes on "
            "where it stopped."
        )
    data = fmt.read_inside(path, store, fmt.MAX_INDEX_BYTES)
    index = fmt.expect(fmt.parse_json(data, str(path)), dict, str(path))
    if index.get("format_version") != fmt.FORMAT_VERSION:
        fmt.fail(f"{path}: format_version", f"is {index.get('format_version')!r}, expected {fmt.FORMAT_VERSION}")
    videos: list[StoredVideo] = []
    clips: list[StoredClip] = []
    seen: set[str] = set()
    for number, entry in enumerate(fmt.expect(index.get("videos"), list, f"{path}: videos")):
        video = _video(entry, store, f"{path}: video {number}")
        if video.video_id in seen:
            fmt.fail(f"{path}: video {number}", f"has the id '{video.video_id}' of another")
        seen.add(video.video_id)
        videos.append(video)
        clips += [_clip(clip, video, num_frames, path) for clip in fmt.expect(entry.get("clips"), list, str(path))]
    return videos, clips, hashlib.sha256(data).hexdigest()


def _video(entry: Any, store: Path, where: str) -> StoredVideo:
    table = fmt.expect(entry, dict, where)
    record = fmt.record_of(table.get("video"), store, where)
    status = fmt.expect(table.get("status"), str, f"{where}: status")
    if status not in fmt.STATUSES:
        fmt.fail(f"{where}: status", f"is {status!r}")
    return StoredVideo(
        record=record,
        key=fmt.key_of(record.video_id),
        status=status,
        reason=fmt.expect(table.get("reason"), str, f"{where}: reason"),
        tar_bytes=fmt.expect_int(table.get("tar_bytes"), 0, 2**50, f"{where}: tar_bytes"),
        record_sha256=_sha256(table.get("record_sha256"), f"{where}: record_sha256"),
    )


def _clip(entry: Any, video: StoredVideo, num_frames: int, path: Path) -> StoredClip:
    where = f"{path}: a clip of '{video.video_id}'"
    table = fmt.expect(entry, dict, where)
    sizes = fmt.expect_ints(table.get("lengths"), 1, fmt.MAX_FACE_BYTES, f"{where}: lengths")
    fmt.expect_int(len(sizes), 1, min(num_frames, fmt.MAX_FACES_PER_CLIP), f"{where}: number of faces")
    pts = fmt.expect_floats(table.get("pts_seconds"), f"{where}: pts_seconds")
    if len(pts) != len(sizes) or bool((pts[1:] <= pts[:-1]).any()):
        fmt.fail(f"{where}: pts_seconds", f"must increase, one per face ({len(sizes)})")
    offset = fmt.expect_int(table.get("offset"), 0, video.tar_bytes, f"{where}: offset")
    if offset % BLOCK or offset + span(sizes) + len(END) > video.tar_bytes:
        fmt.fail(f"{where}: offset", f"is {offset}, with {span(sizes)} bytes outside its tar")
    return StoredClip(
        video=video,
        track_id=fmt.expect_int(table.get("track_id"), 0, 2**31, f"{where}: track_id"),
        shot_index=fmt.expect_int(table.get("shot_index"), 0, 2**31, f"{where}: shot_index"),
        clip_index=fmt.expect_int(table.get("clip_index"), 0, 2**31, f"{where}: clip_index"),
        offset=offset,
        lengths=tuple(sizes),
        sha256=_sha256(table.get("sha256"), f"{where}: sha256"),
        pts_seconds=pts,
    )


def _sha256(value: Any, where: str) -> str:
    text: str = fmt.expect(value, str, where)
    if not _SHA256.fullmatch(text):
        fmt.fail(where, "is no SHA-256")
    return text
