"""Writing a clip store. Whatever moment the process dies at, the next run finds either a finished video or none."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from vidfake.data import store_format as fmt
from vidfake.data.locking import writer_lock
from vidfake.data.store_index import write_index
from vidfake.data.tar import END, data_offsets, write_members
from vidfake.errors import StorageError, StoreError
from vidfake.faces.codec import encode_crop
from vidfake.files import atomic_writer, dump_json, write_json, write_text
from vidfake.settings import ExtractSettings
from vidfake.types import FaceClip, Status, VideoRecord


class StoreWriter:
    """The one process (or one of `shard` = (i, n) processes) that may write a store. A context manager.

    Raises StoreError when the folder holds something else, a store made with other settings, or is being written.
    """

    def __init__(
        self, store: Path | str, settings: ExtractSettings, *, shard: tuple[int, int] | None = None, tool: str = ""
    ) -> None:
        self.store = Path(store)
        self.settings = settings
        self._shard = shard
        self._tool = tool or default_tool()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> StoreWriter:
        header = self.store / fmt.STORE_FILE
        if self.store.exists() and not self.store.is_dir():
            raise StoreError(f"{self.store}: is a file. Choose a folder for the store.")
        if not header.exists() and self.store.is_dir() and _foreign_files(self.store):
            raise StoreError(
                f"{self.store}: holds {', '.join(_foreign_files(self.store)[:3])} and is not a clip store. Choose "
                "a new or empty folder."
            )
        _make_folder(self.store)
        with contextlib.ExitStack() as stack:
            stack.enter_context(writer_lock(self.store, self._shard))
            if not header.exists():
                write_json(header, fmt.store_header(self.settings, self._tool))
            made_with, _ = fmt.read_header(self.store)
            fmt.check_settings(self.store, made_with, self.settings)
            stack.callback(self._sweep)
            self._sweep()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def owns(self, key: str) -> bool:
        """Whether this writer's shard is the one that writes the video of that key."""
        return self._shard is None or int(key, 16) % self._shard[1] == self._shard[0]

    def _sweep(self) -> None:
        """Remove what killed or interrupted runs left half-written. Other shards' files are left alone."""
        for path in (self.store / fmt.SHARDS).glob("*/.*.tmp"):
            key = path.name[1:].partition(".")[0]
            if not re.fullmatch("[0-9a-f]{24}", key) or self.owns(key):
                path.unlink(missing_ok=True)
        for path in self.store.glob(".*.tmp") if self._shard is None else ():
            path.unlink(missing_ok=True)

    def stored(self, record: VideoRecord) -> dict[str, Any] | None:
        """The finished record of this video and region as plain JSON, or None when it must be made (again)."""
        path = fmt.record_path(self.store, fmt.key_of(record.video_id))
        if not path.exists():
            return None
        try:
            value = fmt.expect(fmt.read_json(path, self.store, fmt.MAX_RECORD_BYTES), dict, str(path))
        except StoreError:
            return None  # damaged: made again, which replaces it
        row, wanted = value.get("video"), fmt.row_of(record, self.store)
        if not isinstance(row, dict) or any(row.get(key) != wanted[key] for key in ("video_id", "region")):
            return None
        tar = fmt.tar_path(self.store, fmt.key_of(record.video_id))
        if value.get("tar_bytes") != (tar.stat().st_size if tar.exists() else 0):
            return None
        return dict(value)

    def update_row(self, record: VideoRecord, value: dict[str, Any]) -> None:
        """Give a finished video its present manifest row (another label or split needs no new clips)."""
        row = fmt.row_of(record, self.store)
        if value["video"] != row:
            self.reopen()
            _write_record(self.store, {**value, "video": row})

    def reopen(self) -> None:
        """Take back the index: from now on the store is unfinished, until `finish`."""
        (self.store / fmt.INDEX_FILE).unlink(missing_ok=True)

    def finish(self) -> None:
        """Merge all records into the index, which makes the store readable. Equal records give equal bytes."""
        write_index(self.store)


def default_tool() -> str:
    """Name and version that new stores carry."""
    from vidfake import __version__

    return f"vidfake {__version__}"


