"""Other people's score files: every layout gives the same table, and every doubt is one clear error with counts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidfake.errors import ScoreFileError
from vidfake.scores import ScoreTable, read_score_file
from vidfake.scores.matching import NameIndex, components
from vidfake.types import Region, VideoRecord

RECORDS = [
    VideoRecord("FF/original/000", "original_sequences/youtube/c23/videos/000.mp4", label=0, source_id="0"),
    VideoRecord("FF/Deepfakes/000_003", "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4", label=1),
    VideoRecord("FF/Face2Face/000_003", "manipulated_sequences/Face2Face/c23/videos/000_003.mp4", label=1),
]
VIDEO_SCORES = {"FF/original/000": 0.1, "FF/Deepfakes/000_003": 0.7, "FF/Face2Face/000_003": 0.9}


def write(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(("name", "content"), [
    ("plain.csv", "\n".join(f"{k},{v}" for k, v in VIDEO_SCORES.items())),
    ("header.csv", "video_id,score\n" + "\n".join(f"{k},{v}" for k, v in VIDEO_SCORES.items())),
    ("windows.csv", "\ufeffFilename;Fake Prob\r\n" + "\r\n".join(f"{k};{v}" for k, v in VIDEO_SCORES.items())),
    ("tabs.tsv", "\n".join(f"{k}\t{v}" for k, v in VIDEO_SCORES.items()) + "\n\n"),
    ("spaces.txt", "\n".join(f"{k} {v}" for k, v in VIDEO_SCORES.items())),
    ("quoted.csv", "\n".join(f'"{k}", "{v}"' for k, v in VIDEO_SCORES.items())),
    ("map.json", VIDEO_SCORES),
    ("pretty.json", json.dumps(VIDEO_SCORES, indent=2)),
    ("rows.json", [{"video": k, "prediction": v, "other": None} for k, v in VIDEO_SCORES.items()]),
    ("lines.jsonl", "\n".join(json.dumps({"name": k, "score": v}) for k, v in VIDEO_SCORES.items())),
    ("nested.json", {k: {"prob": v} for k, v in VIDEO_SCORES.items()}),
    ("columns.json", {"video_id": list(VIDEO_SCORES), "pred": list(VIDEO_SCORES.values())}),
    ("paths.csv", "path,pred\n/data/" + "\n/data/".join(f"{r.path},{VIDEO_SCORES[r.video_id]}" for r in RECORDS)),
    ("short.csv", "000.mp4,0.1\nDeepfakes/000_003,0.7\nFF/Face2Face/000_003.avi,0.9"),
])  # fmt: skip
def test_every_layout_of_video_scores_gives_the_same_table(tmp_path: Path, name: str, content: object) -> None:
    table = read_score_file(write(tmp_path, name, content), records=RECORDS)
    assert table.video_id.tolist() == [r.video_id for r in RECORDS]
    assert table.label.tolist() == [0, 1, 1]
    assert table.video_score.tolist() == list(VIDEO_SCORES.values())
    assert (table.scale, table.detector) == ("probability", Path(name).stem)
    assert table.source_id[0] == "0"


def deepfakebench_lines() -> list[tuple[str, float, int]]:
    root = "/x/rgb/manipulated_sequences"
    return [
        ("/x/rgb/original_sequences/youtube/c23/frames/000/007.png", 0.2, 0),
        ("/x/rgb/original_sequences/youtube/c23/frames/000/014.png", 0.3, 0),
        (f"{root}/Deepfakes/c23/frames/000_003/000.png", 0.6, 1),
        (f"{root}\\Face2Face\\c23\\frames\\000_003\\000.png", 0.7, 1),
    ]


@pytest.mark.parametrize("layout", ["csv", "columns", "rows"])
def test_deepfakebench_predictions_join_by_folder(tmp_path: Path, layout: str) -> None:
    lines = deepfakebench_lines()
    if layout == "csv":
        path = write(tmp_path, "p.csv", "img_names,pred,label\n" + "\n".join(f"{a},{b},{c}" for a, b, c in lines))
    elif layout == "columns":
        names, pred, label = zip(*lines, strict=True)
        path = write(tmp_path, "p.json", {"img_names": names, "pred": pred, "label": label})
    else:
        path = write(
            tmp_path, "p.json", [dict(zip(("image", "pred", "label"), line, strict=True)) for line in lines]
        )
    table = read_score_file(path, records=RECORDS)
    assert table.frame_video.tolist() == [0, 0, 1, 2], "the two methods' 000_003 stay two videos"
    assert table.frame_score.tolist() == [0.2, 0.3, 0.6, 0.7]
    alone = read_score_file(path)
    assert len(alone) == 3
    assert alone.label.tolist() == [0, 1, 1], "the label comes from the label column, never from the path"


def test_frame_and_clip_rows(tmp_path: Path) -> None:
    frames = "video_id,track_id,frame,time,score\nFF/original/000,1,0,0.0,-2\nFF/original/000,1,5,0.2,-3\n"
    table = read_score_file(write(tmp_path, "f.csv", frames), records=RECORDS[:1])
    assert (table.frame_track.tolist(), table.frame_pts_seconds.tolist()) == ([1, 1], [0.0, 0.2])
    assert table.scale == "raw"
    clips = "video_id,clip,start_seconds,score\nFF/original/000,0,0,-2\nFF/original/000,1,2.5,3\n"
    table = read_score_file(write(tmp_path, "c.csv", clips), records=RECORDS[:1])
    assert (table.clip_index.tolist(), table.clip_start_seconds.tolist()) == ([0, 1], [0.0, 2.5])
    assert table.clip_score.tolist() == [-2, 3]
    lists = read_score_file(write(tmp_path, "l.json", {"FF/original/000": [0.1, 0.2]}), records=RECORDS[:1])
    assert lists.frame_score.tolist() == [0.1, 0.2]
    said = "FF/original/000,1\nFF/original/000,2\n"
    assert len(read_score_file(write(tmp_path, "s.csv", said), records=RECORDS[:1], level="clip").clip_score) == 2


def result(path: str, scores: list[float], region: list[int] | None = None, status: str = "ok") -> dict:
    frames = [{"pts_seconds": i / 25, "score": s, "box": [0, 0, 1, 1]} for i, s in enumerate(scores)]
    clips = (
        [{"clip_index": 0, "start_seconds": 0.0, "score": max(scores), "quality": 0.5, "frames": frames}]
        if scores
        else []
    )
    return {
        "schema_version": "1.0", "tool": {"name": "vidfake", "version": "0"}, "status": status,
        "input": {"path": path, "region": region}, "tracks": [{"track_id": 3, "clips": clips}] if scores else [],
    }  # fmt: skip


def test_results_of_vidfake_score_give_back_every_level(tmp_path: Path) -> None:
    both = (
        VideoRecord("l", "v/a.mp4", label=0, region=Region(0, 0, 4, 8)),
        VideoRecord("r", "v/a.mp4", label=1, region=Region(4, 0, 4, 8)),
    )
    records = [*both, VideoRecord("none", "v/b.mp4", label=0)]
    results = [
        result("/home/v/a.mp4", [2.0, 4.0], [4, 0, 4, 8]),
        result("/home/v/a.mp4", [-1.0], [0, 0, 4, 8]),
        result("/home/v/b.mp4", [], status="no_face"),
    ]
    for name, content in (
        ("r.json", results),
        ("r.jsonl", "\n".join(map(json.dumps, results))),
    ):
        table = read_score_file(write(tmp_path, name, content), records=records)
        assert table.frame_score.tolist() == [-1.0, 2.0, 4.0]
        assert table.frame_video.tolist() == [0, 1, 1]
        assert table.clip_score.tolist() == [-1.0, 4.0]
        assert table.clip_quality.tolist() == [0.5, 0.5]
        assert table.status.tolist() == ["ok", "ok", "no_face"]
    alone = read_score_file(tmp_path / "r.json")
    assert alone.video_id.tolist()[0] == "/home/v/a.mp4 4 0 4 8"
    one = write(tmp_path, "one.json", json.dumps(results[0], indent=1))
    assert len(read_score_file(one, records=[both[1]]).frame_score) == 2


def test_our_own_table_is_read_as_it_is(tmp_path: Path) -> None:
    table = ScoreTable(video_id=["a", "b"], label=[0, 1], video_score=[1.0, 2.0])
    table.write(tmp_path / "t.jsonl")
    assert read_score_file(tmp_path / "t.jsonl").video_score.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(("name", "content", "messages"), [
    ("a.csv", "FF/original/000,nan\nFF/Deepfakes/000_003,inf\nFF/Face2Face/000_003,1",
     ["a.csv:1: 2 scores are missing or not finite numbers, first 'nan'"]),
    ("a.csv", "video,score\nFF/original/000,\n", ["a.csv:2: 1 scores are missing", "first ''"]),
    ("a.csv", "FF/original/000,1\nx,1\ny,2", ["a.csv:2: 2 of 3 videos are not in the manifest, first 'x'"]),
    ("a.csv", "FF/original/000,1\n000_003,1", ["2: 1 of 2 video names fit several", "'FF/Deepfakes/000_003'"]),
    ("a.csv", "FF/original/000,1\n000.mp4,1", ["a.csv:2: 1 names mean a video that another name already means"]),
    ("a.csv", "FF/original/000,1\nFF/original/000,1\nFF/original/000,2",
     ["a.csv:2: 2 rows repeat a video that already has a score"]),
    ("a.csv", "video,frame,score\nFF/original/000,1,1\nFF/original/000,1,2", ["a.csv:3: 1 rows repeat a frame"]),
    ("a.csv", "video,frame,score\nFF/original/000,x,1", ["a.csv:2: 1 positions are not numbers, first 'x'"]),
    ("a.csv", "video,frame,score\nFF/original/000,1e300,1", ["a.csv:2: 1 positions are not numbers"]),
    ("a.csv", "FF/original/000,1", ["2 of 3 videos of the manifest have no score", "'FF/Deepfakes/000_003'"]),
    ("a.csv", "video,score,label\nFF/original/000,1,1", ["a.csv:2: 1 videos have another label than"]),
    ("a.csv", "video,score,label\nFF/original/000,1,maybe", ["a.csv:2: 1 labels are unknown, first 'maybe'"]),
    ("a.csv", "video,frame,score,label\nFF/original/000,0,1,0\nFF/original/000,1,1,1", ["rows contradict their"]),
    ("a.csv", "video,score\nFF/original/000,1,2", ["a.csv:2: 3 columns where the first line has 2"]),
    ("a.csv", "video,verdict\na,b", ["a.csv:1: no column of a known name among 'video', 'verdict'"]),
    ("a.csv", "video,score,prob\na,1,2", ["columns 'score', 'prob' could each be the score"]),
    ("a.csv", "", ["holds no scores"]),
    ("a.csv", "image,score\n007.png,1", ["image names have no folder"]),
    ("a.csv", ",1", ["rows have no video name"]),
    ("a.csv", '"a,1', ["not valid CSV"]),
    ("a.json", '{"a": NaN}', ["a.json:1: holds NaN"]),
    ("a.json", "7", ["int where rows of scores were expected"]),
    ("a.json", "[1]", ["entry 1: int where an object"]),
    ("a.json", '{"video_id": ["a"], "score": [1, 2]}', ["different lengths: {'video': 1, 'score': 2}"]),
    ("a.json", '{"a": "high"}', ["1 scores are missing or not finite numbers, first 'high'"]),
    ("a.json", '{"a": true}', ["first True"]),
    ("a.json", "{", ["not valid JSON"]),
    ("a.json", '[{"tool": {"name": "vidfake"}, "tracks": []}]', ["no input path"]),
    ("a.json", '[{"tool": {"name": "vidfake"}, "tracks": [], "input": {"path": "000.mp4", "region": null}}, 3]',
     ["a.json:2: 1 entries are not results", "Do not mix files"]),
    ("a.json", '[{"tool": {"name": "vidfake"}, "tracks": [{}], "status": "ok", '
     '"input": {"path": "000.mp4", "region": null}}]', ["have no score"]),
])  # fmt: skip
def test_every_doubt_is_an_error_with_line_and_count(
    tmp_path: Path, name: str, content: str, messages: list[str]
) -> None:
    with pytest.raises(ScoreFileError) as caught:
        read_score_file(write(tmp_path, name, content), records=RECORDS)
    for message in messages:
        assert message in str(caught.value)


def test_damaged_results_are_refused(tmp_path: Path) -> None:
    broken = result("000.mp4", [1.0])
    del broken["tracks"][0]["clips"][0]["quality"]
    with pytest.raises(ScoreFileError, match="damaged result"):
        read_score_file(write(tmp_path, "a.json", [broken]), records=RECORDS[:1])
    text = result("000.mp4", [1.0])
    text["tracks"][0]["clips"][0]["score"] = "high"
    with pytest.raises(ScoreFileError, match="a.json:1: clip score must be a list of numbers"):
        read_score_file(write(tmp_path, "a.json", [text]), records=RECORDS[:1])
    twice = [result("000.mp4", [1.0])] * 2
    with pytest.raises(ScoreFileError, match="1 videos were scored twice"):
        read_score_file(write(tmp_path, "a.json", twice), records=RECORDS[:1])


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("vidéo,1".encode("latin-1"))
    with pytest.raises(ScoreFileError, match="is not UTF-8"):
        read_score_file(tmp_path / "latin.csv")
    for path in (tmp_path, tmp_path / "none.csv", tmp_path / "none.json"):
        with pytest.raises(ScoreFileError, match="cannot be read"):
            read_score_file(path)


PIECES = st.sampled_from([
    "video_id", "score", "label", "frame", "clip", ",", ";", "\t", "\n", "\r\n", '"', "{", "}", "[", "]", ":", " ",
    "0.5", "-1e400", "nan", "1", "a.mp4", "b/000.png", "\x00", "\ufeff", "é", "null", "true", "\\ud800", "9" * 400,
])  # fmt: skip


@given(st.lists(PIECES, max_size=30).map("".join), st.sampled_from(["f.csv", "f.json", "f.jsonl"]))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_table_or_a_score_file_error(
    tmp_path_factory: pytest.TempPathFactory, text: str, name: str
) -> None:
    path = write(tmp_path_factory.getbasetemp(), name, text)
    for records in (None, RECORDS):
        message = ""
        try:
            read_score_file(path, records=records, allow_missing=True)
        except ScoreFileError as error:
            message = str(error)
        assert not message or name in message


def test_missing_videos_can_be_counted_instead(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "FF/original/000,1")
    table = read_score_file(path, records=RECORDS, allow_missing=True)
    assert table.status.tolist() == ["ok", "missing", "missing"]
    assert np.isnan(table.video_score).tolist() == [False, True, True]


def reversed_file(folder: Path) -> tuple[Path, list[VideoRecord]]:
    rng = np.random.default_rng(0)
    records = [VideoRecord(f"v{i}", f"v{i}.mp4", label=i % 2) for i in range(60)]
    lines = [f"{r.video_id},{0.5 - 0.2 * (r.label or 0) + 0.2 * rng.random():.4f}" for r in records]
    return write(folder, "a.csv", "\n".join(lines)), records


def test_reversed_scores_are_refused_and_only_turned_when_told(tmp_path: Path) -> None:
    path, records = reversed_file(tmp_path)
    with pytest.raises(ScoreFileError, match=r"reversed: AUC 0\.0\d\d over 30 real and 30 fake.*--higher-is real"):
        read_score_file(path, records=records)
    kept = read_score_file(path, records=records, higher_is="fake")
    turned = read_score_file(path, records=records, higher_is="real")
    np.testing.assert_allclose(turned.video_score, 1 - kept.video_score)
    assert turned.scale == "probability"
    raw = read_score_file(path, records=records, higher_is="real", scale="raw")
    np.testing.assert_allclose(raw.video_score, -kept.video_score)


def test_a_poor_detector_is_not_called_reversed(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    records = [VideoRecord(f"v{i}", f"v{i}.mp4", label=i % 2) for i in range(1000)]
    lines = [f"{r.video_id},{rng.random():.6f}" for r in records]
    assert len(read_score_file(write(tmp_path, "a.csv", "\n".join(lines)), records=records)) == 1000


def test_whole_components_are_matched_never_pieces_of_words() -> None:
    index = NameIndex([VideoRecord("a/real_01", "x/videos/real_01.mp4"), VideoRecord("b", "y/01.mp4")])
    assert index.find("01") == [1]
    assert index.find("frames/real_01.png") == [0]
    assert index.find("z/01") == []
    assert index.find("") == []
    assert components("./a\\frames/b.MP4") == ("a", "b")
    assert components("clip.v2") == ("clip.v2",)
