"""From raw scores to probabilities: temperature, Platt and isotonic, fitted on validation only.

A calibrated probability is for even odds (as many fakes as reals): fitting weighs the classes equally, so the share
of fakes in validation does not leak into the result. State is plain JSON and goes into the checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import expit

from vidfake.errors import CheckpointError, UndefinedMetricError
from vidfake.metrics.isotonic import isotonic_fit
from vidfake.metrics.ranking import checked
from vidfake.metrics.reliability import class_weights
from vidfake.metrics.segments import Float64Array
from vidfake.registry import Registry
from vidfake.types import FAKE

MAX_KNOTS = 100_000


@dataclass(frozen=True)
class Calibration:
    """A fitted map from raw score to probability of fake at even odds, never falling in the score.

    `parameters`: ``{"temperature"}``; ``{"slope", "intercept"}``; or ``{"scores", "probabilities"}``, lists.
    """

    method: str
    parameters: dict[str, Any]
    num_real: int
    num_fake: int

    def __call__(self, scores: npt.ArrayLike) -> Float64Array:
        """(n,) probabilities of (n,) raw scores; NaN stays NaN."""
        values = np.asarray(scores, dtype=np.float64)
        p = self.parameters
        if self.method == "isotonic":
            known: Float64Array = np.interp(values, p["scores"], p["probabilities"])
            return np.where(np.isnan(values), np.nan, known)
        slope = 1 / p["temperature"] if self.method == "temperature" else p["slope"]
        probability: Float64Array = expit(values * slope + p.get("intercept", 0.0))
        return probability

    def to_state(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "method": self.method, "parameters": self.parameters,
            "num_real": self.num_real, "num_fake": self.num_fake,
        }  # fmt: skip

    @staticmethod
    def from_state(state: Any) -> Calibration:
        """The calibration that `to_state` described. Raises CheckpointError for anything else."""
        try:
            made = Calibration(
                str(state["method"]), dict(state["parameters"]), int(state["num_real"]), int(state["num_fake"])
            )
            _check(made)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise CheckpointError(
                f"The stored calibration is damaged ({type(error).__name__}: {error}). Fit it again on validation."
            ) from error
        return made


def _check(made: Calibration) -> None:
    """Raise ValueError or KeyError unless the parameters describe a finite map that never falls."""
    p = made.parameters
    if made.method == "temperature":
        numbers = [p["temperature"]]
        rising = numbers[0] > 0
    elif made.method == "platt":
        numbers = [p["slope"], p["intercept"]]
        rising = numbers[0] >= 0
    elif made.method == "isotonic":
        scores, values = list(p["scores"]), list(p["probabilities"])
        numbers = scores + values
        rising = (
            0 < len(scores) == len(values) <= MAX_KNOTS
            and bool(np.all(np.diff(scores) > 0) and np.all(np.diff(values) >= 0))
            and 0 <= values[0] <= values[-1] <= 1
        )
    else:
        raise ValueError(f"unknown method {made.method!r}")
    if not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers) or not rising:
        raise ValueError(f"{made.method} parameters are out of range")


Fit = Callable[[Float64Array, Float64Array, Float64Array], dict[str, Any]]
CALIBRATIONS: Registry[Fit] = Registry("calibration")


@CALIBRATIONS.register("temperature", source="Guo et al. 2017")
def temperature() -> Fit:
    """One number: sigmoid(score / temperature). The threshold at 0 stays where it is."""

    def fit(scores: Float64Array, targets: Float64Array, weights: Float64Array) -> dict[str, Any]:
        unit = float(np.abs(scores).mean()) or 1.0

        def loss(log_temperature: float) -> float:
            return _cross_entropy(scores / (unit * math.exp(log_temperature)), targets, weights)

        found = minimize_scalar(loss, bounds=(-8.0, 8.0), method="bounded", options={"xatol": 1e-10})
        if found.x > 7.9:
            raise UndefinedMetricError(
                "No temperature fits: on validation the scores say nothing, or are reversed. Use `platt`."
            )
        return {"temperature": unit * math.exp(float(found.x))}

    return fit


@CALIBRATIONS.register("platt", source="Platt 1999")
def platt() -> Fit:
    """Two numbers: sigmoid(slope * score + intercept), by Newton's method."""

    def fit(scores: Float64Array, targets: Float64Array, weights: Float64Array) -> dict[str, Any]:
        centre, unit = float(np.median(scores)), float(scores.std()) or 1.0
        x = np.stack(((scores - centre) / unit, np.ones(len(scores))))
        theta = np.zeros(2)
        for _ in range(100):
            p = expit(theta @ x)
            gradient = x @ (weights * (p - targets))
            curvature = (x * (weights * p * (1 - p))) @ x.T + 1e-12 * np.eye(2)
            step = np.linalg.solve(curvature, gradient)
            loss, size = _cross_entropy(theta @ x, targets, weights), 1.0
            while _cross_entropy((theta - size * step) @ x, targets, weights) > loss + 1e-15 and size > 1e-8:
                size /= 2
            theta = theta - size * step
            if np.abs(size * step).max() < 1e-12:
                break
        slope = float(theta[0]) / unit
        if slope < 0:
            raise UndefinedMetricError(
                f"Platt's slope is {slope:.3g}: on validation reals score higher than fakes. "
                "Check the orientation of the scores before calibrating."
            )
        return {"slope": slope, "intercept": float(theta[1]) - slope * centre}

    return fit


@CALIBRATIONS.register("isotonic", source="Zadrozny and Elkan 2002")
def isotonic() -> Fit:
    """A rising step function, kept off 0 and 1; needs many validation videos (hundreds of each class)."""

    def fit(scores: Float64Array, targets: Float64Array, weights: Float64Array) -> dict[str, Any]:
        fitted = isotonic_fit(scores, targets, weights)
        return {"scores": fitted.scores.tolist(), "probabilities": fitted.values.tolist()}

    return fit


def _cross_entropy(logits: Float64Array, targets: Float64Array, weights: Float64Array) -> float:
    return float(np.dot(weights, np.logaddexp(0, logits) - targets * logits))


def fit_calibration(scores: npt.ArrayLike, labels: npt.ArrayLike, method: str = "platt") -> Calibration:
    """Fit on (n,) raw validation scores and 0/1 labels.

    Targets are Platt's (n+1)/(n+2) and 1/(n+2) in place of 1 and 0, so perfectly separated scores do not give
    certainty. Raises UndefinedMetricError for one class or reversed scores.
    """
    values, classes = checked(scores, labels)
    weights = class_weights(classes)
    fake = classes == FAKE
    num_fake, num_real = int(fake.sum()), int((~fake).sum())
    targets = np.where(fake, (num_fake + 1) / (num_fake + 2), 1 / (num_real + 2))
    parameters = CALIBRATIONS.build(method)(values, targets, weights)
    return Calibration(method, parameters, num_real, num_fake)
