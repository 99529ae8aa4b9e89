"""FaceForensics++ sequence ids: the official pair splits, and which sequences are one source.

The split lists (`train.json`, `val.json`, `test.json`: 360, 70 and 70 pairs of ids) are in the user's download or
in the FaceForensics repository; they are read, never shipped. A pair ``[a, b]`` puts the originals a and b and all
fakes ``a_b`` and ``b_a`` into one split. All of them are one source: 70 in the test split, not 140 or 840.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from vidfake.datasets.lists import read_json
from vidfake.errors import DatasetError

SPLIT_FILES = {"train": "train.json", "validation": "val.json", "test": "test.json"}
SPLIT_FOLDERS = ("splits", ".", "dataset/splits")
PAIR_COUNTS = {"train": 360, "validation": 70, "test": 70}

_SEQUENCE = re.compile(r"^\d{3}$")
_FAKE = re.compile(r"^(\d{3})_(\d{3})$")


@dataclass
class Sequences:
    """Splits and sources of sequence ids."""

    split_of: dict[str, str] = field(default_factory=dict)
    pairs: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    _partner: dict[str, str] = field(default_factory=dict)

    def link(self, a: str, b: str) -> None:
        """Say that a and b are one source: a fake between them exists, or a split list pairs them."""
        a, b = self._head(a), self._head(b)
        if a != b:
            self._partner[max(a, b)] = min(a, b)

    def _head(self, sequence: str) -> str:
        while sequence in self._partner:
            sequence = self._partner[sequence]
        return sequence

    def sources(self, sequences: Iterable[str]) -> dict[str, str]:
        """``ffpp/000-003`` for both sequences of a pair, ``ffpp/000`` where the partner is not known."""
        members: dict[str, set[str]] = {}
        for sequence in {*sequences, *self._partner}:
            members.setdefault(self._head(sequence), set()).add(sequence)
            members[self._head(sequence)].add(self._head(sequence))
        names = {head: f"ffpp/{'-'.join(sorted(group))}" for head, group in members.items()}
        return {sequence: names[self._head(sequence)] for sequence in sequences}


def person(sequence: str) -> str:
    """The person of a sequence, as written in `identity`."""
    return f"ffpp/{sequence}"


def is_sequence(stem: str) -> bool:
    """``000`` to ``999``."""
    return _SEQUENCE.match(stem) is not None


def parse_fake(stem: str) -> tuple[str, str] | None:
    """(target, source) of ``033_097``: the face or expression of 097 in the video 033."""
    match = _FAKE.match(stem)
    return (match[1], match[2]) if match else None


def find_splits(root: Path, splits: Path | str | None) -> Path | None:
    """The folder of the split lists: the one given, or where they usually are below `root`.

    Raises DatasetError when the folder given does not have all three.
    """
    places = [Path(splits)] if splits is not None else [root / name for name in SPLIT_FOLDERS]
    for place in places:
        if all((place / name).is_file() for name in SPLIT_FILES.values()):
            return place
    if splits is not None:
        raise DatasetError(
            f"{splits}: must hold train.json, val.json and test.json (the FaceForensics repository has them in "
            "dataset/splits)."
        )
    return None


def read_splits(folder: Path | None) -> Sequences:
    """The official splits; empty without a folder. Raises DatasetError on damage and on an id in two splits."""
    sequences = Sequences()
    if folder is None:
        return sequences
    for split, name in SPLIT_FILES.items():
        path = folder / name
        rows = read_json(path)
        if not isinstance(rows, list):
            raise DatasetError(f'{path}: must be a JSON list of pairs such as [["071", "054"]].')
        for index, row in enumerate(rows):
            ids = row if isinstance(row, list) else []
            if len(ids) != 2 or not all(isinstance(i, str) and is_sequence(i) for i in ids):
                raise DatasetError(f"{path}: entry {index + 1} is {row!r}; it must be a pair of three-digit ids.")
            for sequence in ids:
                if sequence in sequences.split_of:
                    raise DatasetError(
                        f"{path}: entry {index + 1}: {sequence} is already in {sequences.split_of[sequence]}. "
                        "Download the split lists again."
                    )
                sequences.split_of[sequence] = split
            sequences.pairs.setdefault(split, []).append((ids[0], ids[1]))
            sequences.link(*ids)
    return sequences
