"""Files with the same content under different names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vidfake.files import sha256_file
from vidfake.types import VideoRecord


def duplicate_files(records: Iterable[VideoRecord]) -> list[list[str]]:
    """Groups of video ids whose different files have equal bytes. Only files of equal size are read."""
    ids: dict[str, str] = {}
    for record in records:
        ids.setdefault(record.path, record.video_id)
    by_size: dict[int, list[str]] = {}
    for path in ids:
        by_size.setdefault(Path(path).stat().st_size, []).append(path)
    groups: dict[str, list[str]] = {}
    for same_size in by_size.values():
        if len(same_size) > 1:
            for path in same_size:
                groups.setdefault(sha256_file(path), []).append(ids[path])
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)
