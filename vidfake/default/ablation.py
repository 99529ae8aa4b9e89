"""What each part of a recipe is worth: the same budget of steps for every variant, measured on validation only.

    [baseline]
    about = "the recipe as it stands"
    [mean_pooling]
    about = "frames averaged instead of a transformer"
    set = ["model.aggregator.name=mean", "model.aggregator.options={}"]

The first variant is what the others are compared with. Variants that extract differently have their own clip store.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vidfake.config import apply_override, from_dict, parse_override, read_toml, to_dict
from vidfake.data.prepare import prepare
from vidfake.data.store import ClipStore
from vidfake.default.recipe import Report, trained
from vidfake.default.render import table_lines
from vidfake.errors import ConfigError, UndefinedMetricError, UsageError, VidfakeError
from vidfake.files import sha256_json, write_json
from vidfake.metrics.comparison import compare
from vidfake.metrics.details import auc_with_interval
from vidfake.metrics.levels import level_rows
from vidfake.metrics.results import Figure
from vidfake.metrics.sections import Resampling
from vidfake.report.numbers import decimal, with_interval
from vidfake.scores import ScoreTable
from vidfake.settings import RunConfig
from vidfake.train.data import check_options
from vidfake.train.run import SCORES_FILE, run_folder
from vidfake.types import VideoRecord

BUDGET = ("optim.epochs", "data.sampler.options.steps")
RESAMPLES = 1000


@dataclass(frozen=True)
class Variant:
    """A named list of KEY=VALUE differences from the base config."""

    name: str
    about: str = ""
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One finished run. `metrics` are the levels on validation; `video` is the AUC with an interval over sources;
    `difference` is the paired one to the first variant at the same seed (None for that one)."""

    variant: Variant
    seed: int
    steps: int
    clips: int
    minutes: float | None
    metrics: dict[str, Any]
    video: Figure
    difference: Figure | None = None


def read_variants(path: Path) -> list[Variant]:
    """The variants of a .toml file, in its order. Raises ConfigError for anything but names, `about` and `set`."""
    found = []
    for name, table in read_toml(path).items():
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name):
            raise ConfigError(f"{path}: variant {name!r}; a name takes letters, digits, - and _.")
        if not isinstance(table, dict) or set(table) - {"about", "set"}:
            raise ConfigError(f'{path}: [{name}] takes about = "…" and set = ["KEY=VALUE", …], nothing else.')
        about, changes = table.get("about", ""), table.get("set", [])
        if (
            not isinstance(about, str)
            or not isinstance(changes, list)
            or not all(isinstance(text, str) for text in changes)
        ):
            raise ConfigError(f"{path}: [{name}] about is a text, and set a list of texts.")
        for text in changes:
            if ".".join(parse_override(text)[0]) in BUDGET:
                raise ConfigError(f"{path}: [{name}] changes {text!r}; the budget is the same for all (--steps).")
        found.append(Variant(name, about, tuple(changes)))
    if not found:
        raise ConfigError(f"{path}: names no variant. The first one is the baseline: [baseline]")
    return found


def variant_config(base: dict[str, Any], variant: Variant, *, seed: int, steps: int, out: Path) -> RunConfig:
    """One epoch of `steps` steps. Raises ConfigError for a change that the settings do not take."""
    values = base
    for text in (*variant.changes, "optim.epochs=1", f"data.sampler.options.steps={steps}", f"seed={seed}"):
        values = apply_override(values, text)
    config = from_dict(RunConfig, values)
    store = out / "stores" / sha256_json(to_dict(config.extract))[:16]
    return replace(
        config,
        name=f"{variant.name}-seed{seed}",
        out=str(out / "runs"),
        data=replace(config.data, store=str(store)),
    )


