"""Videos without a score: counted always, and what the figures would be under each way of treating them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vidfake.metrics.segments import Float64Array, IntArray
from vidfake.scores.table import ScoreTable
from vidfake.types import FAKE, REAL, BoolArray

Policy = Literal["exclude", "as_real", "as_fake", "as_chance"]
POLICIES: tuple[Policy, ...] = ("exclude", "as_real", "as_fake", "as_chance")


@dataclass(frozen=True)
class Coverage:
    """How many labelled videos received a score, by class, and what became of the others."""

    num_videos: int
    num_scored: int
    num_real: int
    num_real_scored: int
    num_fake: int
    num_fake_scored: int
    reasons: dict[str, int]

    @property
    def share(self) -> float:
        """Scored over all; 0 for no videos."""
        return self.num_scored / self.num_videos if self.num_videos else 0.0


def coverage(table: ScoreTable, scored: BoolArray, videos: BoolArray | None = None) -> Coverage:
    """Coverage of the labelled `videos` (V,), all by default; `scored` (V,) marks those with a score.

    A video with status ``ok`` and no score at this level counts under ``no score``.
    """
    known = table.labelled if videos is None else table.labelled & videos
    lost = known & ~scored
    words = ["no score" if status == "ok" else str(status) for status in table.status[lost]]
    real, fake = known & (table.label == REAL), known & (table.label == FAKE)
    return Coverage(
        num_videos=int(known.sum()),
        num_scored=int((known & scored).sum()),
        num_real=int(real.sum()),
        num_real_scored=int((real & scored).sum()),
        num_fake=int(fake.sum()),
        num_fake_scored=int((fake & scored).sum()),
        reasons=dict(sorted(Counter(words).items())),
    )


def apply_policy(
    scores: Float64Array,
    labels: IntArray,
    policy: Policy,
    *,
    chance_score: float,
    threshold: float | None = None,
) -> tuple[Float64Array, IntArray]:
    """Scores and labels of the labelled videos, with those that lack a score (NaN) treated by `policy`.

    ``exclude`` drops them; ``as_real`` and ``as_fake`` put them below and above every other score, and below and
    above the `threshold` if there is one; ``as_chance`` gives them `chance_score`, the score that says nothing (0.5
    for probabilities, 0 for raw scores), as several public detectors do silently.
    """
    known = (labels == REAL) | (labels == FAKE)
    values, classes = scores[known].copy(), labels[known]
    missing = np.isnan(values)
    if policy == "exclude":
        return values[~missing], classes[~missing]
    present = values[~missing]
    if threshold is not None:
        present = np.append(present, threshold)
    low, high = (float(present.min()), float(present.max())) if len(present) else (0.0, 0.0)
    values[missing] = {"as_real": low - 1.0, "as_fake": high + 1.0, "as_chance": chance_score}[policy]
    return values, classes
