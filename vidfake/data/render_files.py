"""The files of a rendered fake, written side by side in one pass over its source."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from vidfake.data.decoding import Decoding
from vidfake.data.render_faces import OnFrame, add_mask, matrix_of, paste, rows_by_frame
from vidfake.files import write_bytes
from vidfake.settings import ExtractSettings
from vidfake.synth.base import MadeClip
from vidfake.types import ByteArray, Track
from vidfake.video.writer import VideoWriter

PHOTO_SUFFIX = ".png"


@dataclass(frozen=True)
class Manipulated:
    """A track and what was made of its faces (crops of one size)."""

    track: Track
    made: MadeClip


def write_files(
    path: Path | str,
    files: Mapping[str, Path | str],
    kept: Sequence[Manipulated],
    side: int,
    settings: ExtractSettings,
    decoding: Decoding,
    *,
    crf: float,
    on_frame: OnFrame | None = None,
) -> int:
    """Write, of the pictures of `path`, those of ``fake``, ``mask`` and ``real`` that `files` names. How many.

    Each file appears whole, once all pictures are written, or not at all.
    """
    rows = rows_by_frame([one.track for one in kept])
    count = 0
    with contextlib.ExitStack() as stack:
        sinks = {name: stack.enter_context(_sink(file, crf)) for name, file in files.items()}
        source = stack.enter_context(decoding.open(path))
        for count, picture in enumerate(source.frames(), 1):
            rgb = picture.rgb()
            faces = [
                (kept[place].made, row, matrix_of(kept[place].track, row, side, source.info, settings))
                for place, row in rows.get(picture.index, [])
            ]
            for name, sink in sinks.items():
                sink.write(_even(_draw(name, rgb, faces)), pts_seconds=picture.pts_seconds)
            if on_frame is not None:
                on_frame(count)
    return count


_Faces = list[tuple[MadeClip, int, np.ndarray]]


def _draw(name: str, rgb: ByteArray, faces: _Faces) -> ByteArray:
    if name == "mask":
        whole = np.zeros(rgb.shape[:2], np.float32)
        for made, row, matrix in faces:
            add_mask(whole, made.mask[row], matrix)
        return np.repeat(np.ceil(255 * whole).astype(np.uint8)[..., None], 3, axis=2)
    if name == "fake":
        for made, row, matrix in faces:
            rgb = paste(rgb, made.faces[row], made.mask[row], matrix)
    return rgb


def _even(picture: ByteArray) -> ByteArray:
    """Without an odd last row or column: H.264 halves both sides for its colours."""
    height, width = picture.shape[:2]
    return np.ascontiguousarray(picture[: max(1, height // 2 * 2), : max(1, width // 2 * 2)])


class _Sink(Protocol):
    def write(self, picture: ByteArray, *, pts_seconds: float) -> None: ...


@contextlib.contextmanager
def _sink(path: Path | str, crf: float) -> Iterator[_Sink]:
    if Path(path).suffix.lower() != PHOTO_SUFFIX:
        with VideoWriter(path, crf=crf) as writer:
            yield writer
        return
    photo = _Photo()
    yield photo
    write_bytes(path, photo.data)


class _Photo:
    """Takes the one picture of a photograph."""

    data = b""

    def write(self, picture: ByteArray, *, pts_seconds: float) -> None:
        self.data = cv2.imencode(PHOTO_SUFFIX, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
