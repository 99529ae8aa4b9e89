"""A study runs, runs again to the same records, goes on after a kill, and adds only what is new."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy_study

from vidfake.errors import ProtocolError
from vidfake.metrics.levels import video_auc
from vidfake.study.pace import StudyProgress
from vidfake.study.results import StudyFolder, best_trial
from vidfake.study.run import run_study

SUPPORT = Path(toy_study.__file__).parent


def contents(out: Path) -> dict[str, Any]:
    """Every record without its cost, and every score table, by path."""
    found: dict[str, Any] = {}
    for path in sorted((out / "runs").rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.suffix == ".json":
            found[name] = {k: v for k, v in json.loads(path.read_text()).items() if k != "cost"}
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def test_every_run_is_there_and_counted(finished: Path) -> None:
    folder = StudyFolder(finished)
    for arm in folder.state().arms:
        search = folder.records(arm.task, arm.arm, "search")
        final = folder.records(arm.task, arm.arm, "final")
        assert [r.trial for r in search] == [0, 1, 2]
        assert {r.seed for r in search} == {0}, "one fixed seed in search"
        assert [r.seed for r in final] == [1, 2]
        assert all(r.status == "ok" for r in (*search, *final)), [r.reason for r in (*search, *final)]
        best = best_trial(search)
        assert best is not None
        assert {r.chosen_trial for r in final} == {best.trial}
        assert all(r.hyperparameters == best.hyperparameters for r in final)


def test_objective_is_the_mean_of_both_validation_sets(finished: Path) -> None:
    for record in StudyFolder(finished).all_records():
        own = record.validation["in_domain"][record.primary_readout]["video_auc"]
        other = record.validation["held_out"][record.primary_readout]["video_auc"]
        assert own is not None
        assert other is not None
        assert record.objective == pytest.approx((own + other) / 2)


def test_score_tables_give_the_figures_of_the_record(finished: Path) -> None:
    folder = StudyFolder(finished)
    record = folder.records("binary", "cosface", "final")[0]
    for readout, figures in record.tests["people"].items():
        table = folder.table(record, "people", readout)
        assert video_auc(table) == pytest.approx(figures["video_auc"])
        assert len(table) == 6 * 4, "six sources of the test split, all fakes"
    assert len(folder.table(record, "people").frame_score) == 6 * 4 * 2 * 4
    assert set(record.tests["people"]) == {"native", "prototype", "probe", "knn"}


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_same_study_twice_gives_the_same_records(workers: int, finished: Path, store: Path, tmp_path: Path) -> None:
    run_study(toy_study.study(store), tmp_path, workers=workers)
    assert contents(tmp_path) == contents(finished), "also with processes and in another order"


def test_finished_study_has_nothing_to_do_and_new_losses_run_only_themselves(
    store: Path, finished: Path, tmp_path: Path
) -> None:
    import shutil

    out = tmp_path / "copy"
    shutil.copytree(finished, out)
    before = {p: p.stat().st_mtime_ns for p in (out / "runs").rglob("*.json")}
    assert run_study(toy_study.study(store), out, workers=0).made == 0
    study = toy_study.study(store, losses=("softmax", "cosface", "triplet"), seeds=(1, 2, 3))
    assert run_study(study, out, workers=0, only=("triplet", "softmax")).made == 3 + 3 + 1
    assert all(path.stat().st_mtime_ns == mtime for path, mtime in before.items()), "no run was made again"
    state = StudyFolder(out).state()
    assert state.first_hash != state.hash
    assert [(c["what"], c["differing"]) for c in state.changes] == [("study", ["losses", "seeds"])]
    assert StudyFolder(out).records("binary", "triplet", "final")[0].marks == ["study changed"]


def test_more_trials_run_finals_again_only_where_a_better_one_was_found(store: Path, tmp_path: Path) -> None:
    study = toy_study.study(store, trials=1, seeds=(1,))
    run_study(study, tmp_path, workers=0)
    run_study(replace(study, trials=4), tmp_path, workers=0)
    folder = StudyFolder(tmp_path)
    for arm in folder.state().arms:
        best = best_trial(folder.records(arm.task, arm.arm, "search"))
        assert best is not None
        assert [r.chosen_trial for r in folder.records(arm.task, arm.arm, "final")] == [best.trial]


@pytest.mark.parametrize("change", ["steps", "code"])
def test_changed_ground_is_refused_or_marked(
    change: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = toy_study.study(store, losses=("softmax",), trials=1, seeds=(1,))
    run_study(study, tmp_path, workers=0)
    if change == "code":
        monkeypatch.setattr("vidfake.study.run.code_version", lambda: "other")
    else:
        study = replace(study, steps=5)
    study = replace(study, seeds=(1, 2))
    with pytest.raises(ProtocolError, match="accept-change"):
        run_study(study, tmp_path, workers=0)
    run_study(study, tmp_path, workers=0, accept_change=True)
    first, second = StudyFolder(tmp_path).records("binary", "softmax", "final")
    assert first.marks == []
    assert {"code": "code changed", "steps": "basis changed"}[change] in second.marks


def test_killed_study_goes_on_where_it_was(finished: Path, store: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(SUPPORT / "run_toy_study.py"), str(store), str(tmp_path), "0"]
    process = subprocess.Popen(command)
    runs = tmp_path / "runs" / "binary"
    deadline = time.monotonic() + 120
    while len(list(runs.glob("*/search/*.json"))) < 2 and process.poll() is None:
        assert time.monotonic() < deadline, "no run within two minutes"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {p: p.stat().st_mtime_ns for p in runs.glob("*/*/*.json")}
    assert kept
    (runs / "softmax" / "search" / ".000.started").write_text("1")  # as if killed just after the record
    seen: list[StudyProgress] = []
    run_study(toy_study.study(store), tmp_path, workers=0, watch=seen.append)
    assert seen[0].done == len(kept)
    assert all(path.stat().st_mtime_ns == mtime for path, mtime in kept.items())
    assert contents(tmp_path) == contents(finished)
    assert seen[-1].done == seen[-1].total == 2 * (3 + 2)
    assert not list(tmp_path.rglob("*.started"))


@pytest.mark.slow
def test_shards_that_start_together_share_a_folder(finished: Path, store: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(SUPPORT / "run_toy_study.py"), str(store), str(tmp_path), "0"]
    shards = [subprocess.Popen([*command, str(i), "2"]) for i in range(2)]
    assert [shard.wait(timeout=300) for shard in shards] == [0, 0]
    assert contents(tmp_path) == contents(finished)
    assert len(list((tmp_path / "features").iterdir())) == len(list((finished / "features").iterdir()))
    assert StudyFolder(tmp_path).state() == StudyFolder(finished).state()


def test_end_to_end_study_trains_encoders_and_leaves_held_out_fakes_alone(store: Path, tmp_path: Path) -> None:
    config = toy_study.study(store).config
    config = {
        "model": {**config["model"], "encoder": {**config["model"]["encoder"], "frozen": False}},
        "optim": {"batch_size": 12, "epochs": 1},
        "data": {"augment": [], "workers": 0},
    }
    study = toy_study.study(
        store, mode="end_to_end", losses=("softmax", "teacher_kd"), trials=1, seeds=(5,), config=config
    )
    run_study(study, tmp_path, workers=0)
    folder = StudyFolder(tmp_path)
    (search,) = folder.records("binary", "softmax", "search")
    (final,) = folder.records("binary", "softmax", "final")
    assert (search.status, final.status) == ("ok", "ok"), (search.reason, final.reason)
    assert set(final.validation) == {"in_domain", "held_out"}
    assert video_auc(folder.table(final, "people")) == pytest.approx(final.tests["people"]["native"]["video_auc"])
    assert {e.arm: e.status for e in folder.exclusions()} == {"teacher_kd": "excluded"}
    kept = list((tmp_path / "work").iterdir())
    assert [path.name for path in kept] == ["binary-softmax-final-5"]
    assert 'leave_out = ["warp"]' in (kept[0] / "config.toml").read_text()
    assert (kept[0] / "best.vidfake").is_dir()
