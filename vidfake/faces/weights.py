"""Model files that arrive inside other distributions: found without importing those, and checked before use."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

from vidfake.errors import ConfigError, MissingPackageError


def packaged_file(distribution: str, inner: str, *, sha256: str, install: str) -> Path:
    """Path of the file `inner` of an installed distribution, its SHA-256 checked.

    The distribution is never imported: these packages' own code is not wanted. `install` is the command that
    the message names. Raises MissingPackageError where it is not installed, or holds other bytes.
    """
    try:
        path = Path(str(metadata.distribution(distribution).locate_file(inner)))
    except metadata.PackageNotFoundError as error:
        raise MissingPackageError(
            f"The package '{distribution}', which carries {Path(inner).name}, is not installed. Run: {install}"
        ) from error
    if not path.is_file():
        raise MissingPackageError(f"{path}: '{distribution}' is installed, but not this file. Run: {install}")
    with open(path, "rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != sha256:
        raise MissingPackageError(
            f"{path}: its SHA-256 is {found}, not {sha256}; it is another version or damaged. Run: {install}"
        )
    return path


def read_user_file(path: str | Path) -> bytes:
    """The bytes of a model file that the user named. Raises ConfigError where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}: the detector's weights cannot be read ({error.strerror}). Name an existing ONNX file."
        ) from error
