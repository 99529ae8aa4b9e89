"""Calibrations: recover what made the data, equal independent fits, survive JSON, refuse what is damaged."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.optimize import minimize

from vidfake.errors import CheckpointError, UndefinedMetricError, UnknownNameError
from vidfake.metrics.calibration import CALIBRATIONS, Calibration, fit_calibration
from vidfake.metrics.ranking import auc
from vidfake.metrics.reliability import class_weights, cllr, log_loss


def make(n: int = 4000, share_fake: float = 0.5, gain: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are `gain` times a true log-likelihood ratio of two normals, two apart."""
    rng = np.random.default_rng(0)
    labels = (rng.random(n) < share_fake).astype(int)
    return gain * 2 * rng.normal(2 * labels - 1, 1), labels


def test_temperature_recovers_the_gain() -> None:
    scores, labels = make(gain=3.0)
    assert fit_calibration(scores, labels, "temperature").parameters["temperature"] == pytest.approx(3.0, rel=0.05)


def test_platt_recovers_gain_and_offset_whatever_the_share_of_fakes() -> None:
    for share in (0.5, 0.9):
        scores, labels = make(20_000, share)
        found = fit_calibration(scores - 5.0, labels, "platt").parameters
        assert found["slope"] == pytest.approx(1 / 3, rel=0.06)
        assert found["intercept"] == pytest.approx(5 / 3, rel=0.08)


@pytest.mark.parametrize("method", ["temperature", "platt"])
def test_fits_reach_the_minimum_that_a_general_optimiser_finds(method: str) -> None:
    scores, labels = make(300, 0.7)
    num_fake, num_real = labels.sum(), (1 - labels).sum()
    targets = np.where(labels == 1, (num_fake + 1) / (num_fake + 2), 1 / (num_real + 2))
    weights = class_weights(labels)

    def loss(theta: np.ndarray) -> float:
        z = theta[0] * scores + (theta[1] if method == "platt" else 0)
        return float(weights @ (np.logaddexp(0, z) - targets * z))

    best = minimize(loss, np.array([0.1, 0.0]), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14}).x
    found = fit_calibration(scores, labels, method).parameters
    ours = [found["slope"], found["intercept"]] if method == "platt" else [1 / found["temperature"]]
    assert ours == pytest.approx(best[: len(ours)], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("method", CALIBRATIONS.names())
def test_a_calibration_helps_keeps_the_order_and_survives_json(method: str) -> None:
    scores, labels = make()
    fitted = fit_calibration(scores[:2000], labels[:2000], method)
    p, held_out = fitted(scores[2000:]), labels[2000:]
    assert ((p > 0) & (p < 1)).all()
    assert log_loss(p, held_out) < log_loss(1 / (1 + np.exp(-scores[2000:])), held_out)
    assert cllr(p, held_out) == pytest.approx(cllr(1 / (1 + np.exp(-scores[2000:] / 3)), held_out), abs=0.03)
    assert auc(p, held_out) == pytest.approx(auc(scores[2000:], held_out), abs=3e-3)
    again = Calibration.from_state(json.loads(json.dumps(fitted.to_state())))
    np.testing.assert_array_equal(again(scores), fitted(scores))
    assert np.isnan(fitted([np.nan, 1.0])).tolist() == [True, False]


@pytest.mark.parametrize("method", CALIBRATIONS.names())
def test_separated_scores_do_not_give_certainty(method: str) -> None:
    p = fit_calibration([-2.0, -1.0, 1.0, 2.0], [0, 0, 1, 1], method)(np.array([-2.0, 2.0]))
    assert 0.1 < p[0] < 0.3
    assert 0.7 < p[1] < 0.9


def test_reversed_scores_are_refused_not_turned_round() -> None:
    scores, labels = make(500)
    with pytest.raises(UndefinedMetricError, match="orientation"):
        fit_calibration(-scores, labels, "platt")
    with pytest.raises(UndefinedMetricError, match="reversed"):
        fit_calibration(-scores, labels, "temperature")
    with pytest.raises(UndefinedMetricError, match="both classes"):
        fit_calibration([1.0, 2.0], [1, 1])
    with pytest.raises(UnknownNameError, match="Did you mean 'platt'"):
        fit_calibration([1.0, 2.0], [0, 1], "plat")


@pytest.mark.parametrize("state", [
    None, [], {}, {"method": "platt"}, "platt",
    {"method": "magic", "parameters": {}, "num_real": 1, "num_fake": 1},
    {"method": "platt", "parameters": {"slope": -1.0, "intercept": 0.0}, "num_real": 1, "num_fake": 1},
    {"method": "platt", "parameters": {"slope": "1", "intercept": 0.0}, "num_real": 1, "num_fake": 1},
    {"method": "platt", "parameters": {"slope": 1.0, "intercept": float("nan")}, "num_real": 1, "num_fake": 1},
    {"method": "temperature", "parameters": {"temperature": 0.0}, "num_real": 1, "num_fake": 1},
    {"method": "isotonic", "parameters": {"scores": [], "probabilities": []}, "num_real": 1, "num_fake": 1},
    {"method": "isotonic", "parameters": {"scores": [1, 0], "probabilities": [0, 1]}, "num_real": 1, "num_fake": 1},
    {"method": "isotonic", "parameters": {"scores": [0, 1], "probabilities": [1, 0]}, "num_real": 1, "num_fake": 1},
    {"method": "isotonic", "parameters": {"scores": [0, 1], "probabilities": [0, 2]}, "num_real": 1, "num_fake": 1},
    {"method": "isotonic", "parameters": {"scores": [[0]], "probabilities": [0]}, "num_real": 1, "num_fake": 1},
])  # fmt: skip
def test_a_damaged_state_is_refused(state: object) -> None:
    with pytest.raises(CheckpointError, match="stored calibration is damaged"):
        Calibration.from_state(state)
