"""Detectors × datasets: score tables and every figure about them, and detectors against one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import vidfake
from vidfake.data.provenance import shared_with_training
from vidfake.errors import ProtocolError
from vidfake.evaluate.classes import attribution_of
from vidfake.evaluate.families import check_names, compared
from vidfake.evaluate.options import Options
from vidfake.evaluate.readouts import other_readout, readout_is_selected
from vidfake.evaluate.scoring import Source, score_source
from vidfake.inference.load import LoadedDetector
from vidfake.metrics.comparison import Comparison
from vidfake.metrics.results import DatasetResult
from vidfake.metrics.summary import summarise
from vidfake.metrics.threshold import Threshold
from vidfake.metrics.verdicts import Band
from vidfake.scores import ScoreTable

Report = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Evaluation:
    """`results` in the order of detectors, then datasets; `tables` by (detector, dataset) behind them."""

    results: tuple[DatasetResult, ...]
    comparisons: tuple[Comparison, ...]
    tables: dict[tuple[str, str], ScoreTable]
    notes: tuple[str, ...] = ()


def evaluate(
    detectors: Sequence[LoadedDetector],
    sources: Sequence[Source],
    *,
    work: Path,
    foreign: Mapping[str, Sequence[ScoreTable]] | None = None,
    options: Options | None = None,
    report: Report | None = None,
) -> Evaluation:
    """Score and measure. `foreign` adds other people's score tables, per dataset name.

    Raises ProtocolError when a detector was trained on a source that it is to be measured on, unless allowed, or
    when two share a name; UsageError when there is nothing to measure, or the control is none of the detectors.
    """
    options = options or Options()
    foreign = foreign or {}
    check_names(detectors, sources, foreign, options.control)
    notes = [note for d in detectors for s in sources for note in _overlap(d, s, options)]
    notes += [note for d in detectors for note in other_readout(d)]
    results, tables = [], {}
    for detector in detectors:
        for source in sources:
            table = score_source(detector, source, work, workers=options.workers, report=report)
            tables[detector.name, source.name] = table
            results.append(_summary(detector, source, table, options, work))
    for name, others in foreign.items():
        for table in others:
            tables[table.detector, name] = table
            results.append(summarise(table, dataset=name, role="scores", how=options.how))
    pooled = {d.name: d.checkpoint.config.score for d in detectors}
    comparisons, missing = compared(tables, pooled, options)
    return Evaluation(tuple(results), comparisons, tables, (*notes, *missing))


def _summary(
    detector: LoadedDetector, source: Source, table: ScoreTable, options: Options, work: Path
) -> DatasetResult:
    checkpoint = detector.checkpoint
    threshold = checkpoint.extra.get("threshold") if readout_is_selected(detector) else None
    chosen = detector.thresholds
    result = summarise(
        table,
        settings=checkpoint.config.score,
        dataset=source.name,
        role=_role(detector, source),
        threshold=None if threshold is None else Threshold(**threshold),
        band=None if chosen is None else Band(chosen.likely_fake, chosen.likely_real, chosen.false_positive_rate),
        calibration=detector.calibration,
        how=options.how,
        facts={
            "detector": detector.name,
            "detector sha256": checkpoint.sha256,
            "read-out": detector.readout_name,
            "loss": checkpoint.config.loss.name,
            "dataset": str(source.path),
            "dataset sha256": source.sha256,
            "vidfake": vidfake.__version__,
        },
    )
    found, open_set = attribution_of(detector, source, work, workers=options.workers)
    return replace(result, attribution=found, open_set_auc=open_set)


def _role(detector: LoadedDetector, source: Source) -> str:
    """In-dataset when the detector was trained on a corpus of the same name, else cross-dataset."""
    trained = set(detector.checkpoint.extra.get("training_datasets") or [])
    here = {record.dataset for record in source.records}
    if not trained - {""} or not here - {""}:
        return ""
    return "in-dataset" if here <= trained else "cross-dataset"


def _overlap(detector: LoadedDetector, source: Source, options: Options) -> list[str]:
    shared = shared_with_training(detector.checkpoint.extra, source.records)
    if not shared:
        return []
    what = f"{len(shared)} of the sources in {source.path} (first: {shared[0]})"
    text = f"detector '{detector.name}' was trained on {what}"
    if not options.allow_training_overlap:
        raise ProtocolError(
            f"{text}, so its figure there would not be a test. Name a split that it was not trained on "
            "(--split test), or pass --allow-overlap to have the figures marked."
        )
    return [f"{text}: these figures are not a test."]
