"""The rows of somebody else's score file, whatever its layout: names, scores, and what tells rows apart."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vidfake.scores.matching import IMAGES
from vidfake.scores.problems import Problems

RowLevel = Literal["frame", "clip", "video"]

ALIASES: dict[str, tuple[str, ...]] = {
    "video": ("video_id", "video", "video_name", "filename", "file", "path", "name"),
    "image": ("image", "images", "image_path", "img_name", "img_names", "frame_path"),
    "score": (
        "score", "scores", "fake_score", "prob", "probability", "fake_prob", "prob_fake", "fake_probability",
        "pred", "preds", "prediction", "predictions", "y_pred", "y_score",
    ),
    "label": ("label", "labels", "y_true", "target", "ground_truth", "gt"),
    "track": ("track", "track_id", "face", "face_id"),
    "frame": ("frame", "frame_index", "frame_id", "frame_number"),
    "time": ("pts_seconds", "time_seconds", "seconds", "time", "timestamp"),
    "clip": ("clip", "clip_index", "clip_id"),
    "start": ("start_seconds", "clip_start_seconds", "start"),
}  # fmt: skip
MAX_POSITION = 2**53
_LABEL_WORDS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "real": 0, "fake": 1}


def known_columns(header: list[str]) -> dict[str, list[str]]:
    """Which columns of a header mean what: meaning -> the column names that do."""
    words = {name: name.strip().lower().replace(" ", "_").replace("-", "_") for name in header}
    return {
        meaning: [name for name in header if words[name] in aliases]
        for meaning, aliases in ALIASES.items()
        if any(words[name] in aliases for name in header)
    }


@dataclass
class Rows:
    """Columns in the order of the file; `video` holds indices into `names`. A position of -1 is unknown."""

    problems: Problems
    names: dict[str, int] = field(default_factory=dict)
    labels: dict[int, int] = field(default_factory=dict)
    video: array[int] = field(default_factory=lambda: array("q"))
    score: array[float] = field(default_factory=lambda: array("d"))
    track: array[int] = field(default_factory=lambda: array("q"))
    index: array[int] = field(default_factory=lambda: array("q"))
    seconds: array[float] = field(default_factory=lambda: array("d"))
    where: array[int] = field(default_factory=lambda: array("q"))
    level: RowLevel | None = None

    def __len__(self) -> int:
        return len(self.video)

    def add(self, row: Mapping[str, Any], where: int) -> None:
        """One row by meaning (the keys of ALIASES). What is wrong with it goes to `problems`."""
        name, index = self._name(row, where)
        score = _number(row.get("score"))
        if score is None:
            self.problems.add(
                "scores are missing or not finite numbers", where, row.get("score"),
                "Leave out what could not be scored and pass allow_missing.",
            )  # fmt: skip
        if name is None or score is None:
            return
        code = self.names.setdefault(name, len(self.names))
        self._label(code, row.get("label"), where)
        numbers: dict[str, float | None] = {}
        for meaning in ("frame", "clip", "track", "time", "start"):
            if meaning in row:
                numbers[meaning] = _number(row[meaning])
                if numbers[meaning] is None or abs(numbers[meaning] or 0.0) > MAX_POSITION:
                    numbers[meaning] = None
                    advice = f"The column for {meaning} holds numbers."
                    self.problems.add("positions are not numbers", where, row[meaning], advice)
        if "clip" in row or "start" in row:
            self.level = "clip"
        elif "frame" in row or "time" in row or index is not None:
            self.level = self.level or "frame"
        position = numbers.get("clip", numbers.get("frame"))
        seconds = numbers.get("start", numbers.get("time"))
        self.video.append(code)
        self.score.append(score)
        self.track.append(int(numbers.get("track") or 0))
        self.index.append(index if index is not None else -1 if position is None else int(position))
        self.seconds.append(-1.0 if seconds is None else seconds)
        self.where.append(where)

    def _name(self, row: Mapping[str, Any], where: int) -> tuple[str | None, int | None]:
        """The video's name and, where rows are named by image files, the frame's number."""
        name, image = row.get("video", row.get("image")), row.get("image", row.get("video"))
        if not isinstance(name, str) or not name.strip() or not isinstance(image, str):
            self.problems.add("rows have no video name", where, name, "Every row needs the video it belongs to.")
            return None, None
        if image.strip().rpartition(".")[2].lower() not in IMAGES:
            return name.strip(), None
        folder, _, file = image.strip().replace("\\", "/").rpartition("/")
        digits = "".join(c for c in file.rpartition(".")[0] if c in "0123456789")
        if image != name:
            folder = name.strip()
        if not folder:
            self.problems.add(
                "image names have no folder", where, name, "The folder of a frame's image names its video."
            )
            return None, None
        return folder, int(digits[-18:]) if digits else -1

    def _label(self, code: int, value: Any, where: int) -> None:
        if value is None or value == "":
            return
        label = _LABEL_WORDS.get(str(value).strip().lower())
        if label is None:
            self.problems.add("labels are unknown", where, value, "Labels are 0 (real) and 1 (fake).")
        elif self.labels.setdefault(code, label) != label:
            self.problems.add("rows contradict their video's label", where, value, "A video has one label.")


def _number(value: Any) -> float | None:
    """A finite float of a number or its text, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
