"""FaceShifter (Li et al., 2019) on FaceForensics++'s sequences: a test set of its own in most papers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vidfake.datasets.base import DATASETS
from vidfake.datasets.ffpp import HOLDS, LICENCE, ORIGIN, add_sequences, is_root, published
from vidfake.datasets.result import ScanBuilder, ScanResult
from vidfake.datasets.tree import resolve_root


@DATASETS.register(
    "faceshifter", source=ORIGIN, licence=LICENCE, layout=HOLDS, splits="FaceForensics++'s official splits"
)
def scan(root: Path | str, *, splits: Path | str | None = None, compressions: Sequence[str] = ()) -> ScanResult:
    """FaceShifter's fakes and FaceForensics++'s originals, from a FaceForensics++ folder.

    Args:
        root: the folder that holds original_sequences/ and manipulated_sequences/.
        splits: folder of train.json, val.json and test.json; by default they are looked for below the root.
        compressions: take only these of raw, c23, c40.
    """
    root = resolve_root(root, is_root, dataset="FaceShifter", holds=HOLDS)
    builder = ScanBuilder("faceshifter", root, licence=LICENCE, origin=ORIGIN)
    sequences, found = add_sequences(builder, splits, compressions, ["FaceShifter"])
    return builder.finish("inside FaceForensics++", published(found, ["FaceShifter"], sequences))
