"""FakeAVCeleb v1.2 (Khalid et al., 2021): pictures, voices or both made, of VoxCeleb2 interviews."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from vidfake.datasets.base import DATASETS
from vidfake.datasets.lists import read_table
from vidfake.datasets.result import Published, ScanBuilder, ScanResult
from vidfake.datasets.tree import resolve_root, videos_below
from vidfake.types import FAKE, REAL

CATEGORIES = {
    "RealVideo-RealAudio": (REAL, 500),
    "RealVideo-FakeAudio": (REAL, 500),  # the picture is untouched: real for whoever looks only
    "FakeVideo-RealAudio": (FAKE, 9709),
    "FakeVideo-FakeAudio": (FAKE, 10835),
}
HOLDS = f"{', '.join(CATEGORIES)}, meta_data.csv"
LICENCE = "FakeAVCeleb request form (research)"
ORIGIN = "https://github.com/DASH-Lab/FakeAVCeleb"

_COLUMNS = ("source", "target1", "method", "type", "path", "")  # the last column has no name: the directory
_SOURCE = "FakeAVCeleb v1.2"


def is_root(folder: Path) -> bool:
    """Whether a folder is the root of FakeAVCeleb."""
    return any((folder / name).is_dir() for name in CATEGORIES)


@DATASETS.register("fakeavceleb", source=ORIGIN, licence=LICENCE, layout=HOLDS, splits="none")
def scan(root: Path | str) -> ScanResult:
    """FakeAVCeleb; real video with fake audio is real, because the picture is.

    Args:
        root: the folder that holds the four categories and meta_data.csv.
    """
    root = resolve_root(root, is_root, dataset="FakeAVCeleb", holds=HOLDS)
    builder = ScanBuilder("fakeavceleb", root, licence=LICENCE, origin=ORIGIN)
    table = _read_table(root, builder)
    listed = set(table)
    for category, (label, _) in CATEGORIES.items():
        for path in videos_below(root / category):
            place = PurePosixPath(path.relative_to(root).as_posix())
            if listed and place not in listed:
                builder.extra.append(f"{place} (not in meta_data.csv)")
                continue
            _add(builder, path, place, label, table.pop(place, {}))
    builder.missing += sorted(str(name) for name in table)
    published = [
        Published(sum(n for value, n in CATEGORIES.values() if value == label), _SOURCE, label)
        for label in (REAL, FAKE)
    ]
    return builder.finish("as distributed", published)


def _read_table(root: Path, builder: ScanBuilder) -> dict[PurePosixPath, dict[str, str]]:
    """Rows of meta_data.csv by path below the root. `path` is the file; the unnamed column is its directory."""
    listing = root / "meta_data.csv"
    if not listing.is_file():
        builder.warnings.append("meta_data.csv is missing: the manipulation is taken from the category.")
        return {}
    rows = {}
    for _, row in read_table(listing, required=_COLUMNS):
        directory = PurePosixPath(row[""])
        below = directory.parts[directory.parts.index(row["type"]) :] if row["type"] in directory.parts else ()
        rows[PurePosixPath(*below, row["path"])] = row
    return rows


def _add(builder: ScanBuilder, path: Path, place: PurePosixPath, label: int, row: dict[str, str]) -> None:
    category = place.parts[0]
    speaker = row.get("source") or path.parent.name
    donor = row.get("target1", "")
    people = [speaker, donor] if label == FAKE and donor.startswith("id") else [speaker]
    builder.add(
        path,
        video_id=f"fakeavceleb/{place.with_suffix('')}",
        label=label,
        manipulation=row.get("method") or category,
        source_id=f"fakeavceleb/{speaker}",
        pair_id=f"fakeavceleb/{speaker}/{path.stem.partition('_')[0]}",
        people=[f"voxceleb2/{person}" for person in people],
        extra={"category": category},
    )
