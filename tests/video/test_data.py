"""Real files: all of them open, and their frames come in order of time, none lost."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import pytest

from vidfake.video.index import scan_index
from vidfake.video.reader import open_video, probe

pytestmark = pytest.mark.data

SAMPLES = 12  # decoded whole, if they are not long


@pytest.fixture(scope="module")
def paths(data_root: Path) -> list[Path]:
    with open(data_root / "videos.csv", newline="", encoding="utf-8") as table:
        return sorted({data_root / row["path"] for row in csv.DictReader(table)})


def test_every_file_opens_and_has_a_sound_index(paths: list[Path]) -> None:
    assert paths
    for path in paths:
        info = probe(path)
        index = scan_index(path)
        assert index.reliable, path
        assert not index.truncated, path
        assert info.num_frames in (None, len(index)), path
        assert info.start_seconds == pytest.approx(index.pts_seconds[0]), path
        json.dumps(dataclasses.asdict(info), allow_nan=False)


def test_frames_agree_with_the_index(paths: list[Path]) -> None:
    for path in paths[:: len(paths) // SAMPLES]:
        index = scan_index(path)
        if len(index) > 300:
            continue
        with open_video(path) as reader:
            found = []
            for frame in reader.frames():
                found.append((frame.index, frame.pts_seconds))
                assert frame.luma_thumbnail().shape == (36, 64)
            assert (reader.decode_errors, reader.truncated) == (0, False), path
        assert found == list(enumerate(index.pts_seconds.tolist())), path


def test_spans_of_a_long_file(paths: list[Path]) -> None:
    long = next(path for path in paths if (probe(path).num_frames or 0) > 1000 and probe(path).width < 500)
    spans = [(5.0, 5.2), (20.0, 20.3), (38.0, 38.1)]
    with open_video(long) as reader:
        wanted = [
            (frame.index, frame.pts_seconds, frame.luma_thumbnail().tobytes())
            for frame in reader.frames()
            if any(start <= frame.pts_seconds <= end for start, end in spans)
        ]
        sought = [
            (frame.index, frame.pts_seconds, frame.luma_thumbnail().tobytes()) for frame in reader.frames(spans)
        ]
    assert sought == wanted
