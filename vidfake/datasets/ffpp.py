"""FaceForensics++ (Rössler et al., ICCV 2019): 1,000 sequences, five manipulations, raw, c23 and c40."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vidfake.datasets.base import DATASETS, check_choices
from vidfake.datasets.ffpp_splits import (
    PAIR_COUNTS,
    Sequences,
    find_splits,
    is_sequence,
    parse_fake,
    person,
    read_splits,
)
from vidfake.datasets.result import Published, ScanBuilder, ScanResult
from vidfake.datasets.tree import resolve_root, subfolders, videos_in
from vidfake.types import FAKE, REAL

MANIPULATIONS = ("Deepfakes", "Face2Face", "FaceShifter", "FaceSwap", "NeuralTextures")
COMPRESSIONS = ("raw", "c23", "c40")
HOLDS = "original_sequences/ and manipulated_sequences/"
LICENCE = "FaceForensics terms of use (non-commercial research)"
ORIGIN = "https://github.com/ondyari/FaceForensics"

_SOURCE = "FaceForensics++ README"
_SPLIT_SOURCE = "official pair splits"


def is_root(folder: Path) -> bool:
    """Whether a folder is the root of a FaceForensics++ download."""
    return (folder / "original_sequences").is_dir() or (folder / "manipulated_sequences").is_dir()


@DATASETS.register(
    "ffpp", source=ORIGIN, licence=LICENCE, layout=HOLDS, splits="official: splits/{train,val,test}.json"
)
def scan(
    root: Path | str,
    *,
    splits: Path | str | None = None,
    compressions: Sequence[str] = (),
    manipulations: Sequence[str] = MANIPULATIONS,
) -> ScanResult:
    """FaceForensics++ with its five manipulations, in every compression that is there.

    Args:
        root: the folder that holds original_sequences/ and manipulated_sequences/.
        splits: folder of train.json, val.json and test.json; by default they are looked for below the root.
        compressions: take only these of raw, c23, c40.
        manipulations: take only these.
    """
    root = resolve_root(root, is_root, dataset="FaceForensics++", holds=HOLDS)
    builder = ScanBuilder("ffpp", root, licence=LICENCE, origin=ORIGIN)
    sequences, found = add_sequences(builder, splits, compressions, manipulations)
    other = [name for name in ("actors", "DeepFakeDetection") if _has(root, name)]
    if other:
        builder.warnings.append(f"DeepFakeDetection ({', '.join(other)}) is in this folder too: scan it as 'dfd'.")
    return builder.finish("FaceForensics++ download script", published(found, manipulations, sequences))


def _has(root: Path, name: str) -> bool:
    return (root / "original_sequences" / name).is_dir() or (root / "manipulated_sequences" / name).is_dir()


def add_sequences(
    builder: ScanBuilder,
    splits: Path | str | None,
    compressions: Sequence[str],
    manipulations: Sequence[str],
) -> tuple[Sequences, dict[tuple[str, str], set[str]]]:
    """Add originals and fakes; returns the splits, and the stems found by (compression, manipulation or real)."""
    check_choices("compressions", compressions, COMPRESSIONS)
    check_choices("manipulations", manipulations, MANIPULATIONS)
    root = builder.root
    folder = find_splits(root, splits)
    sequences = read_splits(folder)
    if folder is None:
        builder.warnings.append(
            "No split lists (splits/train.json, val.json, test.json): split is left empty. They are in the "
            "FaceForensics repository; pass their folder as splits=FOLDER."
        )
    files = list(_files(builder, compressions, manipulations))
    for _, _, stem, _ in files:
        if (pair := parse_fake(stem)) is not None:
            sequences.link(*pair)
    sources = sequences.sources({stem[:3] for _, _, stem, _ in files})
    found: dict[tuple[str, str], set[str]] = {}
    for compression, manipulation, stem, path in files:
        pair = parse_fake(stem)
        target = stem[:3]
        label = REAL if pair is None else FAKE
        kind = manipulation if pair else "real"
        found.setdefault((compression, kind), set()).add(stem)
        builder.add(
            path,
            video_id=f"{builder.dataset}/{manipulation if pair else 'youtube'}/{compression}/{stem}",
            label=label,
            manipulation=manipulation,
            split=sequences.split_of.get(target, ""),
            compression=compression,
            source_id=sources[target],
            pair_id=f"ffpp/{compression}/{target}",
            people=[person(i) for i in (pair or (target,))],
            extra={"mask": _mask(root, manipulation, stem)} if pair else {},
        )
    _note_missing(builder, sequences, found)
    return sequences, found


def _files(
    builder: ScanBuilder, compressions: Sequence[str], manipulations: Sequence[str]
) -> list[tuple[str, str, str, Path]]:
    """(compression, manipulation or "", stem, path) of every video whose name is of the corpus."""
    root = builder.root
    kinds = {"": root / "original_sequences" / "youtube"}
    kinds |= {name: root / "manipulated_sequences" / name for name in manipulations}
    files = []
    for manipulation, folder in kinds.items():
        for place in subfolders(folder):
            if place.name not in (compressions or COMPRESSIONS):
                if not compressions and place.name not in ("masks", "models"):
                    builder.extra.append(f"{builder.relative(place)} (not raw, c23 or c40)")
                continue
            for path in videos_in(place):
                named = is_sequence(path.stem) if not manipulation else parse_fake(path.stem) is not None
                if named:
                    files.append((place.name, manipulation, path.stem, path))
                else:
                    builder.extra.append(builder.relative(path))
    return files


def _mask(root: Path, manipulation: str, stem: str) -> str:
    path = root / "manipulated_sequences" / manipulation / "masks" / "videos" / f"{stem}.mp4"
    return str(path) if path.is_file() else ""


def _note_missing(builder: ScanBuilder, sequences: Sequences, found: dict[tuple[str, str], set[str]]) -> None:
    """Names that the split lists imply, for each compression and manipulation that is there at all."""
    reals = set(sequences.split_of)
    fakes = {f"{x}_{y}" for pairs in sequences.pairs.values() for a, b in pairs for x, y in ((a, b), (b, a))}
    for (compression, kind), stems in sorted(found.items()):
        for stem in sorted((reals if kind == "real" else fakes) - stems):
            builder.missing.append(f"{kind} {compression} {stem}.mp4")
        if unlisted := len(stems - (reals if kind == "real" else fakes)) if reals else 0:
            builder.warnings.append(f"{kind} {compression}: {unlisted} videos are in no split list.")


def published(
    found: dict[tuple[str, str], set[str]], manipulations: Sequence[str], sequences: Sequences
) -> list[Published]:
    """1,000 videos of every kind, and 720, 140, 140 of them per split where the lists are there."""
    rows = []
    for compression in sorted({compression for compression, _ in found}):
        for kind in ("real", *manipulations):
            if (compression, kind) not in found:
                continue
            label = REAL if kind == "real" else FAKE
            name = None if kind == "real" else kind
            rows.append(Published(1000, _SOURCE, label, name, None, compression))
            if sequences.split_of:
                rows += [
                    Published(2 * pairs, _SPLIT_SOURCE, label, name, split, compression)
                    for split, pairs in PAIR_COUNTS.items()
                ]
    return rows
