"""Damage does not depend on where the videos lie."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vidfake.errors import UnreadableVideoError
from vidfake.evaluate import robustness
from vidfake.evaluate.robustness import corruption_points
from vidfake.evaluate.scoring import open_source, score_source
from vidfake.inference.load import load_detector
from vidfake.inference.profiles import find_profile
from vidfake.sandbox import open_in_child
from vidfake.seeding import derived_seed

ROWS = "video_id,path,region,label\na,x.mp4,0 0 9 9,0\nb,y.mp4,,1\nc,x.mp4,9 0 9 9,0\n"


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> dict[Path, int]:
    """What `corrupt_video` was given, by file; it damages nothing."""
    found: dict[Path, int] = {}

    def corrupt(path: str, out: Path, name: str, *, severity: int, seed: int, opener: object) -> None:
        assert Path(path) not in found, "one copy per file"
        assert opener is open_in_child, "a file of unknown origin is decoded in the child"
        found[Path(path)] = seed
        raise UnreadableVideoError("not a video")

    monkeypatch.setattr(robustness, "corrupt_video", corrupt)
    return found


def test_seeds_are_of_the_video_not_of_its_place(runs: Path, tmp_path: Path, seeds: dict[Path, int]) -> None:
    detector = load_detector(runs / "binary" / "best.vidfake")
    for place in ("here", "there"):
        folder = tmp_path / place
        folder.mkdir()
        (folder / "set.csv").write_text(ROWS)
        for name in ("x.mp4", "y.mp4"):
            (folder / name).write_bytes(b"no video")
        source = open_source(folder / "set.csv")
        clean = score_source(detector, source, folder / "work", workers=0)
        points = corruption_points(detector, source, clean, [("GB", 3)], work=folder / "work", seed=5, workers=0)
        assert [(p.severity, p.coverage, p.auc.value) for p in points] == [(0, 0.0, None), (3, 0.0, None)]
        assert seeds == {folder / "x.mp4": derived_seed(5, "a"), folder / "y.mp4": derived_seed(5, "b")}
        seeds.clear()
    quick = replace(source, profile=find_profile("fast"))
    corruption_points(detector, quick, clean, [("GB", 3)], work=folder / "work", seed=5, workers=0)
    assert set(seeds) == {folder / "x.mp4", folder / "y.mp4"}, "scores kept of another profile are not its own"
