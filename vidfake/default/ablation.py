"""What each part of a recipe is worth: the same budget of steps for every variant, measured on validation only.

    [baseline]
    about = "the recipe as it stands"
    [mean_pooling]
    about = "frames averaged instead of a transformer"
    set = ["model.aggregator.name=mean", "model.aggregator.options={}"]

The first variant is what the others are compared with. Variants that extract differently have their own clip store.
With several seeds, all are measured on the same held-out people and fakes, and a further row per variant has the
average of its seeds' scores: what an ensemble of them would tell.
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

from vidfake.config import apply_override, from_dict, parse_override, read_toml
from vidfake.data.prepare import prepare
from vidfake.data.store import ClipStore
from vidfake.default.recipe import Report, on_store, trained
from vidfake.default.render import table_lines
from vidfake.errors import ConfigError, UndefinedMetricError, UsageError, VidfakeError
from vidfake.files import write_json
from vidfake.metrics.comparison import compare
from vidfake.metrics.details import auc_with_interval
from vidfake.metrics.levels import level_rows
from vidfake.metrics.results import Figure
from vidfake.metrics.sections import Resampling
from vidfake.report.numbers import decimal, with_interval
from vidfake.scores import ScoreTable
from vidfake.settings import RunConfig
from vidfake.train.data import check_options
from vidfake.train.run import RESULT_FILE, SCORES_FILE, by_manipulation_metrics, level_metrics, run_folder
from vidfake.types import VideoRecord

BUDGET = ("optim.epochs", "data.sampler.options.steps")
RESAMPLES = 1000
AVERAGE = "average"


@dataclass(frozen=True)
class Variant:
    """A named list of KEY=VALUE differences from the base config."""

    name: str
    about: str = ""
    changes: tuple[str, ...] = ()


Plan = list[tuple[Variant, int, RunConfig]]


@dataclass(frozen=True)
class Row:
    """One finished run, or (`seed` is AVERAGE) the mean of a variant's runs.

    `metrics` are the levels on validation, and `by_manipulation` those of each manipulation against the reals that
    it was made from; `video` is the AUC with an interval over sources; `difference` is the paired one to the first
    variant at the same seed (None for that one). `clips` and `minutes` are those of all its runs together.
    """

    variant: Variant
    seed: int | str
    steps: int
    clips: int
    minutes: float | None
    metrics: dict[str, Any]
    by_manipulation: dict[str, dict[str, Any]]
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
    config = on_store(config, config.extract, out)
    return replace(config, name=f"{variant.name}-seed{seed}", out=str(out / "runs"))


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

    Who is held out and how validation's fakes are drawn is up to `data.split_seed`, or else to the first seed.

    A finished clip `store` of the same records is taken by the variants that extract as it was made.
    Raises UsageError for no steps, and ConfigError for a variant that cannot be, before anything is trained.
    """
    if steps < 1:
        raise UsageError(f"steps is {steps}; it takes 1 or more.")
    plan: Plan = [
        (variant, seed, _on(store, variant_config(base, variant, seed=seed, steps=steps, out=out)))
        for seed in seeds
        for variant in variants
    ]
    plan = [(variant, seed, _validated_alike(config, seeds[0])) for variant, seed, config in plan]
    for variant, _, config in plan:
        try:
            check_options(config)
        except VidfakeError as error:
            raise ConfigError(f"[{variant.name}] {error}") from error
    for _, _, config in plan:
        if config.data.store != str(store):
            prepare(records, Path(config.data.store), config.extract, workers=workers, progress=report)
        _train(config, records, report)
    rows = [_row(variant, seed, config, plan, steps) for variant, seed, config in plan]
    return rows + _averages(rows, plan) if len(set(seeds)) > 1 else rows


def _validated_alike(config: RunConfig, seed: int) -> RunConfig:
    if config.data.split_seed is not None:
        return config
    return replace(config, data=replace(config.data, split_seed=seed))


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


