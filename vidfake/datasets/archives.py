"""Reading frames out of hostile tar archives: nothing is ever written under a name that an archive gives."""

from __future__ import annotations

import contextlib
import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from vidfake.errors import DatasetError

MAX_MEMBER_BYTES = 32 * 2**20
MAX_MEMBERS = 2_000_000
_HEADER_BYTES = 2**20
MAX_TOTAL_BYTES = 256 * 2**30  # of one archive, unpacked

_DAMAGE = (tarfile.TarError, EOFError, zlib.error, OSError)


class DamagedArchiveError(DatasetError):
    """An archive ends early or is not one: usually an unfinished download."""


class _Metered:
    """A stream that may give so many bytes between two members: extended headers are read whole by `tarfile`."""

    def __init__(self, path: Path, stream: IO[bytes] | gzip.GzipFile) -> None:
        self._path, self._stream = path, stream
        self.refill()

    def refill(self) -> None:
        self._left = MAX_MEMBER_BYTES + _HEADER_BYTES

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise DatasetError(f"{self._path}: a header of over {_HEADER_BYTES} bytes. Do not use this file.")
        return data


def tar_members(path: Path, *, contents: bool = True) -> Iterator[tuple[PurePosixPath, bytes]]:
    """(name, bytes) of every regular file in a tar or tar.gz, in the archive's order, without a leading ``./``.

    Without `contents` the bytes are left empty. Links, devices and folders are passed over. Raises DatasetError
    for a name that leads out of the archive and for sizes beyond the caps, DamagedArchiveError for a broken file.
    """
    total = 0
    try:
        with contextlib.ExitStack() as stack:
            raw = stack.enter_context(open(path, "rb"))
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            metered = _Metered(path, stack.enter_context(gzip.GzipFile(fileobj=raw)) if zipped else raw)
            archive = stack.enter_context(tarfile.open(fileobj=metered, mode="r|"))  # type: ignore[call-overload]
            for count, member in enumerate(archive, start=1):
                total += member.size
                _check(path, member, count, total)
                if member.isreg():
                    yield _name(member), _bytes(path, archive, member) if contents else b""
                metered.refill()
    except DatasetError:
        raise
    except _DAMAGE as error:
        raise DamagedArchiveError(f"{path}: damaged or cut off ({error}). Download it again.") from error


def _name(member: tarfile.TarInfo) -> PurePosixPath:
    return PurePosixPath(*(part for part in member.name.split("/") if part not in ("", ".")))


def _bytes(path: Path, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    handle = archive.extractfile(member)
    data = handle.read() if handle is not None else b""
    if len(data) != member.size:
        raise DamagedArchiveError(f"{path}: ends inside {member.name}. Download it again.")
    return data


def _check(path: Path, member: tarfile.TarInfo, count: int, total: int) -> None:
    if member.name.startswith("/") or ".." in member.name.split("/") or "\\" in member.name:
        raise DatasetError(f"{path}: holds '{member.name}', which leads out of the archive. Do not use this file.")
    if member.size > MAX_MEMBER_BYTES:
        raise DatasetError(
            f"{path}: '{member.name}' has {member.size} bytes; a frame has at most {MAX_MEMBER_BYTES}."
        )
    if count > MAX_MEMBERS or total > MAX_TOTAL_BYTES:
        raise DatasetError(
            f"{path}: {count} members with {total} bytes; at most {MAX_MEMBERS} and {MAX_TOTAL_BYTES} are read."
        )
