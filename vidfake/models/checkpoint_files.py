"""The two files of a checkpoint: written so that a crash costs nothing, read so that damage is noticed.

Replacing happens in three steps, each atomic: the new tensors beside the old (``model.next.safetensors``), the new
`checkpoint.json`, then the new tensors over the old. A reader takes whichever tensors `checkpoint.json` names by
their SHA-256, so after a crash between any two steps one whole checkpoint is there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidfake.errors import CheckpointError, StorageError
from vidfake.files import sha256_file, sha256_json, write_bytes, write_json

FORMAT = "vidfake-checkpoint"
FORMAT_VERSION = 2
"""1: tensors as the detector has them. 2: matrices and kernels may be stored in half precision."""
JSON_NAME = "checkpoint.json"
TENSORS_NAME = "model.safetensors"
NEXT_TENSORS_NAME = "model.next.safetensors"
MAX_JSON_BYTES = 16 * 2**20

BODY: dict[str, type | tuple[type, ...]] = {
    "config": dict,
    "extract": dict,
    "class_names": list,
    "calibration": (dict, type(None)),
    "metrics": dict,
    "extra": dict,
    "versions": dict,
}


@dataclass(frozen=True)
class Description:
    """A checked `checkpoint.json`: where it lies, what tensors belong to it, and the rest (`body`).

    `is_half` says that matrices and kernels are stored in half precision.
    """

    folder: Path
    tensors_bytes: int
    tensors_sha256: str
    body: dict[str, Any]
    is_half: bool = False

    @property
    def path(self) -> Path:
        """The JSON file."""
        return self.folder / JSON_NAME


def write_checkpoint(folder: Path, tensors: bytes, body: dict[str, Any], *, half: bool = False) -> str:
    """Write both files and return the SHA-256 of the tensors. Raises StorageError.

    Format 2 is written only where it is needed (`half`), so that older versions go on reading all others.
    """
    digest = hashlib.sha256(tensors).hexdigest()
    content: dict[str, Any] = {
        **body,
        "format": FORMAT,
        "format_version": 2 if half else 1,
        "tensors": {"bytes": len(tensors), "sha256": digest},
    }
    content["json_sha256"] = sha256_json(content)
    try:
        if folder.exists():
            write_bytes(folder / NEXT_TENSORS_NAME, tensors)
            write_json(folder / JSON_NAME, content)
            os.replace(folder / NEXT_TENSORS_NAME, folder / TENSORS_NAME)
        else:
            _write_new(folder, tensors, content)
    except OSError as error:
        raise StorageError(
            f"{folder}: the checkpoint cannot be written ({error.strerror or error}). "
            "Free some space or choose a folder that can be written."
        ) from error
    return digest


def _write_new(folder: Path, tensors: bytes, content: dict[str, Any]) -> None:
    """Both files in a folder beside, then renamed: a folder of this name is always a whole checkpoint."""
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        write_bytes(beside / TENSORS_NAME, tensors)
        write_json(beside / JSON_NAME, content)
        os.replace(beside, folder)
    except BaseException:
        with contextlib.suppress(OSError):
            shutil.rmtree(beside)
        raise


def read_description(path: Path) -> Description:
    """The description in a checkpoint folder, or beside the given file of one. Raises CheckpointError."""
    folder = path.parent if path.name in (JSON_NAME, TENSORS_NAME) else path
    json_path = folder / JSON_NAME
    try:
        with open(json_path, "rb") as handle:
            raw = handle.read(MAX_JSON_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(
            f"{path}: no checkpoint there. Name a folder that holds {JSON_NAME} and {TENSORS_NAME}, "
            "as `vidfake train` writes it."
        ) from error
    except OSError as error:
        raise CheckpointError(f"{json_path}: cannot be read ({error.strerror}).") from error
    if len(raw) > MAX_JSON_BYTES:
        raise CheckpointError(f"{json_path}: over {MAX_JSON_BYTES} bytes; no checkpoint is that large.")
    return _parse(raw, folder=folder)


def _parse(raw: bytes, *, folder: Path) -> Description:
    where = folder / JSON_NAME
    try:
        content = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{where}: not valid JSON ({error}). Copy the checkpoint again.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{where}: not a vidfake checkpoint. Name a folder that `vidfake train` wrote.")
    version = content.get("format_version")
    if not isinstance(version, int) or version < 1:
        raise CheckpointError(f"{where}: format_version is {version!r}, not a number from 1.")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{where}: made by a newer vidfake (format {version}; this one reads up to {FORMAT_VERSION}). "
            "Install a newer version: pip install --upgrade vidfake"
        )
    return _checked(content, folder=folder)


def _checked(content: dict[str, Any], *, folder: Path) -> Description:
    """The description in `content`, whose own SHA-256 and types are checked here."""
    where = folder / JSON_NAME
    claimed = content.pop("json_sha256", None)
    try:
        actual = sha256_json(content)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{where}: not valid JSON ({error}). Copy the checkpoint again.") from error
    if claimed != actual:
        raise CheckpointError(f"{where}: changed since it was written (SHA-256). Copy the checkpoint again.")
    for key, kind in BODY.items():
        if not isinstance(content.get(key), kind):
            raise CheckpointError(f"{where}: '{key}' is missing or of the wrong type. Save the checkpoint again.")
    tensors = content.get("tensors")
    size, digest = (tensors.get("bytes"), tensors.get("sha256")) if isinstance(tensors, dict) else (None, None)
    if not isinstance(size, int) or not isinstance(digest, str):
        raise CheckpointError(f"{where}: does not name its tensors. Save the checkpoint again.")
    body = {key: content[key] for key in BODY}
    return Description(folder, size, digest, body, is_half=content["format_version"] >= 2)


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


def find_tensors(description: Description) -> tuple[Path, Description]:
    """The tensors file that belongs to `description`.

    Read anew once, because a checkpoint that is being replaced at this moment gives the new files on a second look.
    Raises CheckpointError when none has the size and SHA-256 that the description names.
    """
    for _ in range(2):
        for name in (TENSORS_NAME, NEXT_TENSORS_NAME):
            path = description.folder / name
            if _is_the_one(path, description):
                return path, description
        description = read_description(description.folder)
    raise CheckpointError(_why_not(description))


def _is_the_one(path: Path, description: Description) -> bool:
    try:
        if path.stat().st_size != description.tensors_bytes:
            return False
        return sha256_file(path) == description.tensors_sha256
    except FileNotFoundError:
        return False
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}).") from error


def _why_not(description: Description) -> str:
    path = description.folder / TENSORS_NAME
    if not path.exists():
        return f"{path}: missing. Copy the checkpoint again, both files."
    size = path.stat().st_size
    if size != description.tensors_bytes:
        return f"{path}: {size} bytes instead of {description.tensors_bytes}. Copy the checkpoint again."
    return f"{path}: changed since it was written (SHA-256). Copy the checkpoint again, both files."
