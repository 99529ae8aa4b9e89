"""Looking at folders: the right root, one level up or down from it, and the video files below a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from vidfake.errors import DatasetError

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg"})
PARTIAL_SUFFIXES = frozenset({".part", ".crdownload", ".aria2", ".download", ".tmp", ".partial", ".incomplete"})
SEARCH_DEPTH = 2  # levels above and below the given root in which the right one is looked for
MAX_DEPTH = 12  # levels of folders below a root that are read


def resolve_root(root: Path | str, is_root: Callable[[Path], bool], *, dataset: str, holds: str) -> Path:
    """The absolute root, if `is_root` accepts it.

    Raises DatasetError otherwise: naming the folder one or two levels up or down that fits, or what a root
    `holds`.
    """
    given = Path(os.path.abspath(root))
    if not given.exists():
        raise DatasetError(f"{root}: no such folder. Name the folder that holds {holds}.")
    if not given.is_dir():
        raise DatasetError(f"{root}: is a file. Name the folder of {dataset} that holds {holds}.")
    if is_root(given):
        return given
    below = [folder for folder in _folders_below(given, SEARCH_DEPTH) if is_root(folder)]
    if below:
        others = f" ({len(below)} folders there fit)" if len(below) > 1 else ""
        raise DatasetError(f"{root}: this looks one level too high{others}: use {below[0]}")
    above = [folder for folder in list(given.parents)[:SEARCH_DEPTH] if is_root(folder)]
    if above:
        raise DatasetError(f"{root}: this looks one level too deep: use {above[0]}")
    inside = ", ".join(sorted(p.name for p in given.iterdir() if not p.name.startswith("."))[:8]) or "nothing"
    raise DatasetError(
        f"{root}: not a folder of {dataset}. It holds {inside}, but a root of {dataset} holds {holds}."
    )


def _folders_below(folder: Path, depth: int) -> Iterator[Path]:
    """Folders below, nearest first, at most `depth` levels."""
    level = [folder]
    for _ in range(depth):
        level = [child for parent in level for child in subfolders(parent)]
        yield from level


def subfolders(folder: Path) -> list[Path]:
    """Visible folders in a folder, by name; none where it does not exist or cannot be read."""
    try:
        return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:
        return []


def child(folder: Path, *names: str) -> Path | None:
    """The sub-folder or file of one of these names, whatever the case of its letters."""
    wanted = {name.lower() for name in names}
    try:
        matches = sorted(p for p in folder.iterdir() if p.name.lower() in wanted)
    except OSError:
        return None
    return matches[0] if matches else None


def videos_in(folder: Path) -> list[Path]:
    """Video files directly in a folder or in its ``videos`` sub-folder (some mirrors add one), by name."""
    nested = folder / "videos"
    places = [folder, nested] if nested.is_dir() else [folder]
    return sorted(p for place in places if place.is_dir() for p in place.iterdir() if is_video(p))


def videos_below(folder: Path) -> list[Path]:
    """Video files at any depth, by path. Links are followed, each real folder once."""
    return sorted(p for p in files_below(folder) if is_video(p))


def files_below(folder: Path) -> Iterator[Path]:
    """Visible files at any depth up to `MAX_DEPTH`. Links are followed, each real folder once."""
    seen: set[str] = set()
    for here, folders, files in os.walk(folder, followlinks=True):
        depth = len(Path(here).relative_to(folder).parts)
        real = os.path.realpath(here)
        if real in seen or depth > MAX_DEPTH:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(here, name) for name in sorted(files) if not name.startswith("."))


def is_video(path: Path) -> bool:
    """A visible file with a video's suffix (macOS leaves ``._name.mp4`` files, which are none)."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".") and path.is_file()


def partial_downloads(folder: Path) -> list[Path]:
    """Files that a downloader has not finished."""
    return [path for path in files_below(folder) if path.suffix.lower() in PARTIAL_SUFFIXES]


def within(root: Path, name: str) -> Path | None:
    """`root` / `name` for a name from a list, or None where it would leave `root`."""
    if not name or "\x00" in name:
        return None
    path = Path(os.path.normpath(root / name.replace("\\", "/")))
    return path if path.is_relative_to(root) and path != root else None
