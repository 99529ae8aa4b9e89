"""FFIW-10K (Zhou et al., CVPR 2021): several faces per frame, few of them swapped; labels are per video."""

from __future__ import annotations

import re
from pathlib import Path

from vidfake.datasets.base import DATASETS, UNCONFIRMED
from vidfake.datasets.result import Published, ScanBuilder, ScanResult
from vidfake.datasets.tree import is_video, resolve_root, videos_below
from vidfake.types import FAKE, REAL

HOLDS = "source/ (real) and target/ (fake)"
LICENCE = "FFIW-10K terms to use (request form)"
ORIGIN = "https://github.com/tfzhou/FFIW"

_SOURCE = "as listed by deepfake-workbench"
_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_COUNTS = {"train": 8000, "validation": 250, "test": 1738}
_PREFIX = re.compile(r"^(train|val|test)_\d+$")


def is_root(folder: Path) -> bool:
    """Whether a folder is the root of FFIW-10K."""
    return (folder / "source").is_dir() and (folder / "target").is_dir()


@DATASETS.register(
    "ffiw10k",
    source=ORIGIN,
    licence=LICENCE,
    layout=HOLDS,
    splits="official: folders or names train, val, test",
    status=UNCONFIRMED,
)
def scan(root: Path | str) -> ScanResult:
    """FFIW-10K: ``source`` is real, ``target`` is fake, the same name in both is a pair.

    Args:
        root: the folder that holds source/ and target/.
    """
    root = resolve_root(root, is_root, dataset="FFIW-10K", holds=HOLDS)
    builder = ScanBuilder("ffiw10k", root, licence=LICENCE, origin=ORIGIN)
    variants = set()
    for folder, label in (("source", REAL), ("target", FAKE)):
        for path in videos_below(root / folder):
            split, variant = _split_of(path, root / folder)
            variants.add(variant)
            _add(builder, path, folder, label, split)
    published = [
        Published(count, _SOURCE, label, split=split)
        for split, count in _COUNTS.items()
        if any(record.split == split for record in builder.records)
        for label in (REAL, FAKE)
    ]
    return builder.finish(", ".join(sorted(variants)), published)


def _split_of(path: Path, top: Path) -> tuple[str, str]:
    """(split, how it was told): a folder named train, val or test below source/ or target/, or the file's name."""
    for part in path.relative_to(top).parts[:-1]:
        if part in _SPLITS:
            return _SPLITS[part], "splits as folders"
    if match := _PREFIX.match(path.stem):
        return _SPLITS[match[1]], "splits in file names"
    return "", "no splits"


def _add(builder: ScanBuilder, path: Path, folder: str, label: int, split: str) -> None:
    inside = path.relative_to(builder.root / folder)
    mask = builder.root / "target_mask" / inside
    name = "/".join(part for part in inside.with_suffix("").parts if part != "videos")
    builder.add(
        path,
        video_id=f"ffiw10k/{folder}/{name}",
        label=label,
        manipulation="FFIW",
        split=split,
        source_id=f"ffiw10k/{name}",
        pair_id=f"ffiw10k/{name}",
        extra={"mask": str(mask)} if label == FAKE and is_video(mask) else {},
    )
