"""`ScoreTable`: every score of one detector on one dataset, as numpy columns that check themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from vidfake.scores import columns
from vidfake.scores.columns import SCORE_STATUSES, UNKNOWN_LABEL, Float64Array, IntArray, StrArray
from vidfake.types import FAKE, REAL, BoolArray

ScoreScale = Literal["raw", "probability"]
"""``raw`` is any real number; ``probability`` lies in [0, 1]."""

TEXT_COLUMNS = ("manipulation", "source_id", "pair_id", "dataset", "split", "compression", "origin")


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoreTable:
    """One detector's scores on one dataset. Higher = more likely fake.

    Per video, (V,): `video_id` (unique), `label` (0, 1, or -1 where unknown), the text columns, `status`,
    `video_score` (NaN where there is none; only where nothing finer is known), and `attributes`, named numbers
    such as ``face_pixels`` (NaN where unknown). Per frame, (F,): `frame_*`; per clip, (K,): `clip_*`;
    `frame_video` and `clip_video` are indices into the videos and are kept in ascending order.
    An empty `source_id` is taken to be the `video_id`. Raises ValueError for columns that do not fit together.
    """

    video_id: StrArray
    label: IntArray
    manipulation: StrArray = ""  # type: ignore[assignment]  # one text stands for all rows
    source_id: StrArray = ""  # type: ignore[assignment]
    pair_id: StrArray = ""  # type: ignore[assignment]
    dataset: StrArray = ""  # type: ignore[assignment]
    split: StrArray = ""  # type: ignore[assignment]
    compression: StrArray = ""  # type: ignore[assignment]
    origin: StrArray = ""  # type: ignore[assignment]
    status: StrArray = "ok"  # type: ignore[assignment]
    video_score: Float64Array = None  # type: ignore[assignment]  # None: a column of zeros, ones or NaN is made
    attributes: dict[str, Float64Array] = field(default_factory=dict)
    frame_video: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    frame_track: IntArray = None  # type: ignore[assignment]
    frame_pts_seconds: Float64Array = None  # type: ignore[assignment]
    frame_score: Float64Array = field(default_factory=lambda: np.empty(0))
    clip_video: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    clip_track: IntArray = None  # type: ignore[assignment]
    clip_index: IntArray = None  # type: ignore[assignment]
    clip_start_seconds: Float64Array = None  # type: ignore[assignment]
    clip_score: Float64Array = field(default_factory=lambda: np.empty(0))
    clip_quality: Float64Array = None  # type: ignore[assignment]
    detector: str = ""
    scale: ScoreScale = "raw"

    def __post_init__(self) -> None:
        self._check_videos()
        self._check_rows("frame", self.frame_video, ("track",), ("pts_seconds", "score"))
        self._check_rows("clip", self.clip_video, ("track", "index"), ("start_seconds", "score", "quality"))
        self._check_statuses()
        if self.scale not in get_args(ScoreScale):
            raise ValueError(f"scale is {self.scale!r}; accepted: {', '.join(get_args(ScoreScale))}")
        if self.scale == "probability":
            self._check_probabilities()

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check_videos(self) -> None:
        n = len(self.video_id)
        self._set("video_id", columns.strings(self.video_id, n, "video_id"))
        if n and "" in set(self.video_id):
            raise ValueError("video_id is empty for some video; every video needs an id")
        count, examples = columns.first_duplicates(self.video_id)
        if count:
            raise ValueError(f"{count} video_id repeated, first {examples}; each video may be listed once")
        for name in (*TEXT_COLUMNS, "status"):
            self._set(name, columns.strings(getattr(self, name), n, name))
        self._set("source_id", np.where(self.source_id == "", self.video_id, self.source_id))
        label = columns.integers(self.label, n, "label")
        if not np.isin(label, (REAL, FAKE, UNKNOWN_LABEL)).all():
            raise ValueError(
                f"label takes 0 (real), 1 (fake) or -1 (unknown), got {sorted(set(label.tolist()))[:8]}"
            )
        self._set("label", label)
        given: Float64Array | None = self.video_score
        score = columns.floats(np.full(n, np.nan) if given is None else given, n, "video_score", finite=False)
        if np.isinf(score).any():
            raise ValueError(f"video_score is infinite for {int(np.isinf(score).sum())} videos; use finite scores")
        self._set("video_score", score)
        checked = {k: columns.floats(v, n, f"attributes[{k}]", finite=False) for k, v in self.attributes.items()}
        self._set("attributes", checked)

    def _check_rows(self, level: str, video: IntArray, ints: Sequence[str], reals: Sequence[str]) -> None:
        index = columns.integers(video, None, f"{level}_video")
        rows = len(index)
        if rows and (index.min() < 0 or index.max() >= len(self.video_id)):
            raise ValueError(
                f"{level}_video must lie in 0..{len(self.video_id) - 1}, got {index.min()}..{index.max()}"
            )
        order = np.argsort(index, kind="stable") if rows and np.any(np.diff(index) < 0) else None
        checked: dict[str, npt.NDArray[Any]] = {f"{level}_video": index}
        for name in ints:
            value = getattr(self, f"{level}_{name}")
            value = np.zeros(rows, np.int64) if value is None else value
            checked[f"{level}_{name}"] = columns.integers(value, rows, f"{level}_{name}")
        for name in reals:
            value = getattr(self, f"{level}_{name}")
            value = np.full(rows, 1.0 if name == "quality" else 0.0) if value is None else value
            checked[f"{level}_{name}"] = columns.floats(value, rows, f"{level}_{name}")
        for name, column in checked.items():
            self._set(name, column if order is None else column[order])

    def _check_statuses(self) -> None:
        unknown = sorted(set(self.status) - set(SCORE_STATUSES))
        if unknown:
            raise ValueError(f"status {unknown[0]!r} is unknown; accepted: {', '.join(SCORE_STATUSES)}")
        scored = self.has_video_score
        scored[self.frame_video] = True
        scored[self.clip_video] = True
        wrong = np.flatnonzero(scored & (self.status != "ok"))
        if len(wrong):
            raise ValueError(
                f"{len(wrong)} videos have scores but a status other than 'ok', first "
                f"{self.video_id[wrong[0]]!r} ({self.status[wrong[0]]}); a video that failed has no score"
            )

    def _check_probabilities(self) -> None:
        given = self.video_score[self.has_video_score]
        for name, values in (("frame", self.frame_score), ("clip", self.clip_score), ("video", given)):
            outside = int(np.count_nonzero((values < 0) | (values > 1)))
            if outside:
                raise ValueError(f"{outside} {name} scores lie outside [0, 1], but the scale is 'probability'")

    @property
    def has_video_score(self) -> BoolArray:
        """(V,) True where `video_score` is given."""
        missing: BoolArray = np.isnan(self.video_score)
        return ~missing

    @property
    def labelled(self) -> BoolArray:
        """(V,) True where the label is known."""
        known: BoolArray = self.label != UNKNOWN_LABEL
        return known

    def __len__(self) -> int:
        return len(self.video_id)

    def __repr__(self) -> str:
        real, fake = int((self.label == REAL).sum()), int((self.label == FAKE).sum())
        return (
            f"ScoreTable({self.detector or 'detector'}: {len(self)} videos, {real} real, {fake} fake, "
            f"{len(self.frame_score)} frame scores, {len(self.clip_score)} clip scores)"
        )

    def select(self, rows: npt.NDArray[Any]) -> ScoreTable:
        """The table of some videos only: `rows` is a (V,) bool mask, or distinct indices in ascending order."""
        mask = np.asarray(rows)
        if mask.dtype != np.bool_:
            index, mask = mask, np.zeros(len(self), dtype=bool)
            mask[index] = True
            if int(mask.sum()) != len(index) or np.any(np.diff(index) < 0):
                raise ValueError("select takes a mask, or distinct indices in ascending order")
        if mask.shape != (len(self),):
            raise ValueError(f"the mask must be ({len(self)},), got {mask.shape}")
        new_index = np.cumsum(mask) - 1
        values: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in ("detector", "scale"):
                continue
            if item.name == "attributes":
                values[item.name] = {k: v[mask] for k, v in value.items()}
            elif item.name.startswith(("frame_", "clip_")):
                keep = mask[self.frame_video if item.name.startswith("frame_") else self.clip_video]
                values[item.name] = new_index[value[keep]] if item.name.endswith("_video") else value[keep]
            else:
                values[item.name] = value[mask]
        return replace(self, **values)

    @staticmethod
    def concat(tables: Sequence[ScoreTable]) -> ScoreTable:
        """One table of several. Raises ValueError when a video is in two of them or the scales differ."""
        if not tables:
            raise ValueError("concat needs at least one table")
        scales = {t.scale for t in tables}
        if len(scales) > 1:
            raise ValueError("these tables differ in scale (raw and probability); calibrate them first")
        offsets = np.cumsum([0, *(len(t) for t in tables)])
        names = sorted({name for t in tables for name in t.attributes})
        values: dict[str, Any] = {}
        for item in fields(ScoreTable):
            if item.name in ("detector", "scale", "attributes"):
                continue
            parts = [getattr(t, item.name) for t in tables]
            if item.name.endswith("_video"):
                parts = [part + offset for part, offset in zip(parts, offsets, strict=False)]
            values[item.name] = np.concatenate(parts)
        absent = [np.full(len(t), np.nan) for t in tables]
        values["attributes"] = {
            n: np.concatenate([t.attributes.get(n, none) for t, none in zip(tables, absent, strict=True)])
            for n in names
        }
        detectors = {t.detector for t in tables}
        return ScoreTable(detector=detectors.pop() if len(detectors) == 1 else "", scale=scales.pop(), **values)

    def __iter__(self) -> Iterator[VideoScores]:
        frames = np.searchsorted(self.frame_video, np.arange(len(self) + 1))
        clips = np.searchsorted(self.clip_video, np.arange(len(self) + 1))
        for i in range(len(self)):
            yield VideoScores(self, i, slice(frames[i], frames[i + 1]), slice(clips[i], clips[i + 1]))

    def write(self, path: Path | str) -> None:
        """Write as JSON lines, atomically: a header, then one line per video (see `vidfake.scores.jsonl`)."""
        from vidfake.scores.jsonl import write_table

        write_table(self, path)

    @staticmethod
    def read(path: Path | str) -> ScoreTable:
        """Read what `write` wrote. Raises ScoreFileError with file and line for anything else."""
        from vidfake.scores.jsonl import read_table

        return read_table(path)


@dataclass(frozen=True)
class VideoScores:
    """One video's rows in a table: `frames` and `clips` are slices into the table's frame and clip columns."""

    table: ScoreTable
    index: int
    frames: slice
    clips: slice

    @property
    def video_id(self) -> str:
        """The video's only name."""
        return str(self.table.video_id[self.index])

    @property
    def frame_score(self) -> Float64Array:
        """(number of its frames,)"""
        return self.table.frame_score[self.frames]

    @property
    def clip_score(self) -> Float64Array:
        """(number of its clips,)"""
        return self.table.clip_score[self.clips]
