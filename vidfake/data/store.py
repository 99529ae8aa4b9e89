"""Reading a clip store: any clip's faces by one read at a known place, checked against its hash."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vidfake.data import store_format as fmt
from vidfake.data.store_index import StoredClip, StoredVideo, read_index
from vidfake.data.tar import data_offsets, span
from vidfake.errors import StoreError
from vidfake.faces.codec import decode_crop, picture_size
from vidfake.settings import ExtractSettings
from vidfake.types import ByteArray, FloatArray

_RECORDS_KEPT = 32  # parsed records in memory, for `details`


@dataclass(frozen=True, eq=False)
class ClipDetails:
    """Where a clip's T faces were: `pts_seconds` (T,), `frame_indices` (T,), `boxes` (T, 4) and `landmarks`
    (T, 5, 2) in the upright frame, `crop_landmarks` (T, 5, 2) in the crop, `quality` name -> (T,)."""

    pts_seconds: FloatArray
    frame_indices: npt.NDArray[np.int64]
    boxes: FloatArray
    landmarks: FloatArray
    crop_landmarks: FloatArray
    quality: dict[str, FloatArray]


class ClipStore:
    """A finished clip store, opened for reading. Cheap to hand to worker processes: it is pickled by its path.

    Args:
        path: the folder that `vidfake prepare` made.
        settings: refuse a store made with other extract settings; None accepts any.
        verify: check every clip's SHA-256 when it is read.

    Raises StoreError when the store is damaged, unfinished, of a newer format or made with other settings.
    Nothing outside the folder is ever read.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        settings: ExtractSettings | None = None,
        verify: bool = True,
    ) -> None:
        self.path = Path(path)
        self.verify = verify
        self.settings, self.tool = fmt.read_header(self.path)
        if settings is not None:
            fmt.check_settings(self.path, self.settings, settings)
        self.videos: list[StoredVideo]
        self.clips: list[StoredClip]
        self.videos, self.clips, self.content_hash = read_index(self.path, self.settings.num_frames)
        self._records: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (str(self.path), self.verify)

    def __repr__(self) -> str:
        return f"ClipStore({str(self.path)!r}, {len(self.videos)} videos, {len(self.clips)} clips)"

    def read_faces(self, clip: StoredClip, frames: slice = slice(None)) -> ByteArray:
        """Faces of a clip (or of some of its frames), (T, S, S, 3) uint8 RGB. Raises StoreError when damaged."""
        encoded = self.read_encoded(clip)[frames]
        side = self.settings.crop_size
        faces = np.empty((len(encoded), side, side, 3), dtype=np.uint8)
        for i, data in enumerate(encoded):
            if picture_size(data) != (side, side):
                raise StoreError(
                    f"{self.path}: {clip.name}: face {i} is {picture_size(data)} pixels, expected {(side, side)}. "
                    "The store is damaged: run `vidfake prepare` again."
                )
            faces[i] = decode_crop(data)
        return faces

    def read_encoded(self, clip: StoredClip) -> list[bytes]:
        """The stored picture files (JPEG or PNG) of a clip's faces, as they are."""
        length = span(list(clip.lengths))
        path = fmt.tar_path(self.path, clip.video.key)
        descriptor = fmt.open_inside(path, self.path)
        try:
            data = os.pread(descriptor, length, clip.offset)
        except OSError as error:
            raise StoreError(f"{path}: cannot be read ({error.strerror}).") from error
        finally:
            os.close(descriptor)
        if len(data) != length or (self.verify and hashlib.sha256(data).hexdigest() != clip.sha256):
            raise StoreError(
                f"{path}: {clip.name} is not what was written (SHA-256 differs). Run `vidfake prepare` again after "
                "removing this file."
            )
        starts = data_offsets(0, list(clip.lengths))
        return [data[start : start + size] for start, size in zip(starts, clip.lengths, strict=True)]

    def details(self, clip: StoredClip) -> ClipDetails:
        """Boxes, landmarks and quality of a clip's faces, from the video's record."""
        where = f"{self.path}: {clip.name}"
        for entry in fmt.expect(self.record(clip.video).get("clips"), list, where):
            if fmt.expect(entry, dict, where).get("offset") == clip.offset:
                return _details(entry, len(clip.lengths), where)
        raise StoreError(f"{where}: is not in its record. The store is damaged: run `vidfake prepare` again.")

    def record(self, video: StoredVideo) -> dict[str, Any]:
        """A video's whole record as plain JSON: source file, container facts, tracks, clips, warnings."""
        known = self._records.get(video.key)
        if known is not None:
            self._records.move_to_end(video.key)
            return known
        path = fmt.record_path(self.path, video.key)
        data = fmt.read_inside(path, self.path, fmt.MAX_RECORD_BYTES)
        if hashlib.sha256(data).hexdigest() != video.record_sha256:
            raise StoreError(f"{path}: differs from the index (SHA-256). Run `vidfake prepare` again.")
        value: dict[str, Any] = fmt.expect(fmt.parse_json(data, str(path)), dict, str(path))
        self._records[video.key] = value
        if len(self._records) > _RECORDS_KEPT:
            self._records.popitem(last=False)
        return value


def _reopen(path: str, verify: bool) -> ClipStore:
    return ClipStore(path, verify=verify)


def _details(entry: dict[str, Any], num_faces: int, where: str) -> ClipDetails:
    faces = fmt.expect(entry.get("faces"), list, where)
    if len(faces) != num_faces:
        fmt.fail(where, f"has {len(faces)} faces in its record, {num_faces} in the index")
    try:
        names = sorted(fmt.expect(faces[0]["quality"], dict, f"{where}: quality"))
        arrays = {
            "pts_seconds": _array([f["pts_seconds"] for f in faces], (num_faces,)),
            "boxes": _array([f["box"] for f in faces], (num_faces, 4)),
            "landmarks": _array([f["landmarks"] for f in faces], (num_faces, 5, 2)),
            "crop_landmarks": _array([f["crop_landmarks"] for f in faces], (num_faces, 5, 2)),
        }
        frames = np.asarray([fmt.expect_int(f["frame_index"], 0, 2**53, where) for f in faces], dtype=np.int64)
        quality = {name: _array([f["quality"][name] for f in faces], (num_faces,)) for name in names}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise StoreError(f"{where}: its record is damaged ({error!r}). Run `vidfake prepare` again.") from error
    return ClipDetails(frame_indices=frames, quality=quality, **arrays)


def _array(values: Any, shape: tuple[int, ...]) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"shape {array.shape}, expected finite numbers of shape {shape}")
    return array
