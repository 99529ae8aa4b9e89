"""Real files, scored as a user would."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import jsonschema
import pytest
from commands import run

from vidfake.inference.result import schema

pytestmark = pytest.mark.data


def test_a_swap_beside_its_original_gives_two_tracks_with_their_own_scores(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, checkpoint: Path, data_root: Path
) -> None:
    with open(data_root / "videos.csv", encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if "DeepFaceLive" in row["origin"] and row["region"]]
    path = min({data_root / row["path"] for row in rows}, key=lambda p: p.stat().st_size)
    done = run(capsys, monkeypatch, "score", path, "--checkpoint", checkpoint, "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    jsonschema.validate(result, schema())
    length = result["input"]["info"]["duration_seconds"]
    long = [t for t in result["tracks"] if t["end_seconds"] - t["start_seconds"] > 0.6 * length]
    assert len(long) == 2
    left, right = sorted(long, key=lambda t: t["median_box"][0])
    assert left["median_box"][2] < right["median_box"][0]
    assert left["score"] is not None
    assert left["score"] != right["score"]
    assert result["video"]["score"] == max(t["score"] for t in result["tracks"] if t["score"] is not None)
