"""Small corpora as manifest rows, with a file for each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vidfake.types import VideoRecord

FOUR = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
MakeRow = Callable[..., VideoRecord]


@pytest.fixture
def row(tmp_path: Path) -> MakeRow:
    """``row("id", label, split=…)``: a record whose file holds its id."""

    def make(video_id: str, label: int | None, **fields: object) -> VideoRecord:
        path = tmp_path / "videos" / f"{video_id.replace('/', '_')}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_text(video_id.ljust(64))  # all of one size: content decides
        facts: dict[str, object] = {
            "dataset": video_id.partition("/")[0],
            "manipulation": "none" if label == 0 else "swap",
            "source_id": video_id,
        }
        return VideoRecord(video_id=video_id, path=str(path), label=label, **(facts | fields))  # type: ignore[arg-type]

    return make


@pytest.fixture
def ffpp(row: MakeRow) -> list[VideoRecord]:
    """FaceForensics++: one pair per split, five manipulations, three compressions."""
    rows = []
    for split, (a, b) in {"train": ("071", "054"), "validation": ("720", "672"), "test": ("000", "003")}.items():
        for compression in ("raw", "c23", "c40"):
            facts = {"split": split, "compression": compression, "source_id": f"ffpp/{min(a, b)}-{max(a, b)}"}
            for x, y in ((a, b), (b, a)):
                rows.append(row(f"ffpp/youtube/{compression}/{x}", 0, identity=f"ffpp/{x}", **facts))
                rows += [
                    row(
                        f"ffpp/{m}/{compression}/{x}_{y}", 1, manipulation=m, identity=f"ffpp/{x};ffpp/{y}", **facts
                    )
                    for m in (*FOUR, "FaceShifter")
                ]
    return rows
