"""An evaluation as a report: data, protocol, environment, thumbnails of the worst errors, how to do it again."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

import vidfake
from vidfake.evaluate.run import Evaluation
from vidfake.evaluate.scoring import Source, store_of
from vidfake.inference.load import LoadedDetector
from vidfake.metrics.pooling_study import PoolingRow
from vidfake.report import CorruptionPoint, EvaluationResult, Media, ScoreRows, build_report


def write_report(
    evaluation: Evaluation,
    detectors: Sequence[LoadedDetector],
    sources: Sequence[Source],
    out: Path,
    *,
    work: Path,
    command: Sequence[str] = (),
    corruptions: Sequence[CorruptionPoint] = (),
    pooling: Sequence[PoolingRow] = (),
    protocol: dict[str, str] | None = None,
    title: str = "Evaluation",
) -> EvaluationResult:
    """Lay everything out in `out`: report.html, report.md, report.json, scores.csv."""
    result = EvaluationResult(
        title=title,
        results=evaluation.results,
        created=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        comparisons=evaluation.comparisons,
        corruptions=tuple(corruptions),
        pooling=tuple(pooling),
        protocol=protocol or {},
        data={source.name: _facts(source) for source in sources},
        environment=_environment(),
        command=tuple(command),
        notes=evaluation.notes,
    )
    by_name = {detector.name: detector for detector in detectors}
    rows = [
        ScoreRows.of(
            table,
            dataset=dataset,
            settings=by_name[name].checkpoint.config.score if name in by_name else None,
            calibration=by_name[name].calibration if name in by_name else None,
        )
        for (name, dataset), table in evaluation.tables.items()
    ]
    build_report(result, out, scores=rows, media=_media(evaluation, detectors, sources, work))
    return result


def _facts(source: Source) -> dict[str, str]:
    records = source.records
    fakes = sum(record.label == 1 for record in records)
    return {
        "file": str(source.path),
        "SHA-256": source.sha256,
        "videos": f"{len(records)} ({len(records) - fakes} real, {fakes} fake)",
        "sources": str(len({record.source_id or record.video_id for record in records})),
        "splits": ", ".join(sorted({record.split or "(none)" for record in records})),
    }


def _environment() -> dict[str, str]:
    return {
        "vidfake": vidfake.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
    }


def _media(
    evaluation: Evaluation, detectors: Sequence[LoadedDetector], sources: Sequence[Source], work: Path
) -> dict[tuple[str, str], Media]:
    """Thumbnail and file of every video listed among the worst errors."""
    found: dict[tuple[str, str], Media] = {}
    by_name = {source.name: source for source in sources}
    for result in evaluation.results:
        source = by_name.get(result.dataset)
        detector = next((d for d in detectors if d.name == result.detector), None)
        if source is None or detector is None:
            continue
        store = store_of(detector, source, work)
        paths = {record.video_id: record.path for record in source.records}
        for error in result.worst:
            clips = [clip for clip in store.clips if clip.video.video_id == error.video_id]
            moment = error.seconds or 0.0
            nearest = min(clips, key=lambda clip: abs(float(clip.pts_seconds[0]) - moment), default=None)
            picture = None if nearest is None or not store.settings.jpeg_quality else store.read_encoded(nearest)[0]
            found[source.name, error.video_id] = Media(picture, Path(paths[error.video_id]))
    return found