def ablate(
    records: Sequence[VideoRecord],
    variants: Sequence[Variant],
    base: dict[str, Any],
    out: Path,
    *,
    steps: int,
    seeds: Sequence[int] = (0,),
    store: Path | None = None,
    workers: int = 1,
    report: Report | None = None,
) -> list[Row]:
    """Train every variant with every seed and measure it on validation. Finished runs are not made again.

    A finished clip `store` of the same records is taken by the variants that extract as it was made.
    Raises UsageError for no steps, and ConfigError for a variant that cannot be, before anything is trained.
    """
    if steps < 1:
        raise UsageError(f"steps is {steps}; it takes 1 or more.")
    plan = [
        (variant, seed, _on(store, variant_config(base, variant, seed=seed, steps=steps, out=out)))
        for seed in seeds
        for variant in variants
    ]
    for variant, _, config in plan:
        try:
            check_options(config)
        except VidfakeError as error:
            raise ConfigError(f"[{variant.name}] {error}") from error
    for _, _, config in plan:
        if config.data.store != str(store):
            prepare(records, Path(config.data.store), config.extract, workers=workers, progress=report)
        _train(config, records, report)
    return [_row(variant, seed, config, plan, steps) for variant, seed, config in plan]


def _on(store: Path | None, config: RunConfig) -> RunConfig:
    """The config on the ready `store`, if that was made with its extraction."""
    if store is None or ClipStore(store).settings != config.extract:
        return config
    return replace(config, data=replace(config.data, store=str(store)))


def _train(config: RunConfig, records: Sequence[VideoRecord], report: Report | None) -> None:
    folder = run_folder(config)
    if (folder / "minutes.json").exists():
        trained(config, records)  # refuses a run of other settings
        return
    whole = not folder.exists()
    start = time.monotonic()
    trained(config, records, report=report)
    minutes = (time.monotonic() - start) / 60
    write_json(folder / "minutes.json", {"minutes": minutes if whole else None})  # unknown where it was resumed


def _row(
    variant: Variant, seed: int, config: RunConfig, plan: list[tuple[Variant, int, RunConfig]], steps: int
) -> Row:
    folder = run_folder(config)
    table = ScoreTable.read(folder / SCORES_FILE)
    rows = level_rows(table, "video", config.score)
    how = Resampling(num_resamples=RESAMPLES)
    sources = np.asarray([str(table.source_id[video]) for video in rows.video], dtype=object)
    first = next(entry for entry in plan if entry[1] == seed)
    return Row(
        variant=variant,
        seed=seed,
        steps=steps,
        clips=steps * config.optim.batch_size * config.optim.accumulate,
        minutes=json.loads((folder / "minutes.json").read_text("utf-8"))["minutes"],
        metrics=json.loads((folder / "result.json").read_text("utf-8"))["validation"],
        video=auc_with_interval(rows.scores, rows.labels, sources, how),
        difference=None if first[0] is variant else _difference(table, config, first[2], how),
    )


def _difference(table: ScoreTable, config: RunConfig, control: RunConfig, how: Resampling) -> Figure:
    """Paired, on the validation videos that both have; blank with the reason where they share too few."""
    other = ScoreTable.read(run_folder(control) / SCORES_FILE)
    tables = {"variant": table, "control": other}
    try:
        (found,) = compare(tables, "control", settings={"variant": config.score, "control": control.score}, how=how)
    except UndefinedMetricError as error:
        return Figure(None, reason=str(error))
    return found.difference


def markdown(rows: Sequence[Row]) -> str:
    """The table of an ablation. Every figure is of validation."""
    header = (
        "variant", "what", "seed", "video AUC", "difference", "frames averaged", "clip", "frame", "clips seen",
        "minutes",
    )  # fmt: skip
    cells = [
        (
            row.variant.name,
            row.variant.about or ", ".join(row.variant.changes),
            row.seed,
            with_interval(row.video),
            "" if row.difference is None else with_interval(row.difference, signed=True),
            *(decimal(row.metrics.get(f"{name}_auc")) for name in ("frames_averaged", "clip", "frame")),
            row.clips,
            decimal(row.minutes, 1),
        )
        for row in rows
    ]
    steps = rows[0].steps if rows else 0
    note = f"Validation only, {steps} steps each; 95 % intervals over sources; differences are paired."
    return "\n".join([*table_lines(header, cells), note, ""])
