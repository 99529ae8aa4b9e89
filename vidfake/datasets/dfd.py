"""DeepFakeDetection (Google and Jigsaw, 2019), as distributed inside FaceForensics++."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from vidfake.datasets.base import DATASETS, check_choices
from vidfake.datasets.ffpp import COMPRESSIONS, LICENCE, ORIGIN
from vidfake.datasets.result import Published, ScanBuilder, ScanResult
from vidfake.datasets.tree import resolve_root, subfolders, videos_in
from vidfake.types import FAKE, REAL

HOLDS = "original_sequences/actors/ and manipulated_sequences/DeepFakeDetection/"

_REAL = re.compile(r"^(\d\d)__(.+)$")
_FAKE = re.compile(r"^(\d\d)_(\d\d)__(.+)__([A-Z0-9]{8})$")
_SOURCE = "counts of the FaceForensics++ download, as listed by deepfake-workbench"


def is_root(folder: Path) -> bool:
    """Whether a folder holds DeepFakeDetection's videos."""
    return (folder / "original_sequences" / "actors").is_dir() or (
        folder / "manipulated_sequences" / "DeepFakeDetection"
    ).is_dir()


@DATASETS.register("dfd", source=ORIGIN, licence=LICENCE, layout=HOLDS, splits="none")
def scan(root: Path | str, *, compressions: Sequence[str] = ()) -> ScanResult:
    """DeepFakeDetection: 28 actors, 363 recordings and 3,068 swaps; no official split.

    Args:
        root: the FaceForensics++ folder that it was downloaded into.
        compressions: take only these of raw, c23, c40.
    """
    check_choices("compressions", compressions, COMPRESSIONS)
    root = resolve_root(root, is_root, dataset="DeepFakeDetection", holds=HOLDS)
    builder = ScanBuilder("dfd", root, licence=LICENCE, origin=ORIGIN)
    found = set()
    for label, folder in (
        (REAL, root / "original_sequences" / "actors"),
        (FAKE, root / "manipulated_sequences" / "DeepFakeDetection"),
    ):
        for place in subfolders(folder):
            if place.name in (compressions or COMPRESSIONS):
                for path in videos_in(place):
                    _add(builder, path, label, place.name)
                    found.add((label, place.name))
    counts = {REAL: 363, FAKE: 3068}
    return builder.finish(
        "inside FaceForensics++",
        [Published(counts[label], _SOURCE, label, compression=c) for label, c in sorted(found)],
    )


def _add(builder: ScanBuilder, path: Path, label: int, compression: str) -> None:
    match = (_REAL if label == REAL else _FAKE).match(path.stem)
    if match is None:
        builder.extra.append(builder.relative(path))
        return
    target, scene = match[1], match[2] if label == REAL else match[3]
    people = [target] if label == REAL else [target, match[2]]
    mask = builder.root / "manipulated_sequences" / "DeepFakeDetection" / "masks" / "videos" / path.name
    builder.add(
        path,
        video_id=f"dfd/{'actors' if label == REAL else 'DeepFakeDetection'}/{compression}/{path.stem}",
        label=label,
        manipulation="DeepFakeDetection",
        compression=compression,
        source_id=f"dfd/{target}__{scene}",
        pair_id=f"dfd/{compression}/{target}__{scene}",
        people=[f"dfd/{person}" for person in people],
        extra={"mask": str(mask)} if label == FAKE and mask.is_file() else {},
    )
