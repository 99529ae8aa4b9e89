"""Tree-structured Parzen estimator (Bergstra et al. 2011) by Optuna, an optional package, in the same unit cube."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vidfake.errors import MissingPackageError
from vidfake.seeding import derived_seed
from vidfake.study.results import RunRecord

STARTUP_TRIALS = 8  # quasi-random ones before it


def check_optuna() -> None:
    """Raise MissingPackageError unless Optuna is there."""
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            'search = "tpe" needs Optuna. Install vidfake[optuna], or use search = "sobol" with the same trials.'
        ) from error


def tpe_point(before: Sequence[RunRecord], dimensions: int, *, seed: int, trial: int) -> list[float]:
    """The next point after the trials `before`; depends on them, the seed and the trial's number only."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    end = math.nextafter(1.0, 0.0)
    space: dict[str, optuna.distributions.BaseDistribution] = {
        f"u{i}": optuna.distributions.FloatDistribution(0.0, end) for i in range(dimensions)
    }
    sampler = optuna.samplers.TPESampler(
        seed=derived_seed(seed, "tpe", trial) % 2**32, n_startup_trials=STARTUP_TRIALS, multivariate=True
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for record in before:
        failed = record.status != "ok" or record.objective is None
        study.add_trial(
            optuna.trial.create_trial(
                params={f"u{i}": u for i, u in enumerate(record.point)},
                distributions=space,
                # a diverged run says as much about its point as a bad one: no better than chance
                value=0.5 if failed else record.objective,
            )
        )
    asked = study.ask(space)
    return [float(asked.params[f"u{i}"]) for i in range(dimensions)]
