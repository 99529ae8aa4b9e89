"""The project's own file of scores: JSON lines, one header and then one line per video.

    {"format": "vidfake-scores", "version": 1, "detector": "…", "scale": "raw", "videos": 2}
    {"video_id": "a", "label": 0, …, "status": "ok", "frames": {"track": [0], "pts_seconds": [0.0], "score": [1.5]}}

Numbers are written so that they come back bit for bit. A file is hostile input: sizes, types and names are checked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, get_args

from vidfake.errors import ScoreFileError
from vidfake.files import atomic_writer
from vidfake.scores.builder import ScoreTableBuilder
from vidfake.scores.table import TEXT_COLUMNS, ScoreScale, ScoreTable
from vidfake.types import VideoRecord

FORMAT, VERSION = "vidfake-scores", 1
MAX_LINE_BYTES = 256 * 2**20
_VIDEO_KEYS = {
    "video_id", "label", *TEXT_COLUMNS, "status", "frames", "clips", "video_score", "attributes",
}  # fmt: skip


def _line(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return text.encode("ascii") + b"\n"


def write_table(table: ScoreTable, path: Path | str) -> None:
    """Write `table` to `path`, atomically; equal tables give equal bytes."""
    with atomic_writer(path) as handle:
        header = {"format": FORMAT, "version": VERSION, "videos": len(table)}
        handle.write(_line({**header, "detector": table.detector, "scale": table.scale}))
        for video in table:
            handle.write(_line(_video(table, video.index, video.frames, video.clips)))


def _video(table: ScoreTable, i: int, frames: slice, clips: slice) -> dict[str, Any]:
    label = int(table.label[i])
    row: dict[str, Any] = {"video_id": table.video_id[i], "label": None if label < 0 else label}
    row |= {name: getattr(table, name)[i] for name in (*TEXT_COLUMNS, "status")}
    if frames.stop > frames.start:
        row["frames"] = {
            "track": table.frame_track[frames].tolist(),
            "pts_seconds": table.frame_pts_seconds[frames].tolist(),
            "score": table.frame_score[frames].tolist(),
        }
    if clips.stop > clips.start:
        row["clips"] = {
            "track": table.clip_track[clips].tolist(),
            "index": table.clip_index[clips].tolist(),
            "start_seconds": table.clip_start_seconds[clips].tolist(),
            "score": table.clip_score[clips].tolist(),
            "quality": table.clip_quality[clips].tolist(),
        }
    if table.has_video_score[i]:
        row["video_score"] = float(table.video_score[i])
    known = {name: float(values[i]) for name, values in table.attributes.items() if not math.isnan(values[i])}
    if known:
        row["attributes"] = known
    return row


def read_table(path: Path | str) -> ScoreTable:
    """The table that `write_table` wrote. Raises ScoreFileError with file and line."""
    lines = read_lines(path)
    number, first = next(lines, (1, b""))
    header = parse_object(first, path, number)
    if header.get("format") != FORMAT:
        raise ScoreFileError(
            f'{path}:{number}: not a vidfake score file (no "format": "{FORMAT}"). '
            "For another tool's scores use read_score_file, or `vidfake evaluate --scores`."
        )
    if header.get("version") != VERSION:
        raise ScoreFileError(
            f"{path}:{number}: format version {header.get('version')!r}; this vidfake reads version {VERSION}. "
            "Install the vidfake that wrote it, or score again."
        )
    scale, detector = header.get("scale", "raw"), header.get("detector", "")
    if scale not in get_args(ScoreScale) or not isinstance(detector, str):
        raise ScoreFileError(f"{path}:{number}: damaged header (scale {scale!r}). Score again.")
    builder = ScoreTableBuilder(detector=detector, scale=scale)
    for number, line in lines:
        _add_line(builder, parse_object(line, path, number), path, number)
    if header.get("videos") != len(builder):
        raise ScoreFileError(
            f"{path}: holds {len(builder)} videos, but its header says {header.get('videos')!r}; it was cut off or "
            "edited. Score again."
        )
    try:
        return builder.table()
    except ValueError as error:
        raise ScoreFileError(f"{path}: {error}.") from error


def _add_line(builder: ScoreTableBuilder, row: dict[str, Any], path: Path | str, number: int) -> None:
    def fail(problem: str) -> NoReturn:
        raise ScoreFileError(f"{path}:{number}: {problem}. Every line after the first describes one video.")

    unknown = sorted(set(row) - _VIDEO_KEYS)
    if unknown:
        fail(f"unknown key {unknown[0]!r}; known: {', '.join(sorted(_VIDEO_KEYS))}")
    texts = {name: row.get(name, "") for name in ("video_id", *TEXT_COLUMNS)}
    for name, text in texts.items():
        if not isinstance(text, str):
            fail(f"{name} is {text!r}, not a text")
    label, status = row.get("label"), row.get("status", "ok")
    if label is not None and (isinstance(label, bool) or label not in (0, 1)):
        fail(f"label is {label!r}; 0 (real), 1 (fake) or null")
    score, attributes = row.get("video_score"), row.get("attributes", {})
    if not is_number_or_none(score):
        fail(f"video_score is {score!r}, not a number")
    if not isinstance(attributes, dict) or not all(is_number_or_none(v) for v in attributes.values()):
        fail("attributes must be a table of numbers")
    for name in ("frames", "clips"):
        if not isinstance(row.get(name, {}), dict):
            fail(f"{name} must be a table of lists")
    try:
        builder.add(
            VideoRecord(path="", label=label, **texts),
            status=str(status),
            frames=row.get("frames"),
            clips=row.get("clips"),
            video_score=score,
            attributes={name: float(value) for name, value in attributes.items() if value is not None},
        )
    except (ValueError, OverflowError) as error:
        fail(str(error))


def is_number_or_none(value: Any) -> bool:
    """True for None and for a finite int or float (a bool is not a number)."""
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def read_lines(path: Path | str) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that are not blank. Raises ScoreFileError when unreadable or a line is absurdly long."""
    try:
        with open(path, "rb") as handle:
            number = 0
            while line := handle.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    raise ScoreFileError(
                        f"{path}:{number}: a line of more than {MAX_LINE_BYTES // 2**20} MiB; not a score file."
                    )
                if line.strip():
                    yield number, line
    except OSError as error:
        raise ScoreFileError(f"{path}: cannot be read ({error.strerror}). Name a score file.") from error


def parse_json(data: bytes, path: Path | str, number: int) -> Any:
    """The JSON value of `data`; NaN, Infinity, bad UTF-8 and absurd nesting are ScoreFileErrors."""

    def refuse(word: str) -> NoReturn:
        raise ScoreFileError(
            f"{path}:{number}: holds {word}, which is not a score. Leave out videos that could not be scored."
        )

    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ScoreFileError(f"{path}:{number}: not valid JSON ({error}).") from error


def parse_object(data: bytes, path: Path | str, number: int) -> dict[str, Any]:
    """Like `parse_json`, for one object."""
    value = parse_json(data, path, number)
    if not isinstance(value, dict):
        raise ScoreFileError(f"{path}:{number}: a JSON object is needed, got {type(value).__name__}.")
    return value
