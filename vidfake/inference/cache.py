"""Face clips of videos seen before, on disk: scoring one again, with another detector, costs the encoder only.

One file per video, extract settings and version of this package. It holds the messages that the decoding process
sends (`vidfake.sandbox.wire`), between a first line and a SHA-256 of all before it. What is read is checked as
strictly as what comes from that process; a file that is damaged or foreign is as good as none, and is replaced.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

import vidfake
from vidfake.config import to_dict
from vidfake.errors import StorageError, StoreError
from vidfake.faces.codec import decode_crop
from vidfake.faces.extract import ExtractionResult
from vidfake.files import atomic_writer, sha256_json
from vidfake.sandbox.messages import max_clips, pack_clip, pack_result, parse_clip, parse_result, payload_limits
from vidfake.sandbox.wire import Kind, WireError, items, read_message, whole, write_message
from vidfake.settings import ExtractSettings
from vidfake.types import FaceClip, Region

START = b"vidfake clips 1\n"
SUFFIX = ".clips"
DEFAULT_MAX_BYTES = 4 << 30
MOST_FILE_BYTES = 1 << 30  # a larger one is not read
_DIGEST_BYTES = 32
_ABANDONED_SECONDS = 24 * 3600.0  # a temporary file so old belongs to a process that was killed

OnClip = Callable[[FaceClip], None]


class ClipCache:
    """Clips by the content of the video they came from. Any number of processes may share a folder.

    At most `max_bytes` are kept; what was not used for longest goes first. Any file in the folder that ends in
    ``.clips`` may be deleted at any time; nothing else there is touched.
    """

    def __init__(self, folder: Path | str, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.folder = Path(folder)
        self.max_bytes = max_bytes

    def extract(
        self,
        content_sha256: str,
        settings: ExtractSettings,
        *,
        region: Region | None,
        on_clip: OnClip,
        make: Callable[[OnClip], ExtractionResult],
    ) -> tuple[ExtractionResult, bool]:
        """The extraction of a video with these bytes, and whether it came from here.

        `on_clip` gets every clip, as from `make`, which extracts them and runs only where they are not here. What
        `make` raises is raised, and nothing is kept. Raises StorageError where the folder cannot be used.
        What comes from a file is checked as a whole (its digest) before the first clip is given.
        """
        path = self._path(content_sha256, settings, region)
        data = self._read(path)
        if data is None:
            return self._fill(path, on_clip, make), False
        messages = _parse(data, settings)
        try:
            for found in messages:
                if isinstance(found, ExtractionResult):
                    return found, True
                on_clip(found)
        except WireError as error:
            # its digest is right, so it was written like this: never by this version
            raise StorageError(f"{path}: not what this version writes ({error}). Delete this file.") from error
        raise AssertionError("a file without a result raises WireError")

    def _path(self, content_sha256: str, settings: ExtractSettings, region: Region | None) -> Path:
        about = {
            "content": content_sha256,
            "extract": to_dict(settings),
            "region": None if region is None else [region.x, region.y, region.width, region.height],
            "version": vidfake.__version__,
        }
        return self.folder / (sha256_json(about)[:40] + SUFFIX)

    def _read(self, path: Path) -> memoryview | None:
        """What is between start and digest, or None where the file is missing, too large or not whole."""
        try:
            with open(path, "rb") as handle:
                if os.fstat(handle.fileno()).st_size > MOST_FILE_BYTES:
                    return None
                data = handle.read(MOST_FILE_BYTES)
            os.utime(path)  # used just now
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{path}: cannot be read ({error.strerror}). Choose another --cache.") from error
        body = memoryview(data)[:-_DIGEST_BYTES]
        if not data.startswith(START) or hashlib.sha256(body).digest() != data[-_DIGEST_BYTES:]:
            return None
        return body[len(START) :]

    def _fill(self, path: Path, on_clip: OnClip, make: Callable[[OnClip], ExtractionResult]) -> ExtractionResult:
        with atomic_writer(path) as handle:
            out = _Digesting(handle)
            out.write(START)

            def keep(clip: FaceClip) -> None:
                _write_clip(out, clip)
                on_clip(clip)

            result = make(keep)
            header, payload = pack_result(result)
            write_message(out.write, Kind.DONE, header, payload)
            handle.write(out.digest())
        self._shrink()
        return result

    def _shrink(self) -> None:
        """Delete what was not used for longest until the rest fits. Another process may delete at the same time."""
        files, total = [], 0
        with contextlib.suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                temporary = entry.name.startswith(".") and entry.name.endswith(".tmp") and SUFFIX in entry.name
                if not (temporary or entry.name.endswith(SUFFIX)) or not entry.is_file(follow_symlinks=False):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    if temporary and time.time() - status.st_mtime < _ABANDONED_SECONDS:
                        continue
                    files.append((0.0 if temporary else status.st_mtime, entry.path, status.st_size))
                    total += status.st_size
        for used, name, size in sorted(files):
            if total <= self.max_bytes and used > 0.0:
                return
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)  # noqa: PTH108 (a path as scandir gives it)
            total -= size


class _Digesting:
    """Writes, and keeps the SHA-256 of what was written."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._sha256 = hashlib.sha256()

    def write(self, data: bytes | memoryview) -> None:
        self._sha256.update(data)
        self._handle.write(data)

    def digest(self) -> bytes:
        return self._sha256.digest()


def _write_clip(out: _Digesting, clip: FaceClip) -> None:
    """A clip's message without its pixels: these come back from the codec's bytes, as they were made."""
    if not clip.encoded:
        raise ValueError("a clip without the codec's bytes cannot be kept")
    header, payload = pack_clip(clip)
    write_message(out.write, Kind.CLIP, header, payload[1:])


def _parse(data: memoryview, settings: ExtractSettings) -> Iterator[FaceClip | ExtractionResult]:
    """A file's clips one after another, then its result. Raises WireError."""
    stream, limits = io.BytesIO(data), payload_limits(settings)
    num_clips = 0
    while True:
        message = read_message(stream.read, max_payload=limits)
        if message is None:
            raise WireError("it ends before its result")
        kind, header, payload = message
        if kind == Kind.DONE:
            result = parse_result(header, payload)
            if result.num_clips != num_clips or stream.read(1):
                raise WireError(f"{num_clips} clips do not fit the result, or something follows it")
            yield result
            return
        num_clips += 1
        if kind != Kind.CLIP or num_clips > max_clips(settings):
            raise WireError(f"a message of kind {kind} is out of place")
        yield parse_clip(header, _with_pixels(header, payload, settings), settings)


def _with_pixels(header: dict[str, Any], payload: bytearray, settings: ExtractSettings) -> bytearray:
    """The payload as `pack_clip` made it: the decoded faces stand before it."""
    lengths = [
        whole(n, 1, len(payload), "encoded")
        for n in items(header.get("encoded"), "encoded", most=settings.num_frames)
    ]
    position = len(payload) - sum(lengths)
    if position < 0 or not lengths:
        raise WireError("a clip's faces are missing")
    side, pixels = settings.crop_size, bytearray()
    for length in lengths:
        try:
            face = decode_crop(bytes(payload[position : position + length]))
        except StoreError as error:
            raise WireError(str(error)) from error
        if face.shape != (side, side, 3):
            raise WireError(f"a face is {face.shape}, not {(side, side, 3)}")
        pixels += np.ascontiguousarray(face).data
        position += length
    return pixels + payload
