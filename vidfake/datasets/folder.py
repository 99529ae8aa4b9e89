"""A plain folder of your own: real/ and fake/, with or without train/, validation/ and test/."""

from __future__ import annotations

from pathlib import Path

from vidfake.datasets.base import DATASETS
from vidfake.datasets.result import ScanBuilder, ScanResult
from vidfake.datasets.tree import child, resolve_root, videos_below
from vidfake.types import FAKE, REAL

HOLDS = "real/ and fake/, or train/, validation/, test/ with these two in each"

_SPLITS = {"train": ("train",), "validation": ("validation", "val"), "test": ("test",)}


def is_root(folder: Path) -> bool:
    """Whether a folder holds real/ and fake/, itself or per split."""
    return bool(_places(folder))


def _places(root: Path) -> list[tuple[str, Path]]:
    """(split, folder) of every folder with both classes in it: exactly named, never by part of a name."""
    candidates = [("", root)]
    candidates += [(split, here) for split, names in _SPLITS.items() if (here := child(root, *names)) is not None]
    return [(split, here) for split, here in candidates if child(here, "real") and child(here, "fake")]


@DATASETS.register(
    "folder", source="your own videos", licence="", layout=HOLDS, splits="folders train, validation (val), test"
)
def scan(root: Path | str, *, dataset: str = "folder") -> ScanResult:
    """A plain folder: real/ and fake/; a folder below fake/ is the name of a manipulation.

    Args:
        root: the folder that holds real/ and fake/, or one folder per split with these two in it.
        dataset: the name that the rows get in the column `dataset` and in front of their `video_id`.
    """
    root = resolve_root(root, is_root, dataset="a plain folder", holds=HOLDS)
    builder = ScanBuilder(dataset, root, licence="", origin="")
    places = _places(root)
    for split, here in places:
        for name, label in (("real", REAL), ("fake", FAKE)):
            folder = child(here, name)
            assert folder is not None  # _places has seen it
            for path in videos_below(folder):
                inside = path.relative_to(folder)
                builder.add(
                    path,
                    video_id=f"{dataset}/{path.relative_to(root).as_posix()}",
                    label=label,
                    manipulation=inside.parts[0] if len(inside.parts) > 1 else "",
                    split=split,
                )
    builder.warnings.append("Nothing is known of people or sources: every video counts as a source of its own.")
    return builder.finish("with splits" if any(split for split, _ in places) else "without splits")
