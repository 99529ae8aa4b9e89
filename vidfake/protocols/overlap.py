"""What two roles must not share: videos, people, sources, and files with the same content."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from vidfake.data.manifest_rows import identities_of
from vidfake.files import sha256_file, write_json
from vidfake.types import VideoRecord

KINDS = ("video", "person", "source", "file")


class FileHashes:
    """SHA-256 of files, each read once. With `cache`, kept there between runs by path, size and time of change."""

    def __init__(self, cache: Path | str | None = None) -> None:
        self._cache = Path(cache) if cache is not None else None
        self._known: dict[str, str] = _read_cache(self._cache) if self._cache else {}
        self._sizes: dict[str, int | None] = {}
        self._new = False

    def size(self, path: str) -> int | None:
        """Bytes of a file, or None where it does not exist."""
        if path not in self._sizes:
            self._sizes[path] = os.stat(path).st_size if Path(path).is_file() else None
        return self._sizes[path]

    def sha256(self, path: str) -> str:
        """Hex digest of a file's content."""
        facts = os.stat(path)
        key = f"{os.path.abspath(path)}|{facts.st_size}|{facts.st_mtime_ns}"
        if key not in self._known:
            self._known[key] = sha256_file(path)
            self._new = True
        return self._known[key]

    def save(self) -> None:
        """Write the cache, if there is one and it has grown."""
        if self._cache is not None and self._new:
            write_json(self._cache, self._known)
            self._new = False


def _read_cache(path: Path) -> dict[str, str]:
    """What the cache holds; a missing or damaged one is empty: digests are then computed again."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}


def shared_rows(
    mine: Iterable[VideoRecord], others: Iterable[VideoRecord], hashes: FileHashes | None
) -> dict[str, dict[str, str]]:
    """By kind of overlap: `video_id` of each of `mine` that shares something with `others` -> what it shares.

    With `hashes`, files are compared by content, those of equal size only.
    """
    mine, others = list(mine), list(others)
    found: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    for kind in ("video", "person", "source"):
        theirs = {key for record in others for key in _keys(kind, record)}
        for record in mine:
            common = theirs & set(_keys(kind, record))
            if common:
                found[kind][record.video_id] = min(common)
    if hashes is not None:
        found["file"] = _same_files(mine, others, hashes)
    return {kind: rows for kind, rows in found.items() if rows}


def _keys(kind: str, record: VideoRecord) -> list[str]:
    if kind == "video":
        return [record.video_id]
    return identities_of(record) if kind == "person" else [record.source_id or record.video_id]


def _same_files(mine: list[VideoRecord], others: list[VideoRecord], hashes: FileHashes) -> dict[str, str]:
    by_size: dict[int | None, set[str]] = {}
    for record in others:
        by_size.setdefault(hashes.size(record.path), set()).add(record.path)
    by_size.pop(None, None)
    digests: dict[int | None, dict[str, str]] = {}
    same: dict[str, str] = {}
    for record in mine:
        size = hashes.size(record.path)
        if record.path in by_size.get(size, ()):
            same[record.video_id] = record.path
        elif size in by_size:
            if size not in digests:
                digests[size] = {hashes.sha256(path): path for path in sorted(by_size[size], reverse=True)}
            if (digest := hashes.sha256(record.path)) in digests[size]:
                same[record.video_id] = digests[size][digest]
    return same
