"""From a video's score to a probability and a verdict, with the reasons in words."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from vidfake.errors import CheckpointError

Verdict = Literal["likely_fake", "likely_real", "inconclusive", "no_face", "unreadable"]


@dataclass(frozen=True)
class Thresholds:
    """Where a score becomes a verdict, chosen on validation data and stored with the checkpoint.

    `likely_fake`: scores at or above it; at most `false_positive_rate` of validation reals lie there.
    `likely_real`: scores at or below it; at most `miss_rate` of validation fakes lie there.
    Between the two (or where they cross) a video is inconclusive.
    """

    likely_fake: float
    likely_real: float
    false_positive_rate: float
    miss_rate: float
    num_validation_real: int
    num_validation_fake: int

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Thresholds:
        """From a checkpoint. Raises CheckpointError for anything else than the six numbers."""
        try:
            thresholds = cls(**values)
        except TypeError as error:
            raise CheckpointError(
                f"the checkpoint's thresholds are not what this version writes: {error}"
            ) from error
        if not all(isinstance(v, int | float) and math.isfinite(v) for v in asdict(thresholds).values()):
            raise CheckpointError(f"the checkpoint's thresholds hold something that is not a number: {values}")
        return thresholds


def decide(
    score: float, thresholds: Thresholds | None, *, num_clips: int, overall_quality: float
) -> tuple[Verdict, list[str]]:
    """Verdict and reasons of one scored video."""
    if thresholds is None:
        return "inconclusive", ["the detector has no verdict thresholds: its validation data held too few videos"]
    reasons = []
    if num_clips == 1:
        reasons.append("only one clip of a face could be scored")
    if overall_quality < 0.2:
        reasons.append(f"the faces are small, blurred or turned away (quality {overall_quality:.2f} of 1)")
    if score >= thresholds.likely_fake and score > thresholds.likely_real:
        share = f"{100 * thresholds.false_positive_rate:.0f} %"
        return "likely_fake", [*reasons, f"the score is in the range that {share} of real validation videos reach"]
    if score <= thresholds.likely_real and score < thresholds.likely_fake:
        share = f"{100 * thresholds.miss_rate:.0f} %"
        return "likely_real", [*reasons, f"the score is in the range that {share} of fake validation videos reach"]
    return "inconclusive", [*reasons, "the score lies between the two thresholds chosen on validation data"]
