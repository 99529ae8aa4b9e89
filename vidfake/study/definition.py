"""A study file is a pre-registration: what is compared, on what, by which figure, before any result is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from vidfake.config import from_dict, load, to_dict
from vidfake.errors import ConfigError
from vidfake.files import sha256_json
from vidfake.losses import LOSSES
from vidfake.losses.combine import parse_sum
from vidfake.settings import RunConfig

Task = Literal["binary", "manipulation"]
Mode = Literal["cached", "end_to_end"]
Search = Literal["sobol", "tpe", "grid"]
Role = Literal["in_dataset", "held_out_makers", "cross_dataset"]

ALL = "all"
NOT_IN_BASIS = (
    "name", "losses", "tasks", "seeds", "trials", "variants", "control", "primary_metric", "primary_test",
    "primary_level", "test_family", "equivalence_margin", "alpha", "tests",
)  # fmt: skip
"""Parts of a study that decide which runs there are and what is said of them, but not what one run gives."""


@dataclass(frozen=True)
class StudyTest:
    """Clips that are read once, after every search is done.

    `store` "" is the study's own. With `makers` each makes one fake per real clip of `split`; `stored_fakes` off
    leaves the store's own fakes out. `role` is what the set tells apart: training's own makers on other people
    (``in_dataset``), makers that training has not seen, or another corpus.
    """

    name: str
    role: Role = "in_dataset"
    store: str = ""
    split: str = "test"
    makers: tuple[str, ...] = ()
    stored_fakes: bool = True
    max_clips_per_video: int = 0  # evenly spread over the video; 0 takes all


@dataclass(frozen=True)
class StudyData:
    """Clips for training and validation. Fakes of `makers` are classes beside the store's own manipulations.

    `validation_held_out` names makers, or manipulations of the store, that training never sees and validation
    does: the objective averages the AUC on them and that on training's own classes. Nothing of a test may be here.
    """

    store: str = ""
    train_split: str = "train"
    validation_split: str = "validation"
    validation_fraction: float = 0.25  # of sources, where no row says `validation_split`
    split_seed: int = 0
    makers: tuple[str, ...] = ()
    validation_held_out: tuple[str, ...] = ()
    max_clips_per_video: int = 0  # evenly spread over the video; 0 takes all
    feature_dim: int = 0  # main axes of the features (PCA of training frames) in place of all channels; 0 is off
    encoder_checkpoint: str = ""  # features of a trained detector's encoder, in place of config.model.encoder


@dataclass(frozen=True)
class Variant:
    """A change of the run's settings that multiplies every loss: ``softmax@mean``."""

    name: str
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyDefinition:
    """The whole study. Paths (`store`, `encoder_checkpoint`) are no part of its hash; what they hold is recorded.

    `losses`: rows of the registry, sums (``arcface + 0.01*center``), or ``all``. `seeds` are shared by every loss.
    `config`: differences from `RunConfig`, as a config file has them; the same for every run of the study.
    `spaces`: per loss the values to search in place of the registry's own. `dimensions`: hyper-parameters searched
    for each loss; a loss with fewer of its own searches rates and weight decay too, so budgets are alike.
    `steps`: optimiser steps of a cached run. `control`: the loss that every other is compared with, under the same
    variant; with a variant (``softmax@mean``) that one arm is the control of all.
    """

    name: str = "study"
    losses: tuple[str, ...] = (ALL,)
    tasks: tuple[Task, ...] = ("binary", "manipulation")
    mode: Mode = "cached"
    search: Search = "sobol"
    trials: int = 24
    search_seed: int = 0
    dimensions: int = 3
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    steps: int = 150
    reference_clips: int = 1000  # training clips behind prototypes, probe and neighbours
    control: str = "softmax"
    primary_metric: str = "video_auc"
    primary_test: str = ""  # a name of `tests`; "" is the first
    primary_level: str = "video"
    equivalence_margin: float = 0.01  # of video AUC
    alpha: float = 0.05
    test_family: str = "each loss against the control, Holm"
    variants: tuple[Variant, ...] = ()
    data: StudyData = field(default_factory=StudyData)
    tests: tuple[StudyTest, ...] = ()
    spaces: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value, least in (
            ("trials", self.trials, 1), ("steps", self.steps, 1), ("dimensions", self.dimensions, 1),
            ("reference_clips", self.reference_clips, 2),
        ):  # fmt: skip
            _check(value >= least, f"{name} is {value}; it must be at least {least}")
        _check(bool(self.losses) and bool(self.tasks), "losses and tasks must each name at least one")
        _check(bool(self.seeds), "seeds is empty; name at least one, the same for every loss")
        for label, names in (
            ("seeds", self.seeds), ("losses", self.losses), ("tasks", self.tasks),
            ("tests", [test.name for test in self.tests]), ("variants", [v.name for v in self.variants]),
        ):  # fmt: skip
            _check(len(set(names)) == len(names), f"{label} names one twice: {list(names)}")
        _check(self.equivalence_margin > 0, f"equivalence_margin is {self.equivalence_margin}; it must be above 0")
        _check(0 < self.alpha < 1, f"alpha is {self.alpha}; it must lie between 0 and 1")
        known = [test.name for test in self.tests]
        _check(
            not self.primary_test or self.primary_test in known,
            f"primary_test is '{self.primary_test}', but the tests are {known}",
        )
        taken = sorted({"training", "in_domain", "held_out"} & set(known))
        _check(not taken, f"a test is named {taken}, as the study's own sets are; choose another name")
        for name in (*known, *(v.name for v in self.variants)):
            plain = bool(name) and all(c.isalnum() or c in "-_" for c in name)
            _check(plain, f"'{name}' names a file; use letters, digits, - and _")
        features = bool(self.data.encoder_checkpoint or self.data.feature_dim)
        _check(
            self.mode == "cached" or not features,
            "data.encoder_checkpoint and data.feature_dim are of cached features; an end-to-end study has none",
        )
        self._check_leaks()

    def _check_leaks(self) -> None:
        held_out, own = set(self.data.validation_held_out), set(self.data.makers)
        _check(not held_out & own, f"data.validation_held_out names makers of training: {sorted(held_out & own)}")
        splits = {self.data.train_split, self.data.validation_split, ""}
        for test in self.tests:
            if test.role == "held_out_makers":
                seen = sorted(set(test.makers) & (own | held_out))
                _check(not seen, f"test '{test.name}' is of held-out makers, but training or validation has {seen}")
            _check(
                bool(test.store) or test.split not in splits,
                f"test '{test.name}' is split '{test.split}' of the study's own store; a split that training or "
                "validation takes is not a test",
            )

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical content, without paths."""
        return sha256_json(without_paths(self))

    @property
    def basis(self) -> str:
        """SHA-256 of what one run depends on: the same for a study that only gains losses, seeds or tests."""
        values = without_paths(self)
        return sha256_json({name: value for name, value in values.items() if name not in NOT_IN_BASIS})

    def base_config(self, *, variant: str = "") -> RunConfig:
        """The run settings that all arms of a variant share. Raises ConfigError for an unknown setting."""
        values = self.config
        for each in self.variants:
            if each.name == variant:
                values = merged(values, each.config)
        return from_dict(RunConfig, values, "config.")

    def loss_names(self) -> tuple[str, ...]:
        """Every loss asked for, ``all`` written out in the registry's order."""
        names: list[str] = []
        for name in self.losses:
            names += [n for n in (LOSSES.names() if name == ALL else [name]) if n not in names]
        return tuple(names)


