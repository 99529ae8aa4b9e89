"""Which video does a name in somebody else's file mean? By whole path components, never by a piece of a word."""

from __future__ import annotations

from collections.abc import Sequence

from vidfake.types import VideoRecord

IMAGES = {"png", "jpg", "jpeg", "bmp", "webp"}
_MEDIA = IMAGES | {"mp4", "avi", "mov", "mkv", "webm", "m4v", "mpg", "mpeg", "flv", "wmv", "ts", "tar", "npy"}
_HOLDERS = {"videos", "frames", "faces", "images"}  # folders that data sets and benchmarks swap for one another


def components(name: str) -> tuple[str, ...]:
    """Path parts of a name: no media extension, no ``.``, and without the folders that only hold files."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts:
        return ()
    stem, dot, suffix = parts[-1].rpartition(".")
    if dot and stem and suffix.lower() in _MEDIA:
        parts[-1] = stem
    return (*(part for part in parts[:-1] if part not in _HOLDERS), parts[-1])


class NameIndex:
    """Finds the record that a name means: the exact `video_id`, else the one record whose id or path ends in the
    name's path components, or the other way round. `region` tells the halves of one file apart."""

    def __init__(self, records: Sequence[VideoRecord]) -> None:
        self.records = records
        self._by_id = {record.video_id: i for i, record in enumerate(records)}
        self._by_last: dict[str, dict[int, list[tuple[str, ...]]]] = {}
        for i, record in enumerate(records):
            for parts in {components(record.video_id), components(record.path)} - {()}:
                self._by_last.setdefault(parts[-1], {}).setdefault(i, []).append(parts)

    def find(self, name: str, region: str | None = None) -> list[int]:
        """Indices of the records that `name` may mean; one is a match, none is unknown, more is ambiguous."""
        if name in self._by_id:
            return [self._by_id[name]]
        wanted = components(name)
        if not wanted:
            return []
        found = [
            i
            for i, known in self._by_last.get(wanted[-1], {}).items()
            if any(_one_ends_in_the_other(wanted, parts) for parts in known)
        ]
        if region is None:
            return found
        return [i for i in found if _region_text(self.records[i]) == region]


def _one_ends_in_the_other(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    length = min(len(a), len(b))
    return a[-length:] == b[-length:]


def _region_text(record: VideoRecord) -> str:
    return record.region.as_text() if record.region else ""
