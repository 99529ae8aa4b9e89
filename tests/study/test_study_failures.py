"""What goes wrong with one run is a record; what may not be read is not readable."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy_study

from vidfake.data.pool import Crash, run_jobs
from vidfake.errors import ConfigError, MissingPackageError, ProtocolError, StorageError
from vidfake.losses import LOSSES
from vidfake.losses.base import SearchSpace
from vidfake.losses.softmax import Softmax
from vidfake.study.bench import BenchPlan, Stamp
from vidfake.study.clips import open_clips
from vidfake.study.results import RunRecord, StudyFolder
from vidfake.study.run import run_study
from vidfake.study.search import search_work, start_search
from vidfake.study.space import sobol_points
from vidfake.study.tests_data import open_tests
from vidfake.study.tpe import tpe_point
from vidfake.synth.autoencoder_file import source_hash, write_tensors
from vidfake.synth.autoencoder_net import Autoencoder, AutoencoderSettings


@pytest.fixture
def broken_loss() -> Any:
    """A loss that is NaN from the fifth step on, and one that ends its process."""

    class Diverging(Softmax):
        """Not a number after a while."""

        def _total(self, z: Any, y: Any, context: Any) -> Any:
            return super()._total(z, y, context) * (float("nan") if context.step > 4 and self.training else 1.0)

    options = {"source": "tests", "family": "softmax", "tier": 3}
    LOSSES.register("diverging", search_space=SearchSpace({"label_smoothing": (0.0, 0.1)}), **options)(Diverging)
    yield
    del LOSSES._rows["diverging"]


def test_diverging_runs_are_failed_trials(store: Path, tmp_path: Path, broken_loss: None) -> None:
    study = toy_study.study(store, losses=("softmax", "diverging"), trials=2, seeds=(1,))
    summary = run_study(study, tmp_path, workers=0)
    folder = StudyFolder(tmp_path)
    failed = folder.records("binary", "diverging", "search")
    assert [r.status for r in failed] == ["failed", "failed"], "spent, not dropped"
    assert "the loss is nan at step 6" in failed[0].reason
    assert folder.records("binary", "diverging", "final") == []
    (reason,) = folder.exclusions()
    assert reason.arm == "diverging"
    assert "all 2 trials failed" in reason.reason
    assert (summary.failed, summary.runs) == (2, 2 + 2 + 1)


def test_too_few_clips_for_pk_and_a_loss_for_many_classes(store: Path, tmp_path: Path) -> None:
    config = toy_study.study(store).config
    large = {**config, "optim": {**config["optim"], "batch_size": 400}}
    study = toy_study.study(store, losses=("supcon", "npair"), trials=1, seeds=(1,), config=large)
    run_study(study, tmp_path, workers=0)
    folder = StudyFolder(tmp_path)
    (record,) = folder.records("binary", "supcon", "search")
    assert record.status == "failed"
    assert "SamplerError: a batch needs 200 clips" in record.reason
    assert {e.arm: e.status for e in folder.exclusions()} == {"npair": "not_applicable", "supcon": "excluded"}


def test_full_disk_ends_the_study(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: StudyFolder, record: RunRecord) -> None:
        raise StorageError("disk full")

    monkeypatch.setattr(StudyFolder, "write_record", full)
    with pytest.raises(StorageError):
        run_study(toy_study.study(store), tmp_path, workers=0)


def test_search_is_given_no_test(store: Path, finished: Path, tmp_path: Path) -> None:
    study = toy_study.study(store)
    sets = {name: next((finished / "sets" / name).iterdir()) for name in ("training", "in_domain", "held_out")}
    plan = BenchPlan.of(study, sets, tmp_path, Stamp("s", "", "", "", ""))
    assert plan.study.tests == ()
    assert plan.study.data.store == ""
    assert plan.study.primary_test == ""
    assert set(plan.folders) == {"training", "in_domain", "held_out"}
    with pytest.raises(ProtocolError, match="training and validation only"):
        BenchPlan.of(
            study, {**sets, "people": next((finished / "tests" / "people").iterdir())}, tmp_path, plan.stamp
        )


def is_refused(path: str) -> bool:
    """Whether this process may not read a file."""
    try:
        Path(path).read_bytes()
    except ProtocolError:
        return True
    return False


class Start:
    """Picklable start of a worker that is kept from a folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self) -> None:
        start_search((self.folder,))


def test_search_process_cannot_open_a_test_file(finished: Path) -> None:
    secret = next((finished / "tests").rglob("features.npy"))
    allowed = next((finished / "sets").rglob("set.json"))
    assert not is_refused(str(secret)), "this process may"
    paths = [
        str(secret),
        os.path.relpath(secret),
        str(finished / "sets" / ".." / "tests" / secret.name),
        str(allowed),
    ]
    found = dict(run_jobs(is_refused, paths, workers=1, start=Start(str(finished / "tests"))))
    assert [found[path] for path in paths] == [True, True, True, False]


