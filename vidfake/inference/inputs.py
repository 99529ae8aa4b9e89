"""What `vidfake score` was asked to score: files, folders, ``@list.txt`` and ``-`` become one list of paths."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from vidfake.errors import UsageError

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts"}
    | {".m2ts", ".flv", ".3gp", ".3g2", ".ogv", ".wmv", ".asf"}
)


def expand_inputs(arguments: Sequence[str], *, stdin: TextIO | None = None) -> list[str]:
    """Paths to score, in order, each once.

    A folder gives its files with a video suffix, recursively, sorted by name; ``@FILE`` gives the paths in FILE,
    one per line (relative to FILE's folder, blank lines and lines starting with # skipped); ``-`` reads such lines
    from standard input. A file named directly is taken whatever its suffix. A missing file stays in the list: it is
    reported with a status like any other file that cannot be read.
    """
    paths: dict[str, None] = {}
    for argument in arguments:
        for path in _expand(argument, stdin):
            paths.setdefault(path)
    if not paths:
        shown = ", ".join(arguments) or "nothing"
        raise UsageError(
            f"No video found in: {shown}. Name video files, a folder of them, @list.txt, or - for stdin."
        )
    return list(paths)


def _expand(argument: str, stdin: TextIO | None) -> Iterable[str]:
    if argument == "-":
        return _lines(stdin or sys.stdin, Path())
    if argument.startswith("@"):
        listing = Path(argument[1:])
        try:
            with open(listing, encoding="utf-8-sig") as handle:
                return _lines(handle, listing.parent)
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"{listing}: the list cannot be read ({error}). It takes one path per line."
            ) from error
    folder = Path(argument)
    if "://" not in argument and folder.is_dir():
        return sorted(str(p) for p in folder.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES and p.is_file())
    return [argument]


def _lines(handle: Iterable[str], base: Path) -> list[str]:
    names = (line.strip("\r\n") for line in handle)
    return [str(base / name) for name in names if name.strip() and not name.startswith("#")]
