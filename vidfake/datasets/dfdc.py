"""DFDC, the Deepfake Detection Challenge (Dolhansky et al., 2020): training parts and the released test set."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vidfake.datasets.base import DATASETS
from vidfake.datasets.lists import read_json_object, read_table, text_of
from vidfake.datasets.result import Published, ScanBuilder, ScanResult
from vidfake.datasets.tree import resolve_root, subfolders, videos_in
from vidfake.errors import DatasetError
from vidfake.types import FAKE, REAL

HOLDS = "dfdc_train_part_N/ folders, or test/ (or videos) with labels.csv"
LICENCE = "DFDC terms of use (research)"
ORIGIN = "https://ai.meta.com/datasets/dfdc/"

_PART = re.compile(r"^dfdc_train_part_(\d+)$")
_LABELS = {"REAL": REAL, "FAKE": FAKE}
_NUM_PARTS = 50


def is_root(folder: Path) -> bool:
    """Whether a folder holds DFDC's training parts or its test set."""
    return bool(_parts(folder)) or _test_folder(folder) is not None


def _parts(root: Path) -> list[tuple[int, Path]]:
    """(number, folder) of the training parts in the root, in its ``train`` folder, or the root itself."""
    candidates = [root, *subfolders(root), *subfolders(root / "train")]
    named = [(int(match[1]), folder) for folder in candidates if (match := _PART.match(folder.name))]
    return sorted((n, folder) for n, folder in named if folder != root or (folder / "metadata.json").is_file())


def _test_folder(root: Path) -> Path | None:
    for folder in (root, root / "test"):
        if (folder / "labels.csv").is_file() or (folder.name == "test" and (folder / "metadata.json").is_file()):
            return folder
    return None


@DATASETS.register(
    "dfdc", source=ORIGIN, licence=LICENCE, layout=HOLDS, splits="official train and test; no validation"
)
def scan(root: Path | str) -> ScanResult:
    """DFDC's training parts and test set; a fake's original is its source.

    Args:
        root: the folder that holds dfdc_train_part_N/ folders, test/, or labels.csv.
    """
    root = resolve_root(root, is_root, dataset="DFDC", holds=HOLDS)
    builder = ScanBuilder("dfdc", root, licence=LICENCE, origin=ORIGIN)
    parts = _parts(root)
    for number, folder in parts:
        metadata = folder / "metadata.json"
        if not metadata.is_file():
            builder.missing.append(f"{builder.relative(metadata)} (the labels of part {number})")
            continue
        entries = read_json_object(metadata)
        _add_videos(builder, folder, {n: _train_entry(metadata, n, e) for n, e in entries.items()}, "train", number)
    if parts and len(parts) < _NUM_PARTS:
        builder.warnings.append(f"{len(parts)} of the {_NUM_PARTS} training parts are here.")
    test = _test_folder(root)
    published = []
    if test is not None:
        _add_videos(builder, test, dict(_test_entries(test)), "test", None)
        published.append(Published(5000, "released test set, as listed by deepfake-workbench", split="test"))
    met = ["training parts"] * bool(parts) + ["test set"] * (test is not None)
    return builder.finish(" and ".join(met), published)


def _train_entry(metadata: Path, name: str, entry: dict[str, Any]) -> tuple[int, str]:
    """(label, original) of one video of a training part."""
    label = entry.get("label")
    if label not in _LABELS:
        raise DatasetError(f"{metadata}: the label of {name} is {label!r}; it must be REAL or FAKE.")
    return _LABELS[label], text_of(entry.get("original"))


def _test_entries(folder: Path) -> Iterator[tuple[str, tuple[int, str]]]:
    """(file name, (label, original)) of the test set, from labels.csv, or else from its metadata.json."""
    table = folder / "labels.csv"
    if table.is_file():
        for number, row in read_table(table, required=("filename", "label")):
            if row["label"] not in ("0", "1"):
                raise DatasetError(f"{table}:{number}: label is {row['label']!r}; it must be 0 (real) or 1 (fake).")
            yield row["filename"], (int(row["label"]), "")
        return
    metadata = folder / "metadata.json"
    for name, entry in read_json_object(metadata).items():
        if entry.get("is_fake") not in (0, 1):
            raise DatasetError(f"{metadata}: is_fake of {name} is {entry.get('is_fake')!r}; it must be 0 or 1.")
        yield name, (int(entry["is_fake"]), text_of(entry.get("original")))


def _add_videos(
    builder: ScanBuilder, folder: Path, entries: dict[str, tuple[int, str]], split: str, part: int | None
) -> None:
    """Files of one folder that its list names; the label comes from the list and from nothing else."""
    files = {path.name: path for path in videos_in(folder)}
    builder.extra += [f"{builder.relative(path)} (no label)" for name, path in files.items() if name not in entries]
    for name, (label, original) in entries.items():
        if name not in files:
            builder.missing.append(f"{builder.relative(folder)}/{name}")
            continue
        stem = Path(original or name).stem
        builder.add(
            files[name],
            video_id=f"dfdc/{split}/{Path(name).stem}",
            label=label,
            manipulation="DFDC",
            split=split,
            source_id=f"dfdc/{stem}",
            pair_id=f"dfdc/{stem}",
            extra={"part": "" if part is None else str(part)},
        )
