"""The same videos, damaged: how much of the video-level AUC is left at each severity."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from vidfake.corruptions import CORRUPTIONS, corrupt_video
from vidfake.errors import MediaError, UsageError
from vidfake.evaluate.scoring import Source, score_source, table_path
from vidfake.files import sha256_json
from vidfake.inference.load import LoadedDetector
from vidfake.metrics.levels import video_auc
from vidfake.metrics.results import figure
from vidfake.report import CorruptionPoint
from vidfake.sandbox import open_in_child
from vidfake.scores import ScoreTable
from vidfake.seeding import derived_seed
from vidfake.settings import ScoreSettings
from vidfake.types import VideoRecord
from vidfake.video.reader import open_video
from vidfake.video.source import Opener

Report = Callable[[str, int, int | None], None]


def corruption_points(
    detector: LoadedDetector,
    source: Source,
    clean: ScoreTable,
    kinds: Sequence[tuple[str, int]],
    *,
    work: Path,
    seed: int = 0,
    settings: ScoreSettings | None = None,
    workers: int = 1,
    report: Report | None = None,
) -> list[CorruptionPoint]:
    """One point per (kind, severity), and the clean one per kind. Damaged copies are deleted once scored.

    Whole frames are damaged before any face is looked for, as published; then everything runs as on a clean file.
    Score tables are kept, so an interrupted run goes on. Raises UsageError for a clip store, whose videos are gone.
    """
    refuse_store(source)
    points = []
    for done, (kind, severity) in enumerate(kinds):
        if report is not None:
            report("corruptions", done, len(kinds))
        table = _damaged_table(detector, source, kind, severity, work, seed, workers)
        points.append(_point(detector, source, kind, 0, "", clean, settings))
        parameter = f"{CORRUPTIONS.build(kind).value(severity):g}"
        points.append(_point(detector, source, kind, severity, parameter, table, settings))
    return _once(points)


def all_corruption_points(
    detectors: Sequence[LoadedDetector],
    sources: Sequence[Source],
    tables: Mapping[tuple[str, str], ScoreTable],
    kinds: Sequence[tuple[str, int]],
    *,
    work: Path,
    workers: int = 1,
    report: Report | None = None,
) -> list[CorruptionPoint]:
    """`corruption_points` of every detector on every source, whose clean scores are in `tables`."""
    return [
        point
        for detector in detectors
        for source in sources
        if kinds
        for point in corruption_points(
            detector,
            source,
            tables[detector.name, source.name],
            kinds,
            work=work,
            settings=detector.checkpoint.config.score,
            workers=workers,
            report=report,
        )
    ]


def refuse_store(source: Source) -> None:
    """Raises UsageError for a clip store, which has no videos to damage."""
    if source.store is not None:
        raise UsageError(f"{source.path}: is a clip store; corruptions need the videos. Name their manifest.")


def _damaged_table(
    detector: LoadedDetector, source: Source, kind: str, severity: int, work: Path, seed: int, workers: int
) -> ScoreTable:
    rows = [[r.video_id, r.path, r.label, r.source_id] for r in source.records]
    key = sha256_json(
        {
            "model": detector.checkpoint.sha256,
            "readout": detector.readout_name,
            "source": source.sha256,
            "profile": source.profile.name,
            "rows": rows,
            "kind": kind,
            "severity": severity,
            "seed": seed,
        }
    )
    kept = table_path(work, detector, f"{source.name}-{kind}-{severity}", key)
    if kept.exists():
        return ScoreTable.read(kept)
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="damaged-", dir=work) as name:
        folder = Path(name)
        damaged = replace(
            source, name=f"{source.name}-{kind}-{severity}", records=_damage(source, folder, kind, severity, seed)
        )
        table = score_source(detector, damaged, folder, workers=workers)
    table.write(kept)
    return table


def _damage(source: Source, folder: Path, kind: str, severity: int, seed: int) -> tuple[VideoRecord, ...]:
    """Records of the damaged copies; several rows of one file share its copy, damaged by the seed of the first.

    A file that cannot be read stays as it is, and will be found unreadable like any other.
    """
    copies: dict[str, str] = {}
    opener: Opener = open_in_child if source.sandbox else open_video
    for number, record in enumerate(source.records):
        if record.path in copies:
            continue
        out = folder / f"{number:06d}.mkv"
        try:
            own = derived_seed(seed, record.video_id)  # not the path: the same damage on every machine
            corrupt_video(record.path, out, kind, severity=severity, seed=own, opener=opener)
            copies[record.path] = str(out)
        except MediaError:
            copies[record.path] = record.path
    return tuple(replace(record, path=copies[record.path]) for record in source.records)


def _point(
    detector: LoadedDetector,
    source: Source,
    kind: str,
    severity: int,
    parameter: str,
    table: ScoreTable,
    settings: ScoreSettings | None,
) -> CorruptionPoint:
    return CorruptionPoint(
        detector=detector.name,
        dataset=source.name,
        kind=kind,
        severity=severity,
        parameter=parameter,
        auc=figure(video_auc, table, settings),
        coverage=float((table.status == "ok").mean()),
    )


def _once(points: list[CorruptionPoint]) -> list[CorruptionPoint]:
    """Each (kind, severity) once, kinds in order of appearance, severities ascending."""
    unique = {(p.kind, p.severity): p for p in points}
    order = {kind: i for i, kind in enumerate(dict.fromkeys(p.kind for p in points))}
    return sorted(unique.values(), key=lambda p: (order[p.kind], p.severity))
