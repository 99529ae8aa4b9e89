"""Collects scores video by video, as a scoring loop or a file reader meets them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vidfake.scores import columns
from vidfake.scores.columns import UNKNOWN_LABEL
from vidfake.scores.table import TEXT_COLUMNS, ScoreScale, ScoreTable
from vidfake.types import VideoRecord

_ROW_COLUMNS = {
    "frame": ("track", "pts_seconds", "score"),
    "clip": ("track", "index", "start_seconds", "score", "quality"),
}


class ScoreTableBuilder:
    """Collects videos one by one, in any order of arrival, and makes a `ScoreTable` of them."""

    def __init__(self, *, detector: str = "", scale: ScoreScale = "raw") -> None:
        self.detector, self.scale = detector, scale
        self._texts: dict[str, list[str]] = {name: [] for name in ("video_id", "status", *TEXT_COLUMNS)}
        self._label: list[int] = []
        self._video_score: list[float] = []
        self._attributes: list[dict[str, float]] = []
        self._rows: dict[str, list[npt.NDArray[Any]]] = {
            f"{level}_{name}": [] for level, names in _ROW_COLUMNS.items() for name in names
        }
        self._counts: dict[str, list[int]] = {"frame": [], "clip": []}

    def __len__(self) -> int:
        return len(self._label)

    def add(
        self,
        record: VideoRecord,
        *,
        status: str = "ok",
        frames: dict[str, Any] | None = None,
        clips: dict[str, Any] | None = None,
        video_score: float | None = None,
        attributes: dict[str, float] | None = None,
    ) -> None:
        """Add one video. `frames` has lists ``track, pts_seconds, score``; `clips` has ``track, index,
        start_seconds, score, quality``; only ``score`` is needed. Raises ValueError for lists that do not fit."""
        rows = {"frame": _level_rows("frame", frames or {}), "clip": _level_rows("clip", clips or {})}
        for name in TEXT_COLUMNS:
            self._texts[name].append(getattr(record, name))
        self._texts["video_id"].append(record.video_id)
        self._texts["status"].append(status)
        self._label.append(UNKNOWN_LABEL if record.label is None else record.label)
        self._video_score.append(np.nan if video_score is None else float(video_score))
        self._attributes.append(attributes or {})
        for level, values in rows.items():
            self._counts[level].append(len(values["score"]))
            for name, column in values.items():
                self._rows[f"{level}_{name}"].append(column)

    def table(self) -> ScoreTable:
        """The table of everything added so far."""
        n = len(self)
        names = sorted({name for row in self._attributes for name in row})
        values: dict[str, Any] = {
            name: np.concatenate(parts) if parts else [] for name, parts in self._rows.items()
        }
        for level, counts in self._counts.items():
            values[f"{level}_video"] = np.repeat(np.arange(n), np.array(counts, dtype=np.int64))
        return ScoreTable(
            label=np.array(self._label, dtype=np.int64),
            video_score=np.array(self._video_score, dtype=np.float64),
            attributes={a: np.array([row.get(a, np.nan) for row in self._attributes], np.float64) for a in names},
            detector=self.detector,
            scale=self.scale,
            **self._texts,  # type: ignore[arg-type]  # lists become columns when the table checks them
            **values,
        )


def _level_rows(level: str, values: dict[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """Checked columns of one video at one level; what is not given is 0 (quality 1), `index` counts up."""
    names = _ROW_COLUMNS[level]
    unknown = set(values) - set(names)
    if unknown:
        raise ValueError(f"{level} rows have no column {sorted(unknown)[0]!r}; they have {', '.join(names)}")
    if values and "score" not in values:
        raise ValueError(f"{level} rows need a column 'score'")
    n = len(columns.floats(values.get("score", []), None, f"{level} score"))
    defaults: dict[str, Any] = {"index": np.arange(n), "quality": np.ones(n), "track": np.zeros(n, np.int64)}
    checked: dict[str, npt.NDArray[Any]] = {}
    for name in names:
        value = values.get(name, defaults.get(name, np.zeros(n)))
        convert = columns.integers if name in ("track", "index") else columns.floats
        checked[name] = convert(value, n, f"{level} {name}")
    return checked
