"""Deepfake-Eval-2024 (Chandra et al., 2025): videos that circulated in 2024, labelled by hand."""

from __future__ import annotations

from pathlib import Path

from vidfake.datasets.base import DATASETS
from vidfake.datasets.lists import read_table
from vidfake.datasets.result import ScanBuilder, ScanResult
from vidfake.datasets.tree import resolve_root, videos_below, within
from vidfake.errors import DatasetError
from vidfake.types import FAKE, REAL

TABLES = ("video-metadata-publish.csv", "video-metadata-publish-with-links.csv")
HOLDS = f"video-data/ and {TABLES[0]}"
LICENCE = "CC BY-SA 4.0, gated"
ORIGIN = "https://huggingface.co/datasets/nuriachandra/Deepfake-Eval-2024"

_FILE, _TRUTH, _AUDIO, _SET = "Filename", "Video Ground Truth", "Audio Ground Truth", "Finetuning Set"
_LABELS = {"real": REAL, "fake": FAKE}
_SETS = {"train": "train", "test": "test"}


def is_root(folder: Path) -> bool:
    """Whether a folder is the root of Deepfake-Eval-2024's videos."""
    return (folder / "video-data").is_dir() and any((folder / name).is_file() for name in TABLES)


@DATASETS.register(
    "deepfake-eval-2024", source=ORIGIN, licence=LICENCE, layout=HOLDS, splits="official: column 'Finetuning Set'"
)
def scan(root: Path | str) -> ScanResult:
    """Deepfake-Eval-2024's videos; those whose picture is of unknown truth are left out.

    Args:
        root: the folder that holds video-data/ and the table.
    """
    root = resolve_root(root, is_root, dataset="Deepfake-Eval-2024", holds=HOLDS)
    builder = ScanBuilder("deepfake-eval-2024", root, licence=LICENCE, origin=ORIGIN)
    table = next(root / name for name in TABLES if (root / name).is_file())
    folder = root / "video-data"
    named, unknown = set(), 0
    for number, row in read_table(table, required=(_FILE, _TRUTH, _SET)):
        path = within(folder, row[_FILE])
        if path is None:
            raise DatasetError(f"{table}:{number}: {_FILE} is {row[_FILE]!r}; it must name a file in video-data/.")
        named.add(path)
        truth = row[_TRUTH].lower()
        if truth not in _LABELS:
            unknown += 1
        elif not path.is_file():
            builder.missing.append(f"video-data/{row[_FILE]}")
        else:
            builder.add(
                path,
                video_id=f"deepfake-eval-2024/{path.stem}",
                label=_LABELS[truth],
                manipulation="in_the_wild",
                split=_SETS.get(row[_SET].lower(), ""),
                extra={"audio_truth": row.get(_AUDIO, "")},
            )
    builder.extra += [f"{builder.relative(p)} (not in the table)" for p in videos_below(folder) if p not in named]
    if unknown:
        builder.warnings.append(f"{unknown} videos whose truth is neither Real nor Fake are left out.")
    return builder.finish(table.name)