def load_study(path: Path | str, overrides: Sequence[str] = ()) -> StudyDefinition:
    """A study file, checked: losses, control, settings and spaces exist. Raises ConfigError or UnknownNameError."""
    study = load(StudyDefinition, path, overrides)
    for name in study.loss_names():
        for _, part in parse_sum(name):
            LOSSES.row(part)
    for name in study.spaces:
        if name not in study.loss_names():
            raise ConfigError(f"spaces has '{name}', which is none of the losses: {', '.join(study.loss_names())}.")
    for variant in study.variants or (Variant(""),):
        study.base_config(variant=variant.name)
    controls = [*study.loss_names(), *(f"{n}@{v.name}" for n in study.loss_names() for v in study.variants)]
    if study.control not in controls:
        raise ConfigError(f"control is '{study.control}'; it takes one of: {', '.join(controls)}.")
    return study


def with_stores(study: StudyDefinition, named: Sequence[str]) -> StudyDefinition:
    """The study with clip stores in other places: ``study=PATH``, or ``TEST=PATH``. Its hash stays as it is."""
    for text in named:
        name, equals, path = text.partition("=")
        known = ["study", *(test.name for test in study.tests)]
        if not equals or name not in known:
            raise ConfigError(f"--store {text!r} is not NAME=PATH with a name of: {', '.join(known)}.")
        if name == "study":
            study = replace(study, data=replace(study.data, store=path))
        else:
            study = replace(
                study, tests=tuple(replace(t, store=path) if t.name == name else t for t in study.tests)
            )  # fmt: skip
    return study


def without_paths(study: StudyDefinition) -> dict[str, Any]:
    """The content that is hashed: where data lie on this machine is no part of a registration."""
    return _stripped(to_dict(study))


def stored_hash(definition: dict[str, Any]) -> str:
    """The hash of a definition as ``study.json`` has it, also one of before a setting was added."""
    return sha256_json(_stripped(definition))


def _stripped(values: dict[str, Any]) -> dict[str, Any]:
    data, tests = dict(values.get("data", {})), [dict(test) for test in values.get("tests", [])]
    data |= {"store": "", "encoder_checkpoint": "given" if data.get("encoder_checkpoint") else ""}
    for test in tests:
        test["store"] = "given" if test.get("store") else ""
    return {**values, "data": data, "tests": tests}


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Nested tables, those of `changes` on top."""
    result = dict(values)
    for key, value in changes.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