def test_searches_are_done_before_any_test_exists(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import vidfake.study.run as engine

    def watched(plan: BenchPlan, job: Any) -> Any:
        assert not (tmp_path / "tests").exists()
        return search_work(plan, job)

    monkeypatch.setattr(engine, "search_work", watched)
    run_study(toy_study.study(store, trials=1, seeds=(1,)), tmp_path, workers=0)
    assert (tmp_path / "tests" / "people").is_dir()


def test_test_people_in_training_are_refused(store: Path, tmp_path: Path) -> None:
    study = toy_study.study(store, trials=1, seeds=(1,))
    shared = replace(study.tests[0], split="train", store=str(store), name="leak")
    with pytest.raises(ProtocolError, match="in training or validation"):
        run_study(replace(study, tests=(shared,)), tmp_path, workers=0)


def test_test_people_that_a_makers_weights_have_seen_are_refused(store: Path, tmp_path: Path) -> None:
    network, weights = AutoencoderSettings(32, width=4, bottleneck=16), tmp_path / "weights.safetensors"
    toy = toy_study.study(store)
    test = replace(toy.tests[0], makers=("autoencoder",))
    config = {**toy.config, "data": {"maker_options": {"autoencoder": {"weights": str(weights)}}}}
    asked = replace(toy, tests=(test,), config=config)
    clips = open_clips(asked)
    people = sorted(v.record.source_id for v in clips.store.videos if v.record.split == "test")
    for sources in (people[-1:], ["nobody"]):
        told = {"sources": [source_hash(source) for source in sources]}
        write_tensors(weights, Autoencoder(network).state_dict(), network, told)
        if sources == ["nobody"]:
            assert any(item.video_id.endswith("autoencoder") for item in open_tests(asked, clips)["people"].items)
            continue
        with pytest.raises(ProtocolError, match=f"were trained on 1 of its sources, first '{people[-1]}'"):
            open_tests(asked, clips)


def test_unknown_held_out_name_is_refused(store: Path, tmp_path: Path) -> None:
    study = toy_study.study(store)
    data = replace(study.data, validation_held_out=("warped",))
    with pytest.raises(ConfigError, match="validation_held_out has"):
        run_study(replace(study, data=data), tmp_path, workers=0)


def test_run_whose_process_dies_twice_is_a_failed_run(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import vidfake.study.run as engine

    def dying(work: Any, jobs: Any, **options: Any) -> Any:
        for job in jobs:
            died = job.arm.name == "cosface" and getattr(job, "trials", None) == (1,)
            yield job, Crash("its process was ended by signal 11") if died else work(job)

    monkeypatch.setattr(engine, "run_jobs", dying)
    summary = run_study(toy_study.study(store, trials=2, seeds=(1,)), tmp_path, workers=0)
    good, bad = StudyFolder(tmp_path).records("binary", "cosface", "search")
    assert (good.status, bad.status, bad.cost.attempts) == ("ok", "failed", 2)
    assert bad.reason == "crashed twice: its process was ended by signal 11"
    assert summary.crashed == ("binary/cosface/search/1",)
    assert [r.chosen_trial for r in StudyFolder(tmp_path).records("binary", "cosface", "final")] == [0]


def test_tpe_goes_towards_what_was_good_and_depends_on_nothing_else() -> None:
    pytest.importorskip("optuna", reason="needs the optuna extra: pip install 'vidfake[optuna]'")

    def trial(number: int, point: list[float]) -> RunRecord:
        value = 1 - (point[0] - 0.3) ** 2
        return RunRecord("k", "s", "", "", "", "", "binary", "a", "a", "search", number, 0, 2, "ok",
                         point=point, objective=value)  # fmt: skip

    near = 0
    for seed in (2, 1, 0):
        records = [trial(i, [(i + 0.5) / 8, 0.5]) for i in range(8)]
        for number in range(8, 24):
            records.append(trial(number, tpe_point(records, 2, seed=seed, trial=number)))
        near += sum(abs(r.point[0] - 0.3) < 0.15 for r in records[8:])
    assert near > 18, "of 48 points chance puts 14 there, and TPE about 24"
    assert tpe_point(records[:12], 2, seed=0, trial=12) == records[12].point


def test_a_search_by_tpe_goes_on_with_the_trial_it_would_have_made(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna", reason="needs the optuna extra: pip install 'vidfake[optuna]'")
    monkeypatch.setattr("vidfake.study.search.STARTUP_TRIALS", 2)
    study = toy_study.study(store, losses=("cosface",), control="cosface", search="tpe", trials=4, seeds=(1,))
    run_study(study, tmp_path, workers=0)
    folder = StudyFolder(tmp_path)
    first = folder.records("binary", "cosface", "search")
    assert [r.trial for r in first] == [0, 1, 2, 3]
    sobol = sobol_points(4, len(first[0].point), 0)
    assert [r.point == point for r, point in zip(first, sobol, strict=True)] == [True, True, False, False]
    folder.record_path("binary", "cosface", "search", 3).unlink()
    run_study(study, tmp_path, workers=0)
    again = folder.records("binary", "cosface", "search")
    assert [(r.point, r.objective) for r in again] == [(r.point, r.objective) for r in first]


def test_tpe_without_optuna_says_what_to_install(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingPackageError, match=r"vidfake\[optuna\]"):
        run_study(toy_study.study(store, search="tpe"), tmp_path)
