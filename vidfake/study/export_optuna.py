"""Trials of a study as Optuna studies in a storage of its own, for Optuna's dashboard, plots and samplers.

A copy: the study's folder stays the result, and nothing that is done in the storage comes back into it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vidfake.errors import ConfigError, MissingPackageError, StorageError
from vidfake.files import dump_json
from vidfake.study.results import ArmState, RunRecord, StudyFolder, StudyState

TRIAL, BASIS = "vidfake_trial", "vidfake_basis"
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Exported:
    """One arm's Optuna study: trials `added` now, `present` from before, and `left_out` because their values are
    none of the space that study.json has now."""

    name: str
    added: int
    present: int
    left_out: int


def export_optuna(folder: StudyFolder, storage: str, *, report: Report | None = None) -> list[Exported]:
    """Write every arm's trials into `storage` (``sqlite:///trials.db``, or any URL that Optuna takes).

    One Optuna study per task and arm, ``<study>/<task>/<arm>``, maximising the validation objective, with the
    searched settings as parameters. A failed trial is there as failed, with its reason. Trials that are there
    already are left alone, so that it may be repeated while a study goes on.

    Raises MissingPackageError without Optuna, ConfigError for a text that is no URL or a storage that has another
    study of this name, StorageError where it cannot be opened, StoreError for a folder that holds no study.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingPackageError("An export to Optuna needs Optuna. Install vidfake[optuna].") from error
    if "://" not in storage:
        raise ConfigError(f"'{storage}' is no URL of a storage; write for example sqlite:///trials.db.")
    state = folder.state()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        opened = optuna.storages.get_storage(storage)
    except Exception as error:  # whatever the storage's own driver raises
        raise StorageError(
            f"Optuna cannot open {storage} ({type(error).__name__}: {error}). Check the URL, and that its folder "
            "exists."
        ) from error
    found = []
    for done, arm in enumerate(state.arms):
        found.append(_arm(folder, state, arm, opened))
        if report:
            report("arms", done + 1, len(state.arms))
    return found


def _arm(folder: StudyFolder, state: StudyState, arm: ArmState, storage: Any) -> Exported:
    import optuna

    name = f"{state.study.name}/{arm.task}/{arm.arm}"
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
    basis = study.user_attrs.get(BASIS, state.basis)
    if basis != state.basis:
        raise ConfigError(
            f"the storage has a study '{name}' whose runs were other ones (basis {basis[:12]}, here "
            f"{state.basis[:12]}). Name another storage."
        )
    for key, value in (
        (BASIS, state.basis), ("vidfake_hash", state.hash), ("expression", arm.expression), ("task", arm.task),
        ("family", arm.family),
    ):  # fmt: skip
        study.set_user_attr(key, value)
    there = {trial.user_attrs.get(TRIAL) for trial in study.get_trials(deepcopy=False)}
    added = present = left_out = 0
    space = distributions(arm.dimensions)
    for record in folder.records(arm.task, arm.arm, "search"):
        values = parameters(arm.dimensions, record)
        if record.trial in there:
            present += 1
        elif values is None:
            left_out += 1
        else:
            study.add_trial(_trial(record, values, space))
            added += 1
    return Exported(name, added, present, left_out)


def _trial(record: RunRecord, values: dict[str, Any], space: dict[str, Any]) -> Any:
    import optuna

    able = record.status == "ok" and record.objective is not None
    attributes: dict[str, Any] = {
        TRIAL: record.trial,
        "seed": record.seed,
        "reason": record.reason,
        "at_bound": record.at_bound,
        "settings": record.hyperparameters,
        "seconds": record.cost.seconds,
        "marks": record.marks,
    }
    for name, by_readout in record.validation.items():
        attributes[f"video_auc {name}"] = by_readout.get(record.primary_readout, {}).get("video_auc")
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE if able else optuna.trial.TrialState.FAIL,
        value=record.objective if able else None,
        params=values,
        distributions=space,
        user_attrs=attributes,
    )


def distributions(dimensions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Optuna's distributions of an arm's searched settings, by name."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return {
        str(d["name"]): CategoricalDistribution([_plain(c) for c in d["choices"]])
        if d.get("choices")
        else FloatDistribution(float(d["low"]), float(d["high"]), log=True)
        for d in dimensions
    }


def parameters(dimensions: Sequence[dict[str, Any]], record: RunRecord) -> dict[str, Any] | None:
    """The settings of a trial as Optuna's parameters; None where they are none of this space."""
    values: dict[str, Any] = {}
    for d in dimensions:
        name = str(d["name"])
        if name not in record.hyperparameters:
            return None
        value = _plain(record.hyperparameters[name])
        if d.get("choices"):
            if value not in [_plain(c) for c in d["choices"]]:
                return None
            values[name] = value
        else:  # written with four digits, which may round just over an end
            values[name] = min(max(float(value), float(d["low"])), float(d["high"]))
    return values if set(values) == set(record.hyperparameters) else None


def _plain(value: Any) -> Any:
    """A choice as a storage can hold it."""
    return value if value is None or isinstance(value, bool | int | float | str) else dump_json(value, indent=None)
