"""Which manipulation a run called each video, and how sure it was: kept beside a final run, so that what is said of
macro-F1 can be resampled over people."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vidfake.errors import StoreError, UndefinedMetricError
from vidfake.files import atomic_writer
from vidfake.metrics.attribution import Attribution, attribution
from vidfake.metrics.segments import IntArray
from vidfake.scores import ScoreTable
from vidfake.study.results import Figures

FORMAT = 1
HEAD, PROTOTYPE = "head", "prototype"
FIGURES = ("accuracy", "macro_f1", "macro_recall")
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ClassScores:
    """Scores of V videos for the C classes of training (the first `num_known` of `class_names`).

    `labels` (V,) index `class_names`; those of C and above are manipulations that training has not seen. `sources`
    are V texts ``<data set>/<source>``. `scores`: ``prototype`` (cosine to the nearest prototype of each class)
    and, for a loss with a class head, ``head`` (its logits): (V, C) means over the clips of a video. The called
    class is the highest.
    """

    class_names: tuple[str, ...]
    num_known: int
    video_ids: tuple[str, ...]
    sources: tuple[str, ...]
    labels: IntArray
    scores: dict[str, Scores]

    @staticmethod
    def of_clips(
        scores: Mapping[str, npt.ArrayLike],
        video_ids: Sequence[str],
        labels: npt.ArrayLike,
        class_names: Sequence[str],
        table: ScoreTable,
    ) -> ClassScores:
        """From scores (N, C) of clips with their videos and classes; `table` knows the videos' sources."""
        ids, video = np.unique(np.array(video_ids), return_inverse=True)
        of_video = np.zeros(len(ids), np.int64)
        of_video[video] = np.asarray(labels)
        source = dict(zip(table.video_id, zip(table.dataset, table.source_id, strict=True), strict=True))
        means: dict[str, Scores] = {}
        for name, values in scores.items():
            rows = np.asarray(values, dtype=np.float64)
            sums = np.zeros((len(ids), rows.shape[1]))
            np.add.at(sums, video, rows)
            means[name] = (sums / np.bincount(video)[:, None]).astype(np.float32)
        return ClassScores(
            tuple(class_names),
            means[PROTOTYPE].shape[1],
            tuple(str(i) for i in ids),
            tuple("/".join(map(str, source[str(i)])) for i in ids),
            of_video,
            means,
        )

    def attribution(self, readout: str) -> Attribution | None:
        """Figures over the videos of training's classes; None where those are of fewer than two classes."""
        seen = self.labels < self.num_known
        try:
            return attribution(self.scores[readout][seen], self.labels[seen], self.class_names[: self.num_known])
        except UndefinedMetricError:
            return None

    def figures(self) -> Figures:
        """``accuracy``, ``macro_f1``, ``macro_recall`` by the head, or by prototypes for a loss without one; and
        with ``prototype_`` before the name by prototypes."""
        found: Figures = {}
        for prefix, readout in (("", HEAD if HEAD in self.scores else PROTOTYPE), ("prototype_", PROTOTYPE)):
            result = self.attribution(readout)
            for name in FIGURES:
                found[prefix + name] = None if result is None else float(getattr(result, name))
        return found

    def write(self, path: Path) -> None:
        """Write the file, whole: equal scores give equal bytes. Raises StorageError when it cannot be written."""
        arrays: dict[str, npt.NDArray[np.generic]] = {
            "format": np.array(FORMAT),
            "num_known": np.array(self.num_known),
            "labels": self.labels,
            "class_names": _bytes(self.class_names),
            "video_ids": _bytes(self.video_ids),
            "sources": _bytes(self.sources),
            **{f"scores_{name}": values for name, values in self.scores.items()},
        }
        with atomic_writer(path) as handle:
            np.savez(handle, **arrays)  # type: ignore[arg-type]

    @staticmethod
    def read(path: Path) -> ClassScores:
        """Raises StoreError for a file that is missing, damaged, or of another format."""
        try:
            stored = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
            arrays = {name: stored[name] for name in stored.files}
            if (found := int(arrays["format"])) != FORMAT:
                raise StoreError(f"{path}: class scores of format {found}; this version of vidfake reads {FORMAT}.")
            result = ClassScores(
                _texts(arrays["class_names"]),
                int(arrays["num_known"]),
                _texts(arrays["video_ids"]),
                _texts(arrays["sources"]),
                arrays["labels"].astype(np.int64),
                {n.removeprefix("scores_"): v for n, v in arrays.items() if n.startswith("scores_")},
            )
            shapes = {v.shape for v in result.scores.values()}
            number = len(result.video_ids)
            if shapes != {(number, result.num_known)} or {len(result.labels), len(result.sources)} != {number}:
                raise ValueError(f"scores of {sorted(shapes)} for {number} videos")
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise StoreError(
                f"{path}: damaged class scores ({error}). Remove this run's .json beside it; the study makes the "
                "run again."
            ) from error
        return result


def _bytes(texts: Sequence[str]) -> npt.NDArray[np.bytes_]:
    """A quarter of the space of numpy's own text arrays."""
    return np.array([text.encode() for text in texts])


def _texts(values: npt.NDArray[np.bytes_]) -> tuple[str, ...]:
    return tuple(value.decode() for value in values.tolist())
