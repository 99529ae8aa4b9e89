"""DeepfakeBench's definitions on our scores, so that a difference in figures can be explained.

What its ``get_test_metrics`` does (docs/deepfakebench.md): frames are grouped into "videos" by the name of their
parent folder alone, a group's label is the mean label cut to a whole number, the equal error rate is the FPR of the
nearest threshold, and for detectors of whole clips the clip AUC is printed as video AUC.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.metrics import roc_curve

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.ranking import auc, curve
from vidfake.metrics.segments import Float64Array, IntArray
from vidfake.scores.table import ScoreTable

_VIDEO_SUFFIXES = {"mp4", "avi", "mov", "mkv", "webm", "m4v", "mpg", "mpeg", "flv", "wmv", "tar"}


@dataclass(frozen=True)
class DeepfakeBenchFigures:
    """Its five printed figures on the same scores, and how far its "videos" are from the real ones.

    `video_auc` is None where its grouping leaves one class only (it would stop with an error there).
    `num_merged` counts groups that hold frames of several videos, `num_mixed` those that hold reals and fakes.
    """

    rows: str
    accuracy: float
    auc: float
    eer: float
    average_precision: float
    video_auc: float | None
    num_videos: int
    num_groups: int
    num_merged: int
    num_mixed: int


def folder_name(video_id: str) -> str:
    """The folder that DeepfakeBench would store a video's frames in: its file name without the extension."""
    name = video_id.replace("\\", "/").rstrip("/").rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and stem and suffix.lower() in _VIDEO_SUFFIXES else name


def deepfakebench_figures(table: ScoreTable) -> DeepfakeBenchFigures:
    """What DeepfakeBench would print for these scores: for frame scores, or else for clip scores.

    Its scores are probabilities, so raw scores go through the logistic function first (it averages after that).
    Raises UndefinedMetricError without frame and clip scores, or with one class only.
    """
    by_frames = len(table.frame_score) > 0
    scores, video = (table.frame_score, table.frame_video) if by_frames else (table.clip_score, table.clip_video)
    keep = table.labelled[video]
    if not keep.any():
        raise UndefinedMetricError(
            "DeepfakeBench's figures need labelled frame or clip scores; this table has none."
        )
    video = video[keep]
    probability = scores[keep] if table.scale == "probability" else expit(scores[keep])
    labels = table.label[video]
    points = curve(probability, labels)
    folders: dict[str, int] = {}
    group_of_video = np.array([folders.setdefault(folder_name(name), len(folders)) for name in table.video_id])
    _, group = np.unique(group_of_video[video], return_inverse=True)
    means, truth = _group_means(probability, labels, group)
    video_auc = None if truth.min() == truth.max() else auc(means, truth)
    videos_in = np.zeros(len(means), dtype=np.int64)
    unique_video, first = np.unique(video, return_index=True)
    np.add.at(videos_in, group[first], 1)
    share = np.bincount(group, weights=labels) / np.bincount(group)
    return DeepfakeBenchFigures(
        rows="frame" if by_frames else "clip",
        accuracy=float(((probability > 0.5) == (labels == 1)).mean()),
        auc=points.auc(),
        eer=_nearest_eer(probability, labels),
        average_precision=points.average_precision(),
        video_auc=video_auc if by_frames else points.auc(),
        num_videos=len(unique_video),
        num_groups=len(means),
        num_merged=int((videos_in > 1).sum()),
        num_mixed=int(((share > 0) & (share < 1)).sum()),
    )


def _group_means(probability: Float64Array, labels: IntArray, group: IntArray) -> tuple[Float64Array, IntArray]:
    """Mean score and mean label, cut to a whole number, of each group."""
    count = np.bincount(group)
    return np.bincount(group, weights=probability) / count, np.bincount(group, weights=labels).astype(
        np.int64
    ) // count


def _nearest_eer(scores: Float64Array, labels: IntArray) -> float:
    """FPR at the ROC point where FPR and FNR are nearest, without interpolation."""
    fpr, tpr, _ = roc_curve(labels, scores)
    return float(fpr[np.argmin(np.abs(1 - tpr - fpr))])
