"""DeeperForensics-1.0 (Jiang et al., CVPR 2020): 1,000 swaps in eleven versions, of FaceForensics++'s originals.

Its real videos are FaceForensics++'s c23 originals. `source_videos/` shows the actors whose faces were used; the
authors say that they are not the real class, and they never become rows here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from vidfake.datasets import ffpp as faceforensics
from vidfake.datasets.base import DATASETS, check_choices
from vidfake.datasets.ffpp_splits import Sequences, find_splits, is_sequence, person, read_splits
from vidfake.datasets.lists import read_lines
from vidfake.datasets.result import Published, ScanBuilder, ScanResult
from vidfake.datasets.tree import resolve_root, videos_in
from vidfake.errors import DatasetError
from vidfake.types import FAKE, REAL

HOLDS = "manipulated_videos/ and lists/"
LICENCE = "DeeperForensics-1.0 terms of use (non-commercial research)"
ORIGIN = "https://github.com/EndlessSora/DeeperForensics-1.0"

STANDARD = "standard"
VERSIONS = {
    "end_to_end": ("end_to_end", STANDARD),
    **{f"end_to_end_level_{level}": ("end_to_end", f"level_{level}") for level in range(1, 6)},
    "end_to_end_random_level": ("end_to_end", "random_level"),
    **{f"end_to_end_mix_{n}_distortions": ("end_to_end", f"mix_{n}_distortions") for n in (2, 3, 4)},
    "reenact_postprocess": ("reenact_postprocess", STANDARD),
}
"""Folder -> (manipulation, compression): the distorted copies are one manipulation at another quality."""

_SPLIT_FILES = {"train": "train.txt", "validation": "val.txt", "test": "test.txt"}
_SPLIT_COUNTS = {"train": 703, "validation": 96, "test": 201}
_FAKE = re.compile(r"^(\d{3})_([MW]\d{3})$")
_README = "DeeperForensics-1.0 README"


def is_root(folder: Path) -> bool:
    """Whether a folder is the root of a DeeperForensics-1.0 download."""
    return (folder / "manipulated_videos").is_dir()


@DATASETS.register(
    "deeperforensics", source=ORIGIN, licence=LICENCE, layout=HOLDS, splits="official: lists/splits/*.txt"
)
def scan(
    root: Path | str,
    *,
    ffpp: Path | str | None = None,
    splits: Path | str | None = None,
    versions: Sequence[str] = tuple(VERSIONS),
) -> ScanResult:
    """DeeperForensics-1.0's fakes, with FaceForensics++'s c23 originals as its reals.

    Args:
        root: the folder that holds manipulated_videos/ and lists/.
        ffpp: the FaceForensics++ folder; without it there are no real videos.
        splits: folder of FaceForensics++'s train.json, val.json and test.json, if not below `ffpp`. With them the
            column `ffpp_split` says where a target is in FaceForensics++: a detector that was trained there must be
            tested on `ffpp_split` test only.
        versions: take only these sub-folders of manipulated_videos/.
    """
    check_choices("versions", versions, tuple(VERSIONS))
    root = resolve_root(root, is_root, dataset="DeeperForensics-1.0", holds=HOLDS)
    builder = ScanBuilder("deeperforensics", root, licence=LICENCE, origin=ORIGIN)
    originals = None
    if ffpp is not None:
        originals = resolve_root(ffpp, faceforensics.is_root, dataset="FaceForensics++", holds=faceforensics.HOLDS)
    sequences = read_splits(find_splits(originals or root, splits))
    split_of = _read_splits(root, builder)
    found = _add_fakes(builder, versions, split_of, sequences)
    if originals is None:
        builder.warnings.append(
            "No real videos: DeeperForensics-1.0's reals are FaceForensics++'s c23 originals. Pass that folder as "
            "ffpp=FOLDER. (source_videos/ are not its real class.)"
        )
    else:
        _add_reals(builder, originals, split_of, sequences)
    return builder.finish("as distributed", _published(found, bool(split_of)))


def _published(found: set[tuple[str, str]], has_lists: bool) -> list[Published]:
    rows = [Published(1000, _README, FAKE, m, compression=c) for m, c in sorted(found)]
    if has_lists:
        rows += [
            Published(count, _README, FAKE, m, split, c)
            for m, c in sorted(found)
            for split, count in _SPLIT_COUNTS.items()
        ]
    return rows


def _read_splits(root: Path, builder: ScanBuilder) -> dict[str, str]:
    """``000_M101`` -> split, from lists/splits."""
    folder = root / "lists" / "splits"
    split_of: dict[str, str] = {}
    if not folder.is_dir():
        builder.warnings.append("lists/splits/ is missing: split is left empty. It comes with the download.")
        return split_of
    for split, name in _SPLIT_FILES.items():
        for number, line in read_lines(folder / name):
            stem = PurePosixPath(line).stem
            if _FAKE.match(stem) is None or stem in split_of:
                raise DatasetError(
                    f"{folder / name}:{number}: {line!r} is not a new name such as 000_M101.mp4. "
                    "Download the lists again."
                )
            split_of[stem] = split
    return split_of


def _add_fakes(
    builder: ScanBuilder, versions: Sequence[str], split_of: dict[str, str], sequences: Sequences
) -> set[tuple[str, str]]:
    distortions = _read_distortions(builder.root)
    found = set()
    for version in versions:
        folder = builder.root / "manipulated_videos" / version
        manipulation, compression = VERSIONS[version]
        stems = set()
        for path in videos_in(folder):
            match = _FAKE.match(path.stem)
            if match is None:
                builder.extra.append(builder.relative(path))
                continue
            stems.add(path.stem)
            target, actor = match[1], match[2]
            builder.add(
                path,
                video_id=f"deeperforensics/{version}/{path.stem}",
                label=FAKE,
                manipulation=manipulation,
                split=split_of.get(path.stem, ""),
                compression=compression,
                source_id=person(target),
                pair_id=f"deeperforensics/{target}",
                people=[person(target), f"deeperforensics/{actor}"],
                extra={
                    "ffpp_split": sequences.split_of.get(target, ""),
                    "distortions": distortions.get((version, path.stem), ""),
                },
            )
        if stems:
            found.add((manipulation, compression))
            absent = sorted(split_of.keys() - stems)
            builder.missing += [f"manipulated_videos/{version}/{stem}.mp4" for stem in absent]
    return found


def _read_distortions(root: Path) -> dict[tuple[str, str], str]:
    """(version, stem) -> ``CS:3 GB:2``, in the order in which they were applied."""
    folder = root / "lists" / "manipulated_videos_distortions_meta"
    distortions: dict[tuple[str, str], str] = {}
    for listing in sorted(folder.glob("*.txt")):
        for _, line in read_lines(listing):
            name, *kinds = line.split()
            path = PurePosixPath(name)
            version = path.parent.name or listing.stem.removeprefix("manipulated_videos_").removesuffix("_meta")
            distortions[version, path.stem] = " ".join(kinds)
    return distortions


def _add_reals(builder: ScanBuilder, originals: Path, split_of: dict[str, str], sequences: Sequences) -> None:
    """The c23 originals; each has the split of the fake made from it (every target is used once)."""
    by_target = {stem[:3]: split for stem, split in split_of.items()}
    for path in videos_in(originals / "original_sequences" / "youtube" / "c23"):
        if not is_sequence(path.stem):
            continue
        builder.add(
            path,
            video_id=f"deeperforensics/real/{path.stem}",
            label=REAL,
            split=by_target.get(path.stem, ""),
            compression=STANDARD,
            source_id=person(path.stem),
            pair_id=f"deeperforensics/{path.stem}",
            people=[person(path.stem)],
            extra={"ffpp_split": sequences.split_of.get(path.stem, "")},
        )
