"""ForgeryNet, its videos (He et al., CVPR 2021): fakes may be real in some of their frames."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vidfake.datasets.base import DATASETS, UNCONFIRMED
from vidfake.datasets.lists import read_lines
from vidfake.datasets.result import Published, ScanBuilder, ScanResult
from vidfake.datasets.tree import child, files_below, resolve_root, videos_below
from vidfake.errors import DatasetError
from vidfake.types import FAKE, REAL

HOLDS = "Training/, Validation/ (and Test/) with a video list (video_list.txt) in each"
LICENCE = "ForgeryNet: non-commercial research and education"
ORIGIN = "https://github.com/yinanhe/ForgeryNet"

_SOURCE = "ForgeryNet README"
_PARTS = {"Training": "train", "Validation": "validation", "Test": "test"}
_LIST = re.compile(r"^(video_list|(train|val|test)_video_list|video_(train|val|test)_list).*\.txt$")
_MAX_SEGMENTS = 1000


@dataclass(frozen=True)
class _Line:
    """``<n> <video> [<start> <count> <flag>]*n <binary> <triple> <16-class>``."""

    name: str
    segments: tuple[tuple[int, int, int], ...]
    label: int
    forgery_class: int


def is_root(folder: Path) -> bool:
    """Whether a folder holds ForgeryNet's parts."""
    return any(child(folder, part) is not None for part in ("Training", "Validation"))


@DATASETS.register(
    "forgerynet",
    source=ORIGIN,
    licence=LICENCE,
    layout=HOLDS,
    splits="official: Training, Validation, Test",
    status=UNCONFIRMED,
)
def scan(root: Path | str) -> ScanResult:
    """ForgeryNet's videos, by its video lists; forged stretches are kept in `fake_segments_frames`.

    Args:
        root: the folder that holds Training/ and Validation/.
    """
    root = resolve_root(root, is_root, dataset="ForgeryNet", holds=HOLDS)
    builder = ScanBuilder("forgerynet", root, licence=LICENCE, origin=ORIGIN)
    for part, split in _PARTS.items():
        folder = child(root, part)
        if folder is None:
            continue
        lists = [path for path in files_below(folder) if _LIST.match(path.name)]
        if not lists:
            builder.warnings.append(f"{folder.name}/ has no video_list.txt: its videos have no labels, left out.")
            continue
        _add_part(builder, folder, split, [_parse(p, n, line) for p in lists for n, line in read_lines(p)])
    return builder.finish("lists inside the parts", [Published(221247, _SOURCE)])


def _parse(path: Path, number: int, line: str) -> _Line:
    """One line of a list. Raises DatasetError with file and line."""
    words = line.split()
    try:
        count = int(words[0])
        if not 0 <= count <= _MAX_SEGMENTS or len(words) != 2 + 3 * count + 3:
            raise ValueError
        numbers = [int(word) for word in words[2:]]
    except (ValueError, IndexError) as error:
        raise DatasetError(
            f"{path}:{number}: not '<n> <video> [<start> <count> <0 or 1>] * n <binary> <triple> <class>'."
        ) from error
    label, _, forgery_class = numbers[-3:]
    if label not in (REAL, FAKE) or (label == REAL) != (forgery_class == 0):
        raise DatasetError(
            f"{path}:{number}: binary label {label} and class {forgery_class} disagree; class 0 is real."
        )
    flat = numbers[:-3]
    segments = tuple((flat[i], flat[i + 1], flat[i + 2]) for i in range(0, len(flat), 3))
    return _Line(words[1], segments, label, forgery_class)


def _add_part(builder: ScanBuilder, folder: Path, split: str, lines: list[_Line]) -> None:
    """A list names its videos by the end of their path; a name that fits two files is not taken."""
    by_name: dict[str, list[Path]] = {}
    for path in videos_below(folder):
        by_name.setdefault(path.name, []).append(path)
    taken = set()
    for line in lines:
        wanted = PurePosixPath(line.name).parts
        matches = [p for p in by_name.get(wanted[-1], []) if p.parts[-len(wanted) :] == wanted]
        if len(matches) != 1:
            reason = "fits several files" if matches else "not there"
            builder.missing.append(f"{folder.name}: {line.name} ({reason})")
            continue
        path = matches[0]
        taken.add(path)
        inside = path.relative_to(folder).with_suffix("").as_posix()
        forged = [[start, count] for start, count, flag in line.segments if flag == FAKE]
        builder.add(
            path,
            video_id=f"forgerynet/{split}/{inside}",
            label=line.label,
            manipulation=f"class_{line.forgery_class:02d}",
            split=split,
            extra={"fake_segments_frames": json.dumps(forged) if line.label == FAKE and forged else ""},
        )
    builder.extra += [
        f"{builder.relative(path)} (in no list)"
        for paths in by_name.values()
        for path in paths
        if path not in taken
    ]
