"""Writes a report's four files: ``report.html``, ``report.md``, ``report.json`` and ``scores.csv``."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vidfake import __version__
from vidfake.files import write_json, write_text
from vidfake.metrics.comparison import rank_detectors
from vidfake.metrics.results import to_plain
from vidfake.report import html, markdown
from vidfake.report.model import EvaluationResult, MediaOf, ScoreRows
from vidfake.report.text import csv_cell
from vidfake.scores.table import TEXT_COLUMNS, ScoreTable

FORMAT, VERSION = "vidfake-report", 1
CSV_COLUMNS = (
    "detector", "dataset", "video_id", "label", "status", *(name for name in TEXT_COLUMNS if name != "dataset"),
    "video_score", "frames_averaged", "probability", "num_clips", "num_frames",
)  # fmt: skip


def build_report(
    evaluation: EvaluationResult,
    out_dir: Path | str,
    *,
    scores: Sequence[ScoreRows] = (),
    media: MediaOf | None = None,
) -> Path:
    """Write the report into `out_dir` and return the path of ``report.html``.

    The page needs nothing beside it and runs no script; ids and file names may hold anything. `media` gives
    thumbnails and files for the worst errors. Raises StorageError when a file cannot be written.
    """
    folder = Path(out_dir)
    ranking = rank_detectors(evaluation.results)
    page = html.render(evaluation, media or {}, ranking)
    write_text(folder / "scores.csv", "".join(_csv_lines(scores)))
    plain = {"format": FORMAT, "version": VERSION, "vidfake": __version__, **to_plain(evaluation)}
    plain["ranking"] = to_plain(ranking)
    write_json(folder / "report.json", plain)
    write_text(folder / "report.md", markdown.render(evaluation, ranking))
    write_text(folder / "report.html", page)
    return folder / "report.html"


def _csv_lines(scores: Sequence[ScoreRows]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for rows in scores:
        num_clips, num_frames = (
            np.bincount(index, minlength=len(rows.table))
            for index in (rows.table.clip_video, rows.table.frame_video)
        )
        for i in range(len(rows.table)):
            writer.writerow(_csv_row(rows, i, int(num_clips[i]), int(num_frames[i])))
        yield _taken(buffer)
    yield _taken(buffer)


def _csv_row(rows: ScoreRows, i: int, num_clips: int, num_frames: int) -> list[Any]:
    table: ScoreTable = rows.table
    texts = {name: csv_cell(getattr(table, name)[i]) for name in TEXT_COLUMNS if name != "dataset"}
    label = int(table.label[i])
    return [
        csv_cell(table.detector), csv_cell(rows.dataset), csv_cell(table.video_id[i]), "" if label < 0 else label,
        table.status[i], *texts.values(), _number(rows.video[i]), _number(rows.averaged[i]),
        _number(rows.probability[i]), num_clips, num_frames,
    ]  # fmt: skip


def _number(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
