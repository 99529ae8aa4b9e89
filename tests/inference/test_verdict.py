"""Verdicts follow the thresholds, and say why."""

from __future__ import annotations

import pytest

from vidfake.errors import CheckpointError
from vidfake.inference.verdict import Thresholds, decide

T = Thresholds(1.0, -1.0, 0.05, 0.1, 40, 60)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (2.0, "likely_fake"),
        (1.0, "likely_fake"),
        (0.99, "inconclusive"),
        (-0.99, "inconclusive"),
        (-1.0, "likely_real"),
    ],
)
def test_the_band_between_the_thresholds_is_inconclusive(score: float, expected: str) -> None:
    verdict, reasons = decide(score, T, num_clips=3, overall_quality=0.9)
    assert verdict == expected
    assert reasons


def test_crossed_thresholds_never_give_two_verdicts() -> None:
    crossed = Thresholds(-1.0, 1.0, 0.05, 0.1, 40, 60)
    assert decide(0.0, crossed, num_clips=3, overall_quality=1.0)[0] == "inconclusive"
    assert decide(2.0, crossed, num_clips=3, overall_quality=1.0)[0] == "likely_fake"
    assert decide(-2.0, crossed, num_clips=3, overall_quality=1.0)[0] == "likely_real"


def test_without_thresholds_there_is_no_verdict() -> None:
    verdict, reasons = decide(5.0, None, num_clips=1, overall_quality=1.0)
    assert verdict == "inconclusive"
    assert "no verdict thresholds" in reasons[0]


def test_poor_faces_are_said() -> None:
    _, reasons = decide(5.0, T, num_clips=1, overall_quality=0.1)
    assert any("only one clip" in r for r in reasons)
    assert any("quality 0.10" in r for r in reasons)


def test_thresholds_survive_json_and_refuse_the_rest() -> None:
    assert Thresholds.from_json(T.to_json()) == T
    with pytest.raises(CheckpointError, match="not what this version writes"):
        Thresholds.from_json({"likely_fake": 1})
    with pytest.raises(CheckpointError, match="not a number"):
        Thresholds.from_json({**T.to_json(), "likely_fake": "1"})
