"""Which manipulation was it? Figures for several classes, and for manipulations that were never seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.ranking import auc, average_precision


@dataclass(frozen=True)
class Attribution:
    """Figures over the classes that occur in the labels; `absent` names the others, which have none.

    `confusion[i][j]` counts rows of class i that were called j, over all classes.
    """

    class_names: tuple[str, ...]
    absent: tuple[str, ...]
    num_rows: int
    accuracy: float
    macro_f1: float
    macro_recall: float
    macro_average_precision: float
    recall: dict[str, float]
    f1: dict[str, float]
    average_precision: dict[str, float]
    confusion: tuple[tuple[int, ...], ...]


def attribution(scores: npt.ArrayLike, labels: npt.ArrayLike, class_names: Sequence[str]) -> Attribution:
    """Figures of (n, C) class `scores` against (n,) class indices; the called class is the highest score.

    Raises UndefinedMetricError for no rows or a single class, ValueError for shapes that do not fit.
    """
    values, classes = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    names = tuple(class_names)
    if values.ndim != 2 or values.shape != (len(classes), len(names)):
        raise ValueError(
            f"scores must be (rows, {len(names)} classes), got {values.shape} for {len(classes)} labels"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{int((~np.isfinite(values)).sum())} class scores are not finite; leave those rows out")
    if len(classes) and not (
        np.issubdtype(classes.dtype, np.integer) and 0 <= classes.min() <= classes.max() < len(names)
    ):
        raise ValueError(
            f"labels must be class indices 0..{len(names) - 1}, got {sorted(set(classes.tolist()))[:8]}"
        )
    present = np.unique(classes)
    if len(present) < 2:
        raise UndefinedMetricError(f"Attribution needs rows of at least two classes, got {len(present)}.")
    called = values.argmax(axis=1)
    confusion = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(confusion, (classes, called), 1)
    hits, of_class, of_call = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    recall = {names[c]: float(hits[c] / of_class[c]) for c in present}
    f1 = {names[c]: float(2 * hits[c] / (of_class[c] + of_call[c])) for c in present}
    precision = {names[c]: average_precision(values[:, c], (classes == c).astype(int)) for c in present}
    return Attribution(
        class_names=names,
        absent=tuple(name for i, name in enumerate(names) if i not in present),
        num_rows=len(classes),
        accuracy=float(hits.sum() / len(classes)),
        macro_f1=float(np.mean(list(f1.values()))),
        macro_recall=float(np.mean(list(recall.values()))),
        macro_average_precision=float(np.mean(list(precision.values()))),
        recall=recall,
        f1=f1,
        average_precision=precision,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def open_set_auc(scores: npt.ArrayLike, is_unknown: npt.ArrayLike) -> float:
    """AUC of telling rows of unseen manipulations from known ones by how little any known class claims them.

    `scores` (n, C) over the known classes; `is_unknown` (n,) True for rows of a manipulation left out of training.
    A row is the more likely unknown, the lower its highest score.
    """
    values = np.asarray(scores, dtype=np.float64)
    return auc(-values.max(axis=1), np.asarray(is_unknown).astype(int))
