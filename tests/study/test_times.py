"""What a study took: from the sessions' own record, or from when its files were written."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_study
from made_studies import make_study

from vidfake.errors import ConfigError, StoreError
from vidfake.study.analysis_times import study_times
from vidfake.study.results import Cost, StudyFolder
from vidfake.study.run import run_study
from vidfake.study.sessions import forget_peak, peak_rss_mib, read_sessions

TOOLS = Path(__file__).parents[2] / "tools" / "bench_parts"


def test_a_session_records_itself_and_the_overhead_is_what_was_no_run(finished: Path) -> None:
    (session,) = read_sessions(finished)
    assert session.ended
    assert session.runs == 2 * (3 + 2)
    assert set(session.seconds) == {"prepare", "search", "tests", "final"}
    times = study_times(StudyFolder(finished))
    assert times.wall.source == "the sessions' own record"
    assert (times.runs, times.failed, times.wall.workers) == (10, 0, 1)
    runs = session.seconds["search"] + session.seconds["final"]
    assert times.wall.seconds == pytest.approx(runs)
    assert times.run_seconds == pytest.approx(session.run_seconds)
    assert times.wall.overhead == pytest.approx(1 - session.run_seconds / runs)
    assert 0 <= times.wall.overhead < 1
    assert times.parent_rss_mib is not None
    costs = [r.cost.cpu_seconds for r in StudyFolder(finished).records("binary", "cosface", "final")]
    found = times.by_loss["cosface"]["binary", "final"]
    assert (found.runs, found.cpu_seconds) == (2, pytest.approx(np.mean(costs)))


def test_a_session_without_runs_leaves_no_file(finished: Path, store: Path, tmp_path: Path) -> None:
    out = tmp_path / "copy"
    shutil.copytree(finished, out)
    run_study(toy_study.study(store), out, workers=0)
    assert len(read_sessions(out)) == 1
    path = next((out / "sessions").iterdir())
    path.write_text("{}")
    with pytest.raises(StoreError, match="only figures of time"):
        read_sessions(out)


@pytest.fixture
def timed(tmp_path: Path) -> StudyFolder:
    """Two workers, trials of 10 s with a second between, then ten minutes of nothing, then the final runs."""
    gains = {"softmax": 1.0, "cosface": 1.0, "arcface": 1.0}
    made = make_study(tmp_path / "study", gains, seeds=2, trials=6, tests=("known",), sources=2)
    start = time.time() - 10_000
    places = [0.0, 5.5]
    for phase in ("search", "final"):
        for i, record in enumerate(r for r in made.all_records() if r.phase == phase):
            cost = Cost(seconds=10.0, cpu_seconds=8.0 + (record.arm == "arcface"), peak_rss_mib=100.0 + i)
            made.write_record(replace(record, cost=cost))
            places[i % 2] += 11.0
            path = made.record_path(record.task, record.arm, record.phase, record.number)
            os.utime(path, (start + places[i % 2],) * 2)
        places = [places[0] + 600.0] * 2
    return made


def test_an_older_study_is_timed_by_its_files(timed: StudyFolder) -> None:
    times = study_times(timed)
    assert (times.runs, times.wall.workers, times.wall.sessions) == (3 * 8, 2, 2)
    assert times.wall.pauses == pytest.approx(600, abs=10)
    assert times.wall.overhead == pytest.approx(1 / 11, abs=0.03)
    assert times.wall.preparing is None
    assert times.parent_rss_mib is None
    assert not times.peak_of_run
    assert times.by_phase["search"].seconds == pytest.approx(10.0)
    assert times.by_loss["arcface"]["binary", "search"].cpu_seconds == pytest.approx(9.0)


def test_a_copy_without_times_is_refused(timed: StudyFolder) -> None:
    for path in (timed.path / "runs").rglob("*.json"):
        os.utime(path, (1e9, 1e9))
    with pytest.raises(ConfigError, match="cp -a"):
        study_times(timed)


def test_the_benchmark_reads_a_study_that_was_run(timed: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    monkeypatch.delitem(sys.modules, "table", raising=False)
    spec = importlib.util.spec_from_file_location("bench_study_tool", TOOLS / "study.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    name, (whole, losses) = module.finished(timed.path)
    assert name == "made"
    text = whole.markdown()
    for words in (
        "24 (0)",
        "2 processes",
        "| seconds per trial, mean | 10.00 (8.33 of a processor) |",
        "not recorded",
    ):
        assert words in text, words
    assert [row[:2] for row in losses.rows] == [["softmax", 8.0], ["cosface", 8.0], ["arcface", 9.0]]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forgets a peak")
def test_the_peak_is_that_of_the_run() -> None:
    kept = np.ones(30_000_000)
    before = peak_rss_mib()
    del kept
    assert forget_peak()
    assert peak_rss_mib() < before - 100
