"""The score table checks itself, can be cut and joined, and survives its own file bit for bit."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidfake.errors import ScoreFileError
from vidfake.scores import ScoreTable, ScoreTableBuilder
from vidfake.types import VideoRecord


def make_table() -> ScoreTable:
    builder = ScoreTableBuilder(detector="toy")
    builder.add(
        VideoRecord("a/ä", "", label=1, manipulation="swap", source_id="s", pair_id="p", dataset="D", split="test"),
        frames={"track": [0, 1], "pts_seconds": [0.0, 0.04], "score": [0.1, -2.5e-17]},
        clips={"track": [0, 1], "start_seconds": [0.0, 2.5], "score": [1 / 3, 7.0], "quality": [0.5, 0.25]},
        attributes={"face_pixels": 120.0},
    )
    builder.add(VideoRecord("b", "", label=0, source_id="s", pair_id="p"), status="no_face")
    builder.add(VideoRecord("c\udc80\n", "", label=None), video_score=-3.0)
    builder.add(VideoRecord("d", "", label=0), frames={"score": [5, 6, 7]}, attributes={"num_faces": 2})
    return builder.table()


def assert_equal(one: ScoreTable, other: ScoreTable) -> None:
    for item in fields(ScoreTable):
        left, right = getattr(one, item.name), getattr(other, item.name)
        if isinstance(left, dict):
            assert left.keys() == right.keys()
            for name in left:
                np.testing.assert_array_equal(left[name], right[name])
        else:
            np.testing.assert_array_equal(left, right)
            assert getattr(left, "dtype", None) == getattr(right, "dtype", None), item.name


def test_builder_fills_what_is_not_given() -> None:
    table = make_table()
    assert table.label.tolist() == [1, 0, -1, 0]
    assert table.source_id.tolist() == ["s", "s", "c\udc80\n", "d"], "an empty source is the video itself"
    assert table.frame_video.tolist() == [0, 0, 3, 3, 3]
    assert table.clip_index.tolist() == [0, 1]
    assert table.has_video_score.tolist() == [False, False, True, False]
    assert table.attributes["num_faces"].tolist()[3] == 2
    assert np.isnan(table.attributes["face_pixels"][3])
    assert "4 videos, 2 real, 1 fake, 5 frame scores" in repr(table)


def test_rows_are_kept_in_the_order_of_the_videos() -> None:
    table = ScoreTable(
        video_id=["a", "b"],
        label=[0, 1],
        frame_video=[1, 0, 1, 0],
        frame_score=[1.0, 2.0, 3.0, 4.0],
        frame_track=[1, 2, 3, 4],
    )
    assert table.frame_video.tolist() == [0, 0, 1, 1]
    assert table.frame_score.tolist() == [2.0, 4.0, 1.0, 3.0]
    assert table.frame_track.tolist() == [2, 4, 1, 3]
    assert [(v.video_id, v.frame_score.tolist()) for v in table] == [("a", [2.0, 4.0]), ("b", [1.0, 3.0])]


@pytest.mark.parametrize(("change", "message"), [
    ({"video_id": ["a", "a"]}, "1 video_id repeated, first \\['a'\\]"),
    ({"video_id": ["a", ""]}, "video_id is empty"),
    ({"video_id": ["a", 3]}, "a string is needed"),
    ({"label": [0, 2]}, "label takes 0"),
    ({"label": [0]}, "label has 1 entries; 2 are needed"),
    ({"label": [0.5, 1]}, "whole numbers"),
    ({"status": ["ok", "lost"]}, "status 'lost' is unknown"),
    ({"status": ["no_face", "ok"]}, "a video that failed has no score"),
    ({"frame_video": [0, 2]}, "must lie in 0..1, got 0..2"),
    ({"frame_video": [-1, 0]}, "must lie in 0..1"),
    ({"frame_score": [1.0, np.nan]}, "1 of 2 values that are not finite"),
    ({"frame_score": ["1", "2"]}, "list of numbers"),
    ({"frame_score": [[1.0, 2.0]]}, "list of numbers"),
    ({"video_score": [np.inf, 1.0]}, "infinite for 1"),
    ({"manipulation": ["x"]}, "manipulation has 1 entries"),
    ({"scale": "percent"}, "scale is 'percent'"),
    ({"scale": "probability"}, "1 frame scores lie outside"),
    ({"attributes": {"face_pixels": ["big", 1]}}, "attributes\\[face_pixels\\]"),
])  # fmt: skip
def test_columns_that_do_not_fit_are_refused(change: dict, message: str) -> None:
    good = {"video_id": ["a", "b"], "label": [0, 1], "frame_video": [0, 1], "frame_score": [0.5, 2.0]}
    ScoreTable(**good)
    with pytest.raises(ValueError, match=message):
        ScoreTable(**(good | change))


def test_select_keeps_the_rows_of_the_chosen_videos() -> None:
    table = make_table()
    kept = table.select(np.array([False, True, False, True]))
    assert kept.video_id.tolist() == ["b", "d"]
    assert kept.frame_video.tolist() == [1, 1, 1]
    assert kept.frame_score.tolist() == [5.0, 6.0, 7.0]
    assert len(kept.clip_score) == 0
    assert_equal(kept, table.select(np.array([1, 3])))
    with pytest.raises(ValueError, match="mask must be"):
        table.select(np.array([True]))
    with pytest.raises(ValueError, match="ascending"):
        table.select(np.array([3, 1]))


def test_parts_join_to_the_whole() -> None:
    table = make_table()
    parts = [table.select(np.arange(4) == i) for i in range(4)]
    assert_equal(ScoreTable.concat(parts), table)
    with pytest.raises(ValueError, match="1 video_id repeated"):
        ScoreTable.concat([parts[0], table.select(np.array([0, 1]))])
    probability = ScoreTable(video_id=["z"], label=[0], video_score=[0.5], scale="probability")
    with pytest.raises(ValueError, match="differ in scale"):
        ScoreTable.concat([table, probability])


def test_a_written_table_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    table = make_table()
    table.write(tmp_path / "s.jsonl")
    assert_equal(ScoreTable.read(tmp_path / "s.jsonl"), table)
    first = (tmp_path / "s.jsonl").read_bytes()
    ScoreTable.read(tmp_path / "s.jsonl").write(tmp_path / "s.jsonl")
    assert (tmp_path / "s.jsonl").read_bytes() == first
    assert len(first.splitlines()) == 5


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_every_finite_float_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    path = tmp_path_factory.mktemp("s") / "s.jsonl"
    n = len(values)
    table = ScoreTable(video_id=["v"], label=[1], frame_video=[0] * n, frame_score=values)
    table.write(path)
    assert ScoreTable.read(path).frame_score.tolist() == values


HEADER = json.dumps({"format": "vidfake-scores", "version": 1, "videos": 1})


@pytest.mark.parametrize(("lines", "message"), [
    ([""], ":1: not valid JSON"),
    (["[1]"], ":1: a JSON object is needed, got list"),
    (['{"a": 1}'], ":1: not a vidfake score file"),
    ([HEADER.replace("1,", "2,", 1)], ":1: format version 2"),
    ([HEADER], "holds 0 videos, but its header says 1; it was cut off"),
    ([HEADER, '{"video_id": "a", "label": 0'], ":2: not valid JSON"),
    ([HEADER, '{"video_id": "a", "video_score": NaN}'], ":2: holds NaN"),
    ([HEADER, '{"video_id": "a", "video_score": 1e999}'], ":2: video_score is inf"),
    ([HEADER, '{"video_id": "a", "video_score": ' + "9" * 400 + "}"], ":2: video_score is 999"),
    ([HEADER, '{"video_id": "a", "video_score": ' + "9" * 5000 + "}"], ":2: not valid JSON"),
    ([HEADER, "[" * 100_000], ":2: not valid JSON"),
    ([HEADER, '{"video_id": "a", "label": true}'], ":2: label is True"),
    ([HEADER, '{"video_id": 7}'], ":2: video_id is 7, not a text"),
    ([HEADER, '{"label": 0}'], "video_id is empty"),
    ([HEADER, '{"video_id": "a", "frames": [1]}'], ":2: frames must be a table"),
    ([HEADER, '{"video_id": "a", "frames": {"score": ["1"]}}'], ":2: frame score must be a list of numbers"),
    ([HEADER, '{"video_id": "a", "frames": {"score": [1], "track": [1, 2]}}'], ":2: frame track has 2 entries"),
    ([HEADER, '{"video_id": "a", "frames": {"track": [1]}}'], ":2: frame rows need a column 'score'"),
    ([HEADER, '{"video_id": "a", "frames": {"score": [1], "x": [1]}}'], ":2: frame rows have no column 'x'"),
    ([HEADER, '{"video_id": "a", "scores": [1]}'], ":2: unknown key 'scores'"),
    ([HEADER, '{"video_id": "a", "attributes": {"x": "y"}}'], ":2: attributes must be a table of numbers"),
    ([HEADER, '{"video_id": "a", "status": "no_face", "video_score": 1}'], "a video that failed has no score"),
    ([HEADER, "\x00\x01"], ":2: not valid JSON"),
])  # fmt: skip
def test_a_damaged_file_is_refused_with_its_line(tmp_path: Path, lines: list[str], message: str) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(ScoreFileError, match="s.jsonl") as caught:
        ScoreTable.read(path)
    assert message in str(caught.value)


def test_bad_utf8_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_bytes(HEADER.encode() + b'\n{"video_id": "\xff"}')
    with pytest.raises(ScoreFileError, match=":2: not valid JSON"):
        ScoreTable.read(tmp_path / "s.jsonl")
    with pytest.raises(ScoreFileError, match="cannot be read"):
        ScoreTable.read(tmp_path / "none.jsonl")
    with pytest.raises(ScoreFileError, match="cannot be read"):
        ScoreTable.read(tmp_path)
