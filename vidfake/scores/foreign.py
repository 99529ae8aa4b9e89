"""Other people's scores as a `ScoreTable`: read, joined to a manifest's videos, and checked for direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vidfake.errors import ScoreFileError
from vidfake.scores import joining, layouts
from vidfake.scores.builder import ScoreTableBuilder
from vidfake.scores.columns import MISSING, Float64Array, IntArray
from vidfake.scores.jsonl import FORMAT, read_table
from vidfake.scores.orientation import refuse_reversed, turned_round
from vidfake.scores.problems import Problems
from vidfake.scores.results import is_result, result_key, result_scores
from vidfake.scores.rows import RowLevel, Rows
from vidfake.scores.table import ScoreScale, ScoreTable
from vidfake.types import VideoRecord

Direction = Literal["fake", "real"]
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class _Request:
    """What `read_score_file` was asked for."""

    path: Path | str
    records: Sequence[VideoRecord] | None
    level: RowLevel | Literal["auto"]
    scale: ScoreScale | Literal["auto"]
    allow_missing: bool
    detector: str

    def check_missing(self, records: Sequence[VideoRecord], found: IntArray) -> None:
        if not self.allow_missing:
            joining.refuse_missing(records, set(found.tolist()), self.path)


def read_score_file(
    path: Path | str,
    *,
    records: Sequence[VideoRecord] | None = None,
    level: RowLevel | Literal["auto"] = "auto",
    higher_is: Direction | None = None,
    scale: ScoreScale | Literal["auto"] = "auto",
    allow_missing: bool = False,
    detector: str = "",
) -> ScoreTable:
    """Scores of any detector from a CSV or JSON file (layouts: docs/metrics.md), or a `ScoreTable`'s own file.

    With `records` (a manifest's) every name is matched to one record and every record is in the table; those
    without a row are an error unless `allow_missing`, then status ``missing``. Without, names and labels are the
    file's. `level` says what a row is where the columns do not. `scale` ``auto`` means probabilities if all lie in
    [0, 1]. With `higher_is` None higher must mean fake, and an AUC significantly below 0.5 is refused; ``"fake"``
    accepts that as it is, ``"real"`` turns the scores round. Raises ScoreFileError with line and counts.
    """
    request = _Request(path, records, level, scale, allow_missing, detector or Path(path).stem)
    if Path(path).suffix.lower() in JSON_SUFFIXES:
        table = _from_json(request)
    else:
        rows = Rows(Problems(path))
        layouts.read_csv_rows(path, rows)
        table = _from_rows(rows, request)
    if higher_is == "real":
        return turned_round(table)
    if higher_is is None:
        refuse_reversed(table, path)
    return table


def _from_json(request: _Request) -> ScoreTable:
    path = request.path
    values = layouts.json_values(path)
    line, value = next(values)
    if isinstance(value, dict) and value.get("format") == FORMAT:
        return read_table(path)
    if is_result(value[0] if isinstance(value, list) and value else value):
        results = list(enumerate(value, start=1)) if isinstance(value, list) else [(line, value), *values]
        return _from_results(results, request)
    rows = Rows(Problems(path))
    layouts.add_json(value, path, line, rows)
    for line, value in values:
        layouts.add_json(value, path, line, rows)
    return _from_rows(rows, request)


def _from_results(results: list[tuple[int, Any]], request: _Request) -> ScoreTable:
    """The table of what `vidfake score --json` printed."""
    path, problems = request.path, Problems(request.path)
    by_key: dict[tuple[str, str], tuple[int, Any]] = {}
    for line, value in results:
        if not is_result(value):
            problems.add("entries are not results of `vidfake score --json`", line, value, "Do not mix files.")
            continue
        key = result_key(value, path, line)
        if key in by_key:
            problems.add("videos were scored twice", line, key[0], "Keep one result per video.")
        by_key[key] = line, value
    problems.raise_any()
    found = joining.match(list(by_key), [line for line, _ in by_key.values()], request.records, problems)
    own_names = [" ".join(filter(None, key)) for key in by_key]
    records = joining.own_records(own_names, {}) if request.records is None else request.records
    request.check_missing(records, found)
    entries = dict(zip(found.tolist(), by_key.values(), strict=True))
    builder = ScoreTableBuilder(detector=request.detector)
    for i, record in enumerate(records):
        if i not in entries:
            builder.add(record, status=MISSING)
            continue
        line, value = entries[i]
        try:
            builder.add(record, **result_scores(value, path, line))
        except ValueError as error:
            raise ScoreFileError(f"{path}:{line}: {error}.") from error
    return _table(builder, path)


def _from_rows(rows: Rows, request: _Request) -> ScoreTable:
    """The table of rows that were read from any other layout."""
    rows.problems.raise_any()
    if not len(rows):
        raise ScoreFileError(f"{request.path}: holds no scores. Every row needs a video's name and a score.")
    level: RowLevel = request.level if request.level != "auto" else rows.level or "video"
    joining.refuse_duplicates(rows, level)
    video = np.frombuffer(rows.video, np.int64)
    _, first_row = np.unique(video, return_index=True)
    lines = [rows.where[row] for row in first_row]
    found = joining.match([(name, None) for name in rows.names], lines, request.records, rows.problems)
    if request.records is None:
        records = joining.own_records(list(rows.names), rows.labels)
    else:
        records = joining.with_labels(request.records, rows, found, lines)
    request.check_missing(records, found)
    scores = np.frombuffer(rows.score, np.float64)
    scale: ScoreScale = request.scale if request.scale != "auto" else _guess_scale(scores)
    builder = ScoreTableBuilder(detector=request.detector, scale=scale)
    present = set(found.tolist())
    for i, record in enumerate(records):
        builder.add(record, status="ok" if i in present else MISSING)
    return _table(builder, request.path, _columns(rows, level, found[video], len(records)))


def _columns(rows: Rows, level: RowLevel, video: IntArray, num_videos: int) -> dict[str, Any]:
    """The score columns of a table, from rows whose record is `video`."""
    scores, track = np.frombuffer(rows.score, np.float64), np.frombuffer(rows.track, np.int64)
    seconds = np.maximum(np.frombuffer(rows.seconds, np.float64), 0.0)
    if level == "video":
        per_video = np.full(num_videos, np.nan)
        per_video[video] = scores
        return {"video_score": per_video}
    if level == "frame":
        return {"frame_video": video, "frame_track": track, "frame_pts_seconds": seconds, "frame_score": scores}
    index = np.frombuffer(rows.index, np.int64)
    return {
        "clip_video": video,
        "clip_track": track,
        "clip_index": np.where(index < 0, np.arange(len(index)), index),
        "clip_start_seconds": seconds,
        "clip_score": scores,
        "clip_quality": np.ones(len(scores)),
    }


def _table(builder: ScoreTableBuilder, path: Path | str, values: dict[str, Any] | None = None) -> ScoreTable:
    try:
        return replace(builder.table(), **(values or {}))
    except ValueError as error:
        raise ScoreFileError(f"{path}: {error}.") from error


def _guess_scale(scores: Float64Array) -> ScoreScale:
    return "probability" if scores.min() >= 0 and scores.max() <= 1 else "raw"