def _row(variant: Variant, seed: int, config: RunConfig, plan: Plan, steps: int) -> Row:
    folder = run_folder(config)
    table = ScoreTable.read(folder / SCORES_FILE)
    first = next(entry for entry in plan if entry[1] == seed)
    control = None if first[0] is variant else ScoreTable.read(run_folder(first[2]) / SCORES_FILE)
    result = json.loads((folder / RESULT_FILE).read_text("utf-8"))
    return Row(
        variant=variant,
        seed=seed,
        steps=steps,
        clips=steps * config.optim.batch_size * config.optim.accumulate,
        minutes=json.loads((folder / "minutes.json").read_text("utf-8"))["minutes"],
        metrics=result["validation"],
        by_manipulation=result["validation_by_manipulation"],
        video=_video_auc(table, config),
        difference=None if control is None else _difference(table, config, control, first[2]),
    )


def _averages(rows: Sequence[Row], plan: Plan) -> list[Row]:
    """A row for the average of every variant's seeds."""
    found: list[Row] = []
    control: tuple[ScoreTable, RunConfig] | None = None
    for variant in dict.fromkeys(entry[0] for entry in plan):
        own = [row for row in rows if row.variant is variant]
        configs = [config for other, _, config in plan if other is variant]
        table = averaged([ScoreTable.read(run_folder(config) / SCORES_FILE) for config in configs])
        minutes = [row.minutes for row in own]
        found.append(
            replace(
                own[0],
                seed=AVERAGE,
                clips=sum(row.clips for row in own),
                minutes=None if None in minutes else sum(m for m in minutes if m is not None),
                metrics=dict(level_metrics(table, configs[0])),
                by_manipulation=dict(by_manipulation_metrics(table, configs[0])),
                video=_video_auc(table, configs[0]),
                difference=None if control is None else _difference(table, configs[0], *control),
            )
        )
        control = control or (table, configs[0])
    return found


def averaged(tables: Sequence[ScoreTable]) -> ScoreTable:
    """The mean of several detectors' scores of the same frames and clips. Raises ValueError for other ones."""
    first = tables[0]
    for table in tables[1:]:
        for name in ("video_id", "frame_video", "frame_pts_seconds", "clip_video", "clip_index"):
            if not np.array_equal(getattr(first, name), getattr(table, name)):
                raise ValueError(f"the tables differ in {name}: their scores are not of the same frames and clips")
    return replace(
        first,
        frame_score=np.mean([table.frame_score for table in tables], axis=0),
        clip_score=np.mean([table.clip_score for table in tables], axis=0),
    )


def _video_auc(table: ScoreTable, config: RunConfig) -> Figure:
    rows = level_rows(table, "video", config.score)
    sources = np.asarray([str(table.source_id[video]) for video in rows.video], dtype=object)
    return auc_with_interval(rows.scores, rows.labels, sources, Resampling(num_resamples=RESAMPLES))


def _difference(table: ScoreTable, config: RunConfig, control: ScoreTable, other: RunConfig) -> Figure:
    """Paired, on the validation videos that both have; blank with the reason where they share too few."""
    tables, how = {"variant": table, "control": control}, Resampling(num_resamples=RESAMPLES)
    try:
        (found,) = compare(tables, "control", settings={"variant": config.score, "control": other.score}, how=how)
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
    return "\n".join([*table_lines(header, cells), note, *_manipulation_lines(rows)]).rstrip() + "\n"


def _manipulation_lines(rows: Sequence[Row]) -> list[str]:
    """A second table. The first one's AUC is over all videos, so that it also moves where a variant scores reals of
    one kind (photographs, say) higher than those of another."""
    names = list(dict.fromkeys(name for row in rows for name in row.by_manipulation))
    if not names:
        return []
    cells = [
        (row.variant.name, row.seed, *(decimal(row.by_manipulation.get(n, {}).get("video_auc")) for n in names))
        for row in rows
    ]
    about = "Video-level AUC of each manipulation, against the reals that it was made from:"
    return ["", about, "", *table_lines(("variant", "seed", *names), cells)]