class ShardWriter:
    """Writes one video: its tar while clips arrive, its record at the end. A context manager.

    Leaving it without `finish` (an error, a kill) leaves no trace that a later run would trust.
    """

    def __init__(self, store: Path | str, record: VideoRecord, settings: ExtractSettings) -> None:
        self._store, self._record, self._settings = Path(store), record, settings
        self._key = fmt.key_of(record.video_id)
        self._clips: list[dict[str, Any]] = []
        self._names: set[str] = set()
        self._hash = hashlib.sha256()
        self._position = 0
        self._stack = contextlib.ExitStack()
        self._handle: IO[bytes] | None = None
        self.num_faces = 0

    @property
    def num_clips(self) -> int:
        """Clips added so far."""
        return len(self._clips)

    @property
    def num_bytes(self) -> int:
        """Bytes of the tar so far."""
        return self._position

    def __enter__(self) -> ShardWriter:
        fmt.record_path(self._store, self._key).unlink(missing_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self._stack.__exit__(kind, error, trace)

    def add_clip(self, clip: FaceClip) -> None:
        """Append one clip. `FaceClip.encoded` is kept as it is; without it the faces are encoded here."""
        if len(clip.faces) > self._settings.num_frames or len(clip.faces) == 0:
            raise StoreError(
                f"{self._record.video_id}: a clip of {len(clip.faces)} faces; the store takes 1 to "
                f"{self._settings.num_frames}."
            )
        faces = clip.encoded or tuple(encode_crop(face, quality=self._settings.jpeg_quality) for face in clip.faces)
        folder = f"{clip.track_id:04d}-{clip.clip_index:04d}"
        if folder in self._names:
            raise StoreError(f"{self._record.video_id}: clip {folder} came twice; track and clip index name it.")
        self._names.add(folder)
        suffix = "jpg" if self._settings.jpeg_quality else "png"
        sizes = [len(data) for data in faces]
        if max(sizes) > fmt.MAX_FACE_BYTES:
            raise StoreError(
                f"{self._record.video_id}: a crop takes {max(sizes)} bytes; {fmt.MAX_FACE_BYTES} at most."
            )
        members = [(f"{folder}/{i:03d}.{suffix}", data) for i, data in enumerate(faces)]
        block = self._write(members)
        self._clips.append(_clip_entry(clip, self._position, faces, block))
        self._position += len(block)
        self.num_faces += len(faces)

    def abandon(self) -> None:
        """Forget every clip added; `finish` may still say why there are none."""
        if self._handle is not None:
            with contextlib.suppress(_AbandonedError), self._stack:
                raise _AbandonedError
        self._handle, self._clips, self._names, self._hash = None, [], set(), hashlib.sha256()
        self._position = self.num_faces = 0

    def finish(self, *, status: Status, reason: str = "", facts: dict[str, Any] | None = None) -> None:
        """Close the tar, put it in place, then write the record, which marks the video as done.

        `facts` are more JSON-ready entries of the record (source file, container, tracks, warnings).
        """
        if self._handle is not None:
            self._handle.write(END)
            self._hash.update(END)
            self._position += len(END)
            self._stack.close()  # fsync and rename
        else:
            fmt.tar_path(self._store, self._key).unlink(missing_ok=True)
        value = {
            "format_version": fmt.FORMAT_VERSION,
            "video": fmt.row_of(self._record, self._store),
            "status": status,
            "reason": reason,
            "tar_bytes": self._position,
            "tar_sha256": self._hash.hexdigest() if self._position else "",
            "clips": self._clips,
            **(facts or {}),
        }
        _write_record(self._store, value)

    def _write(self, members: list[tuple[str, bytes]]) -> bytes:
        if self._handle is None:
            target = fmt.tar_path(self._store, self._key)
            self._handle = self._stack.enter_context(atomic_writer(target))
        try:
            block = write_members(self._handle, members)
        except OSError as error:
            raise StorageError(
                f"{self._store}: cannot be written ({error.strerror}). Free some space, then run the same "
                "command again."
            ) from error
        self._hash.update(block)
        return block


class _AbandonedError(Exception):
    """Makes the temporary tar's context remove it."""


def _clip_entry(clip: FaceClip, start: int, faces: Sequence[bytes], block: bytes) -> dict[str, Any]:
    offsets = data_offsets(start, [len(data) for data in faces])
    quality = {name: numbers(values) for name, values in sorted(clip.quality.items())}
    pts, boxes = numbers(clip.pts_seconds), numbers(clip.boxes)
    landmarks, crop_landmarks = numbers(clip.landmarks), numbers(clip.crop_landmarks)
    return {
        "track_id": int(clip.track_id),
        "shot_index": int(clip.shot_index),
        "clip_index": int(clip.clip_index),
        "offset": start,
        "length": len(block),
        "sha256": hashlib.sha256(block).hexdigest(),
        "faces": [
            {
                "offset": offsets[i],
                "length": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "frame_index": int(clip.frame_indices[i]),
                "pts_seconds": pts[i],
                "box": boxes[i],
                "landmarks": landmarks[i],
                "crop_landmarks": crop_landmarks[i],
                "quality": {name: values[i] for name, values in quality.items()},
            }
            for i, data in enumerate(faces)
        ],
    }


def numbers(values: Any) -> Any:
    """An array as nested lists of finite floats. Raises StoreError on NaN or infinity."""
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise StoreError(f"a clip holds {np.sum(~np.isfinite(array))} values that are NaN or infinite")
    return array.tolist()


def _write_record(store: Path, value: dict[str, Any]) -> None:
    """On one line: indented, a record is three times as large."""
    path = fmt.record_path(store, fmt.key_of(value["video"]["video_id"]))
    write_text(path, dump_json(value, indent=None) + "\n")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be made ({error.strerror}). Choose a folder that can be written."
        ) from error


def _foreign_files(store: Path) -> list[str]:
    return sorted(p.name for p in store.iterdir() if not p.name.startswith("."))
