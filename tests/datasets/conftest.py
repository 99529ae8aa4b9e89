"""Builders of corpus trees: official names, placeholder bytes (a scan opens no video)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

Touch = Callable[..., None]


@pytest.fixture
def touch() -> Touch:
    """``touch(root, "a/b.mp4", …)`` makes files whose bytes are their own names, so that no two are equal."""

    def make(root: Path, *names: str) -> None:
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())

    return make


@pytest.fixture
def ffpp_tree(tmp_path: Path, touch: Touch) -> Path:
    """FaceForensics++ with three pairs (one per split), two manipulations at c23, one at c40, lists and a mask."""
    root = tmp_path / "FaceForensics++"
    pairs = {"train": [("071", "054")], "val": [("720", "672")], "test": [("000", "003")]}
    write_ffpp(root, touch, pairs, {"c23": ("Deepfakes", "FaceShifter"), "c40": ("Deepfakes",)})
    touch(root, "manipulated_sequences/Deepfakes/masks/videos/000_003.mp4")
    return root


def write_ffpp(
    root: Path, touch: Touch, pairs: dict[str, list[tuple[str, str]]], kinds: dict[str, Iterable[str]]
) -> None:
    for split, members in pairs.items():
        (root / "splits").mkdir(parents=True, exist_ok=True)
        (root / "splits" / f"{split}.json").write_text(json.dumps(members))
        for a, b in members:
            for compression, manipulations in kinds.items():
                touch(root, *(f"original_sequences/youtube/{compression}/videos/{i}.mp4" for i in (a, b)))
                for manipulation in manipulations:
                    folder = f"manipulated_sequences/{manipulation}/{compression}/videos"
                    touch(root, f"{folder}/{a}_{b}.mp4", f"{folder}/{b}_{a}.mp4")


@pytest.fixture
def celeb_tree(tmp_path: Path, touch: Touch) -> Path:
    """Celeb-DF v2 in small: the official list has no header, and 1 is real."""
    root = tmp_path / "Celeb-DF-v2"
    touch(root, *(f"Celeb-real/id{i}_000{j}.mp4" for i in (0, 1, 16) for j in range(4)))
    touch(root, *(f"YouTube-real/0017{i}.mp4" for i in range(3)))
    touch(root, "Celeb-synthesis/id0_id16_0003.mp4", "Celeb-synthesis/id1_id0_0001.mp4")
    touch(root, "Celeb-synthesis/id16_id1_0000.mp4")
    (root / "List_of_testing_videos.txt").write_text(
        "1 YouTube-real/00170.mp4\n1 Celeb-real/id0_0003.mp4\n0 Celeb-synthesis/id0_id16_0003.mp4\n"
    )
    return root
