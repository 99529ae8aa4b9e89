"""DFDC preview (Dolhansky et al., 2019): two swapping methods, actors known by number."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from vidfake.datasets.base import DATASETS
from vidfake.datasets.lists import read_json_object, text_of
from vidfake.datasets.result import Published, ScanBuilder, ScanResult
from vidfake.datasets.tree import resolve_root, videos_below, within
from vidfake.errors import DatasetError
from vidfake.types import FAKE, REAL

HOLDS = "dataset.json, original_videos/, method_A/ and method_B/"
LICENCE = "DFDC preview terms of use (research)"
ORIGIN = "https://arxiv.org/abs/1910.08854"

_SOURCE = "as listed by deepfake-workbench"
_LABELS = {"real": REAL, "fake": FAKE}
_METHODS = ("method_A", "method_B")


def is_root(folder: Path) -> bool:
    """Whether a folder is the root of the DFDC preview."""
    return (folder / "dataset.json").is_file() and (folder / "original_videos").is_dir()


@DATASETS.register(
    "dfdc-preview", source=ORIGIN, licence=LICENCE, layout=HOLDS, splits="official train and test; no validation"
)
def scan(root: Path | str) -> ScanResult:
    """DFDC preview, by its dataset.json.

    Args:
        root: the folder that holds dataset.json.
    """
    root = resolve_root(root, is_root, dataset="the DFDC preview", holds=HOLDS)
    builder = ScanBuilder("dfdc-preview", root, licence=LICENCE, origin=ORIGIN)
    listing = root / "dataset.json"
    seen: set[Path] = set()
    nested = 0
    for name, entry in read_json_object(listing).items():
        path = _locate(root, name)
        if path is None:
            builder.missing.append(name)
            continue
        nested += "videos" in path.relative_to(root).parts
        seen.add(path)
        _add(builder, listing, path, name, entry)
    for place in ("original_videos", *_METHODS):
        builder.extra += [
            f"{builder.relative(path)} (not in dataset.json)"
            for path in videos_below(root / place)
            if path not in seen
        ]
    published = [Published(1131, _SOURCE, REAL), Published(4119, _SOURCE, FAKE)]
    return builder.finish("with videos/ sub-folders" if nested else "as distributed", published)


def _locate(root: Path, name: str) -> Path | None:
    """The file that dataset.json names, or the same one below a ``videos`` folder that some copies have."""
    first, _, rest = name.partition("/")
    for candidate in (name, f"{first}/videos/{rest}"):
        path = within(root, candidate)
        if path is not None and path.is_file():
            return path
    return None


def _add(builder: ScanBuilder, listing: Path, path: Path, name: str, entry: dict[str, Any]) -> None:
    label, split = entry.get("label"), entry.get("set")
    if label not in _LABELS or split not in ("train", "test"):
        raise DatasetError(
            f"{listing}: {name} has label {label!r} and set {split!r}; they must be real or fake, train or test."
        )
    method = PurePosixPath(name).parts[0]
    if (label == "fake") != (method in _METHODS):
        raise DatasetError(f"{listing}: {name} is listed as {label}, but lies in {method}/. Was the list edited?")
    swapped, _, target_recording = path.stem.partition("_")  # <swapped>_<target>_<suffix>_<n>
    recording = target_recording if label == "fake" else path.stem
    people = [text_of(entry.get("target_id")) or recording.partition("_")[0]]
    if label == "fake":
        people.append(text_of(entry.get("swapped_id")) or swapped)
    changes = entry.get("augmentations")
    builder.add(
        path,
        video_id=f"dfdc-preview/{method}/{path.stem}",
        label=_LABELS[label],
        manipulation=method,
        split=split,
        source_id=f"dfdc-preview/{recording}",
        pair_id=f"dfdc-preview/{recording}",
        people=[f"dfdc-preview/{person}" for person in people],
        extra={"augmentations": json.dumps(changes) if isinstance(changes, list) and changes else ""},
    )
