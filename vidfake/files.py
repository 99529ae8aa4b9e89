"""Files that are never half-written: write beside, fsync, rename; and hashes of what was read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from vidfake.errors import StorageError

_SURROGATE = re.compile("[\ud800-\udfff]")


@contextlib.contextmanager
def atomic_writer(path: Path | str) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path` for writing; on success fsync it and rename it over `path`.

    On any failure the temporary file is removed and `path` is as it was before.
    Raises StorageError when the disk is full or the folder cannot be written.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, target)
        _sync_folder(target.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StorageError(
            f"{target}: cannot be written ({error.strerror or error}). "
            "Free some space or choose a folder that can be written, then run the same command again."
        ) from error
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Make a rename durable. Some systems cannot open a folder; there the rename alone must do."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Atomically replace `path` by `data`."""
    with atomic_writer(path) as handle:
        handle.write(data)


def write_text(path: Path | str, text: str) -> None:
    """Atomically replace `path` by `text` in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def dump_json(value: Any, *, indent: int | None = 2) -> str:
    """JSON with sorted keys and no NaN or Infinity, so that equal values give equal bytes.

    Always storable as UTF-8: what a file name holds that is none (a lone surrogate) is written as ``\\uNNNN``.
    """
    text = json.dumps(value, indent=indent, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def write_json(path: Path | str, value: Any) -> None:
    """Atomically replace `path` by the JSON of `value`."""
    write_text(path, dump_json(value) + "\n")


def sha256_file(path: Path | str) -> str:
    """Hex SHA-256 of a file's bytes, read in pieces."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """Hex SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(dump_json(value, indent=None).encode("utf-8")).hexdigest()
