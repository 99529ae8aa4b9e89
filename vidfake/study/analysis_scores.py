"""Video-level scores of every final run on one test, as one array; the files are read quickly and exactly."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from vidfake.metrics.levels import LevelName, level_rows
from vidfake.metrics.segments import Float64Array, IntArray
from vidfake.scores import ScoreTable
from vidfake.settings import ScoreSettings
from vidfake.study.results import RunRecord, StudyFolder, without_frames

_TEXT = rb'"((?:[^"\\]|\\.)*)"'
_LIST = rb"\[[^\]]*\]"
_IDS = re.compile(rb'"video_id":' + _TEXT)
_CLIPS = re.compile(rb'"clips":\{"index":' + _LIST + rb',"quality":' + _LIST + rb',"score":\[([^\]]*)\]')
_FRAMES = re.compile(rb'"frames":\{"pts_seconds":' + _LIST + rb',"score":\[([^\]]*)\]')


@dataclass(frozen=True, eq=False)
class TestScores:
    """Scores of A arms under S seeds on the V labelled videos that every run scored.

    `scores` (A, S, V), NaN throughout where a run is not there; `labels` (V,); `sources` (data set and source) and
    `video_ids` V strings.
    `left_out` counts labelled videos that some run did not score.
    """

    __test__ = False  # not a test case, whatever its name

    test: str
    level: str
    readout: str
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    scores: Float64Array
    labels: IntArray
    sources: tuple[str, ...]
    video_ids: tuple[str, ...]
    left_out: int

    @cached_property
    def present(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """(A, S) True where there is a run."""
        return np.asarray(~np.isnan(self.scores).all(axis=2))


class TableReader:
    """Reads the score tables of one study: after the first of each layout only the scores of a file are parsed.

    All runs of a test score the same clips. A file whose videos or clips are others than those of its layout, or
    that is not written as `ScoreTable.write` does, is read in full, with every check.
    """

    def __init__(self) -> None:
        self._layouts: dict[tuple[str, bool], tuple[ScoreTable, list[bytes], list[int], list[int]]] = {}

    def read(self, path: Path, *, frames: bool = True) -> ScoreTable:
        """The table of a file, without frame rows where `frames` is off. Raises ScoreFileError when damaged."""
        test = path.name.split(".")[1] if path.name.count(".") > 1 else ""
        text = path.read_bytes()
        own = b'"frames":{' in text
        key = (test, own and frames)
        ids, clips = _IDS.findall(text), _CLIPS.findall(text)
        rows = _FRAMES.findall(text) if own and frames else []
        counts = [part.count(b",") + 1 for part in clips], [part.count(b",") + 1 for part in rows]
        if key in self._layouts:
            known, *layout = self._layouts[key]
            if layout == [ids, *counts]:
                changes = {"clip_score": _numbers(clips)} | ({"frame_score": _numbers(rows)} if rows else {})
                return replace(known, **changes)  # type: ignore[arg-type]
        table = ScoreTable.read(path)
        if not frames:
            table = without_frames(table)
        in_order = bool(np.all(table.clip_video[:-1] <= table.clip_video[1:])) and not table.has_video_score.any()
        if in_order and len(table.clip_score) == sum(counts[0]) and len(table.frame_score) == sum(counts[1]):
            self._layouts.setdefault(key, (table, ids, *counts))
        return table


def _numbers(parts: list[bytes]) -> Float64Array:
    return np.array(b",".join(parts).split(b",") if parts else [], dtype=np.float64)


def load_scores(
    folder: StudyFolder,
    runs: Mapping[str, Sequence[RunRecord]],
    test: str,
    *,
    seeds: Sequence[int],
    settings: dict[str, ScoreSettings],
    readout: str = "",
    levels: tuple[LevelName, ...] = ("video",),
    reader: TableReader | None = None,
) -> dict[LevelName, TestScores]:
    """Scores of final `runs` (by arm) on a test, per level; `readout` "" takes each arm's primary one.

    `settings` pool clips, by arm. Runs without a table of that read-out are absent.
    """
    reader = reader or TableReader()
    place = {seed: i for i, seed in enumerate(seeds)}
    rows: dict[LevelName, dict[tuple[int, int], dict[str, float]]] = {level: {} for level in levels}
    facts: dict[str, tuple[int, str]] = {}
    for a, (arm, records) in enumerate(runs.items()):
        for record in records:
            name = record.tables.get(test, {}).get(readout or record.primary_readout)
            if record.status != "ok" or record.seed not in place or name is None:
                continue
            path = folder.run_folder(record.task, record.arm, "final") / name
            table = reader.read(path, frames="frames_averaged" in levels)
            for level in levels:
                found = level_rows(table, level, settings.get(arm))
                ids = table.video_id[found.video]
                rows[level][a, place[record.seed]] = dict(zip(ids, found.scores.tolist(), strict=True))
                for i, label in zip(found.video, found.labels.tolist(), strict=True):
                    facts.setdefault(str(table.video_id[i]), (label, f"{table.dataset[i]}/{table.source_id[i]}"))
    return {
        level: _stacked(test, level, readout, tuple(runs), tuple(seeds), of_level, facts)
        for level, of_level in rows.items()
    }


def _stacked(
    test: str,
    level: str,
    readout: str,
    arms: tuple[str, ...],
    seeds: tuple[int, ...],
    rows: dict[tuple[int, int], dict[str, float]],
    facts: dict[str, tuple[int, str]],
) -> TestScores:
    common = set.intersection(*(set(row) for row in rows.values())) if rows else set()
    seen = {video for row in rows.values() for video in row}
    videos = [video for video in facts if video in common]
    scores = np.full((len(arms), len(seeds), len(videos)), np.nan)
    for (a, s), row in rows.items():
        scores[a, s] = [row[video] for video in videos]
    return TestScores(
        test=test,
        level=level,
        readout=readout,
        arms=arms,
        seeds=seeds,
        scores=scores,
        labels=np.array([facts[video][0] for video in videos], dtype=np.int64),
        sources=tuple(facts[video][1] for video in videos),
        video_ids=tuple(videos),
        left_out=len(seen - common),
    )
