"""Study folders with planted results: what a study run writes, without running one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vidfake.config import to_dict
from vidfake.metrics.levels import level_rows
from vidfake.metrics.ranking import auc
from vidfake.scores import ScoreTable
from vidfake.study.classes import ClassScores
from vidfake.study.definition import StudyData, StudyDefinition, StudyTest, Variant
from vidfake.study.results import ArmState, Cost, Exclusion, RunRecord, StudyFolder, StudyState

SOURCES = 30


def make_study(
    folder: Path,
    gains: dict[str, float],
    *,
    seeds: int = 10,
    trials: int = 8,
    noise: float = 0.2,
    tasks: tuple[str, ...] = ("binary",),
    tests: tuple[str, ...] = ("known", "other"),
    failed_trials: dict[str, int] | None = None,
    failed_seeds: dict[str, tuple[int, ...]] | None = None,
    readouts: tuple[str, ...] = ("native", "prototype"),
    clones: dict[str, str] | None = None,
    sources: int = SOURCES,
    families: dict[str, str] | None = None,
    seed: int = 0,
    class_scores: bool = True,
    **definition: Any,
) -> StudyFolder:
    """A study whose arms separate reals from fakes by their gain; an arm of `clones` has another arm's noise.

    An arm ``loss@variant`` makes that variant one of the study.
    """
    variants = tuple(Variant(v) for v in dict.fromkeys(name.partition("@")[2] for name in gains) if v)
    study = StudyDefinition(
        name=definition.pop("name", "made"),
        losses=tuple(dict.fromkeys(name.partition("@")[0] for name in gains)),
        variants=variants,
        tasks=tasks,  # type: ignore[arg-type]
        seeds=tuple(range(1, seeds + 1)),
        trials=trials,
        data=StudyData(),
        tests=tuple(StudyTest(name=name, split=f"split_{name}") for name in tests),
        **definition,
    )
    dimensions = [
        {"name": "loss.scale", "choices": [4.0, 16.0, 64.0]},
        {"name": "loss.margin", "choices": [0.0, 0.35, 0.9]},
        {"name": "optim.learning_rate_factor", "choices": [], "low": 0.3, "high": 3.0},
    ]
    arms = [
        ArmState(
            task=t,
            arm=name,
            expression=name,
            loss=name.partition("@")[0],
            variant=name.partition("@")[2],
            family=(families or {}).get(name, "margin"),
            tier=1,
            num_classes=2 if t == "binary" else 5,
            dimensions=dimensions,
        )
        for t in tasks
        for name in gains
    ]
    result = StudyFolder(folder)
    state = StudyState(
        1,
        to_dict(study),
        study.hash,
        study.hash,
        study.basis,
        "0.1+abc",
        "store",
        ["real", "a", "b"],
        arms,
        clips={"training": {"real": 100, "a": 100}},
    )
    result.write_state(state)
    for task in tasks:
        for name, gain in gains.items():
            _search(result, study, task, name, gain, (failed_trials or {}).get(name, 0), seed)
            for number in study.seeds:
                failed = number in (failed_seeds or {}).get(name, ())
                stem = (clones or {}).get(name, name)
                _final(
                    result,
                    study,
                    task,
                    name,
                    gain,
                    number,
                    stem,
                    noise,
                    readouts,
                    sources,
                    failed,
                    seed,
                    class_scores,
                )
    return result


def exclude(folder: StudyFolder, task: str, arm: str, reason: str) -> None:
    """An arm that a task has no runs for."""
    folder.write_exclusion(Exclusion(task, arm, arm, "not_applicable", reason))


def _record(
    study: StudyDefinition, task: str, arm: str, phase: str, trial: int | None, seed: int, **more: Any
) -> RunRecord:
    return RunRecord(
        key=f"{task}/{arm}/{phase}/{trial}/{seed}",
        study=study.name,
        study_hash=study.hash,
        basis=study.basis,
        code_version="0.1+abc",
        store_fingerprint="store",
        task=task,
        arm=arm,
        expression=arm,
        phase=phase,  # type: ignore[arg-type]
        trial=trial,
        seed=seed,
        num_classes=2 if task == "binary" else 5,
        **{"status": "ok", "primary_readout": "native", "cost": Cost(2.0 + 0.1 * seed, 1.5, 500.0, 1), **more},
    )


def _search(
    folder: StudyFolder, study: StudyDefinition, task: str, arm: str, gain: float, failed: int, seed: int
) -> None:
    rng = np.random.default_rng([seed, *arm.encode(), 1])
    for trial in range(study.trials):
        values = {
            "loss.scale": float(rng.choice([4.0, 16.0, 64.0])),
            "loss.margin": float(rng.choice([0.0, 0.35, 0.9])),
            "optim.learning_rate_factor": 1.0,
        }
        more: dict[str, Any] = {"status": "failed", "reason": "diverged: loss is NaN"}
        if trial >= failed:
            at_bound = {"loss.scale": "high"} if values["loss.scale"] == 64.0 else {}
            more = {"objective": float(0.6 + 0.1 * gain + 0.02 * rng.normal()), "at_bound": at_bound}
        more["hyperparameters"] = values
        folder.write_record(_record(study, task, arm, "search", trial, study.search_seed, **more))


def planted_table(
    gain: float, rng: np.random.Generator, *, sources: int, noise: float, test: str, frames: bool
) -> ScoreTable:
    """A real and two fakes per source; what makes a video hard is the same for every arm and seed."""
    n = 3 * sources
    hard = np.random.default_rng([7, *test.encode()]).normal(0, 1.0, n) + np.repeat(
        np.random.default_rng([8, *test.encode()]).normal(0, 0.5, sources), 3
    )
    label = (np.arange(n) % 3 > 0).astype(int)
    video = gain * label + hard + noise * rng.normal(0, 1, n)
    clips, rows = np.repeat(np.arange(n), 2), np.repeat(np.arange(n), 3)
    more: dict[str, Any] = {}
    if frames:
        more = {"frame_video": rows, "frame_score": video[rows] + rng.normal(0, 1.0, len(rows))}
    return ScoreTable(
        video_id=[f"{test}/{i:03d}" for i in range(n)],
        label=label,
        source_id=[f"s{i // 3}" for i in range(n)],
        dataset=[test] * n,
        clip_video=clips,
        clip_index=np.tile([0, 1], n),
        clip_score=video[clips],
        **more,
    )


def planted_classes(gain: float, rng: np.random.Generator, *, sources: int, test: str) -> ClassScores:
    """A video of each of three classes per source, and one of a class that training does not know."""
    labels = np.tile(np.arange(4), sources)
    ids = [f"{test}/{i:03d}" for i in range(len(labels))]
    own = gain * np.eye(3)[np.minimum(labels, 2)]
    scores = {name: (own + rng.normal(0, 1, own.shape)).astype(np.float32) for name in ("head", "prototype")}
    names = ("real", "a", "b", "new")
    return ClassScores(names, 3, tuple(ids), tuple(f"{test}/s{i // 4}" for i in range(len(ids))), labels, scores)


def _final(
    folder: StudyFolder,
    study: StudyDefinition,
    task: str,
    arm: str,
    gain: float,
    number: int,
    stem: str,
    noise: float,
    readouts: tuple[str, ...],
    sources: int,
    failed: bool,
    seed: int,
    class_scores: bool,
) -> None:
    able = [r for r in folder.records(task, arm, "search") if r.objective is not None]
    best = max(able, key=lambda r: r.objective or 0.0)
    common: dict[str, Any] = {
        "hyperparameters": best.hyperparameters,
        "at_bound": best.at_bound,
        "chosen_trial": best.trial,
    }
    if failed:
        folder.write_record(
            _record(study, task, arm, "final", None, number, status="failed", reason="crashed twice", **common)
        )
        return
    tables: dict[str, dict[str, str]] = {}
    figures: dict[str, dict[str, Any]] = {}
    attribution: dict[str, Any] = {}
    classes: dict[str, str] = {}
    run = folder.run_folder(task, arm, "final")
    for test in (t.name for t in study.tests):
        tables[test], figures[test] = {}, {}
        for readout in readouts:
            rng = np.random.default_rng([seed, *stem.encode(), *test.encode(), *readout.encode(), number])
            table = planted_table(gain, rng, sources=sources, noise=noise, test=test, frames=readout == "native")
            name = f"{number:03d}.{test}.{readout}.jsonl"
            table.write(run / name)
            rows = level_rows(table, "video")
            tables[test][readout] = name
            figures[test][readout] = {
                "video_auc": auc(rows.scores, rows.labels),
                "clip_auc": 0.7,
                "frame_auc": 0.65,
                "frames_averaged_auc": 0.68,
                "video_eer": 0.3,
                "balanced_accuracy": 0.6,
                "ece": 0.1,
                "brier": 0.2,
                "coverage": 1.0,
                "video_tpr_at_fpr_5": None,
            }
        rng = np.random.default_rng([seed, *stem.encode(), *test.encode(), 99, number])
        called = planted_classes(gain, rng, sources=sources, test=test)
        attribution[test] = called.figures()
        if class_scores and task == "manipulation":
            classes[test] = f"{number:03d}.{test}.classes.npz"
            called.write(run / classes[test])
    bins = np.linspace(-0.95, 0.95, 20).round(3).tolist()
    diagnostics = {
        "intra_degrees": [20.0, 30.0],
        "inter_degrees": [[0.0, 90.0], [90.0, 0.0]],
        "norm_mean": [1.0, 2.0],
        "norm_deviation": [0.1, 0.2],
        "effective_rank": 7.5,
        "silent_share": 0.25,
        "pair_weight": {
            "cosine": bins,
            "same": [1.0 - b for b in bins],
            "other": [None, *[1.0 + b for b in bins[1:]]],
        },
    }
    folder.write_record(
        _record(
            study,
            task,
            arm,
            "final",
            None,
            number,
            objective=best.objective,
            tables=tables,
            tests=figures,
            diagnostics=diagnostics,
            classes=classes,
            attribution=attribution if task == "manipulation" else {},
            **common,
        )
    )
    if number == study.seeds[0]:
        rng = np.random.default_rng(0)
        labels = np.arange(60) % 3
        np.savez(
            run / f"{number:03d}.embeddings.npz",
            embeddings=(rng.normal(size=(60, 8)) + 2 * np.eye(8)[labels]).astype(np.float32),
            class_labels=labels,
            class_names=np.array(["real", "a", "<b>"]),
        )
