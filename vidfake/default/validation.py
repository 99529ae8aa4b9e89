"""What detectors tell of a recipe's validation, maker by maker: the same people, fakes and degradations for each.

This is how two candidates are compared before test data are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vidfake.data.prepare import prepare
from vidfake.default.recipe import Report, on_store
from vidfake.default.render import table_lines
from vidfake.faces.photo import is_photo
from vidfake.inference.load import LoadedDetector
from vidfake.inference.predict import predict
from vidfake.metrics.groups import by_manipulation
from vidfake.report.numbers import decimal
from vidfake.settings import RunConfig
from vidfake.train.data import build_data
from vidfake.train.run import level_metrics
from vidfake.types import FAKE, VideoRecord

PARTS = ("videos", "photographs")
LEVELS = ("frame", "clip", "video")
MEAN = "(mean)"


@dataclass(frozen=True)
class MakerRow:
    """AUC of a maker's fakes against the reals they were made from, by level; MEAN has the means over makers."""

    detector: str
    part: str
    maker: str
    num_real: int
    num_fake: int
    frame_auc: float | None
    clip_auc: float | None
    video_auc: float | None

    def to_json(self) -> dict[str, Any]:
        """Its values as plain JSON."""
        return asdict(self)


def by_maker(
    detector: LoadedDetector,
    name: str,
    config: RunConfig,
    records: Sequence[VideoRecord],
    out: Path,
    *,
    max_clips: int | None = None,
    workers: int = 1,
    report: Report | None = None,
) -> list[MakerRow]:
    """Rows of `detector`, called `name`, on the validation of the recipe `config`, whose `records` are given.

    Faces are extracted as the detector was trained, into a store in `out` that is made where it is not there yet;
    `max_clips` of a video instead of as many as in training. Videos and photographs are told apart.
    Raises whatever preparing and reading raise, and ConfigError for a recipe without validation.
    """
    extract = detector.checkpoint.extract
    if max_clips is not None:
        extract = replace(extract, max_clips=max_clips)
    config = replace(on_store(config, extract, out), score=detector.checkpoint.config.score)
    prepare(records, Path(config.data.store), extract, workers=workers, progress=report)
    dataset = build_data(config).validation
    table = predict(detector.scorer, dataset, workers=workers, report=report)
    photo = np.array([is_photo(dataset.records[str(v).partition("#")[0]].path) for v in table.video_id])
    rows: list[MakerRow] = []
    for part, inside in zip(PARTS, (~photo, photo), strict=True):
        own: list[MakerRow] = []
        for group in by_manipulation(table):
            chosen = table.select(group.videos & inside)
            fakes = int((chosen.label == FAKE).sum())
            if group.against == "its own reals" and fakes:
                levels = level_metrics(chosen, config)
                aucs = {f"{level}_auc": levels[f"{level}_auc"] for level in LEVELS}
                own.append(MakerRow(name, part, group.name, len(chosen.label) - fakes, fakes, **aucs))
        rows += own
        if len(own) > 1:
            means = {f"{level}_auc": _mean([getattr(row, f"{level}_auc") for row in own]) for level in LEVELS}
            rows.append(MakerRow(name, part, MEAN, own[0].num_real, sum(row.num_fake for row in own), **means))
    return rows


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def markdown(rows: Sequence[MakerRow]) -> str:
    """The rows as a table."""
    header = ("detector", "part", "maker", "real", "fake", *(f"{level} AUC" for level in LEVELS))
    cells = [
        (
            row.detector, row.part, row.maker, row.num_real, row.num_fake,
            *(decimal(getattr(row, f"{level}_auc")) for level in LEVELS),
        )
        for row in rows
    ]  # fmt: skip
    return "\n".join([*table_lines(header, cells), ""])
