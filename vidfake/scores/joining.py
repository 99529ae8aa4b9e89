"""Joining the rows of a score file to a manifest's videos: every doubt is an error with a count."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vidfake.errors import ScoreFileError
from vidfake.scores.columns import IntArray
from vidfake.scores.matching import NameIndex
from vidfake.scores.problems import Problems, shown
from vidfake.scores.rows import RowLevel, Rows
from vidfake.types import VideoRecord


def match(
    keys: Sequence[tuple[str, str | None]],
    lines: Sequence[int],
    records: Sequence[VideoRecord] | None,
    problems: Problems,
) -> IntArray:
    """For each (name, region) of a file, the index of its record; without records, its own position.

    Unknown, ambiguous and doubled names are problems; raises ScoreFileError if there are any.
    """
    if records is None:
        return np.arange(len(keys))
    index = NameIndex(records)
    matched = np.full(len(keys), -1, dtype=np.int64)
    taken: dict[int, str] = {}
    for position, ((name, region), line) in enumerate(zip(keys, lines, strict=True)):
        found = index.find(name, region)
        if not found:
            problems.add(
                f"of {len(keys)} videos are not in the manifest", line, name,
                "Use the manifest that the scores were made for, or its video_id as names.",
            )  # fmt: skip
        elif len(found) > 1:
            ids = ", ".join(shown(records[i].video_id) for i in found[:3])
            problems.add(
                f"of {len(keys)} video names fit several videos of the manifest", line, name,
                f"It could be {ids}: write the video_id, or more of the path.",
            )  # fmt: skip
        elif found[0] in taken:
            problems.add(
                "names mean a video that another name already means", line, name,
                f"Both it and {shown(taken[found[0]])} fit {shown(records[found[0]].video_id)}.",
            )  # fmt: skip
        else:
            taken[found[0]] = name
            matched[position] = found[0]
    problems.raise_any()
    return matched


def own_records(names: Sequence[str], labels: dict[int, int]) -> list[VideoRecord]:
    """Records made of a file's own names and labels, where no manifest is given."""
    return [VideoRecord(name, name, label=labels.get(i)) for i, name in enumerate(names)]


def with_labels(
    records: Sequence[VideoRecord], rows: Rows, found: IntArray, lines: Sequence[int]
) -> list[VideoRecord]:
    """The records, with the file's label where they have none; raises ScoreFileError for contradictions."""
    listed = list(records)
    for code, label in rows.labels.items():
        record = listed[found[code]]
        if record.label is None:
            listed[found[code]] = replace(record, label=label)
        elif record.label != label:
            rows.problems.add(
                "videos have another label than in the manifest", lines[code], record.video_id,
                f"The file says {label}, the manifest {record.label}; 0 is real, 1 is fake.",
            )  # fmt: skip
    rows.problems.raise_any()
    return listed


def refuse_missing(records: Sequence[VideoRecord], present: Collection[int], path: Path | str) -> None:
    """Raise ScoreFileError where records are not among the `present` indices."""
    lost = [record.video_id for i, record in enumerate(records) if i not in present]
    if lost:
        raise ScoreFileError(
            f"{path}: {len(lost)} of {len(records)} videos of the manifest have no score, first {shown(lost[0])}. "
            "Score them, or pass allow_missing to count them as missing."
        )


def refuse_duplicates(rows: Rows, level: RowLevel) -> None:
    """Raise ScoreFileError for rows of the same video (at video level) or the same place in a video."""
    video, index = np.frombuffer(rows.video, np.int64), np.frombuffer(rows.index, np.int64)
    seconds, track = np.frombuffer(rows.seconds, np.float64), np.frombuffer(rows.track, np.int64)
    keys = [video]
    advice = "One row per video; for frame or clip scores add a column `frame` or `clip`."
    if level != "video":
        if (index < 0).all() and (seconds < 0).all():
            return  # rows that carry no place cannot be told apart from repeated ones
        keys += [track, index, seconds.view(np.int64)]
        advice = f"One row per {level}."
    order = np.lexsort(keys)
    same = np.ones(len(order) - 1, dtype=bool)
    for key in keys:
        same &= key[order][1:] == key[order][:-1]
    names = list(rows.names)
    for row in np.sort(order[1:][same]):
        kind = f"rows repeat a {level} that already has a score"
        rows.problems.add(kind, rows.where[row], names[int(video[row])], advice)
    rows.problems.raise_any()
