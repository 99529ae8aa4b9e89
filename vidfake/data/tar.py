"""Uncompressed tar, written so that equal contents give equal bytes and every member's place is known."""

from __future__ import annotations

import tarfile
from typing import IO

BLOCK = 512
END = bytes(2 * BLOCK)


def padded(size: int) -> int:
    """`size` rounded up to whole tar blocks."""
    return -(-size // BLOCK) * BLOCK


def member_header(name: str, size: int) -> bytes:
    """One ustar header block: no times, no owner, mode 0644."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    block = info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    if len(block) != BLOCK:
        raise ValueError(f"tar member name {name!r} does not fit one header block")
    return block


def data_offsets(start: int, sizes: list[int]) -> list[int]:
    """Where the data of members of these sizes begin, when the first one's header is at `start`."""
    offsets = []
    for size in sizes:
        offsets.append(start + BLOCK)
        start += BLOCK + padded(size)
    return offsets


def span(sizes: list[int]) -> int:
    """Bytes that members of these sizes take, headers and padding included."""
    return sum(BLOCK + padded(size) for size in sizes)


def write_members(handle: IO[bytes], members: list[tuple[str, bytes]]) -> bytes:
    """Append members to `handle`; returns the bytes written."""
    parts = []
    for name, data in members:
        parts += [member_header(name, len(data)), data, bytes(padded(len(data)) - len(data))]
    block = b"".join(parts)
    handle.write(block)
    return block
