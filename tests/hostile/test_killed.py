"""SIGKILL at random moments: what was reported done is there, whole, and the next run goes on and ends the same.

`VIDFAKE_KILLS=3 pytest -m slow tests/hostile/test_killed.py` runs a few by hand; without, it is 50 of each.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from kill_runs import ROOT, finish, kill_often, start

from vidfake.models.checkpoint_files import find_tensors, read_description

KILLS = int(os.environ.get("VIDFAKE_KILLS", "50"))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")]

sys.path += [str(ROOT / "tests" / name / "support") for name in ("cli", "train", "study")]


def files(folder: Path, pattern: str = "*") -> dict[str, str]:
    """Name -> SHA-256 of every file below that is not temporary."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob(pattern))
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from commands import empty_video, face_video

    folder = tmp_path_factory.mktemp("videos")
    first = face_video(folder / "v0.mp4", frames=20)
    for number in range(1, 6):
        box = (8 + number).to_bytes(4, "big") + b"free" + bytes(number)  # other bytes, the same pictures
        (folder / f"v{number}.mp4").write_bytes(first.read_bytes() + box)
    empty_video(folder / "w.mp4")
    rows = [f"{p.name},{i % 2}" for i, p in enumerate(sorted(folder.glob("*.mp4")))]
    (folder / "m.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
    return folder


def test_prepare(videos: Path, tmp_path: Path) -> None:
    command = ["-m", "vidfake", "prepare", videos / "m.csv", "--workers", 2]
    command += ["--set", "extract.crop_size=64", "--set", "extract.num_frames=4", "--set", "extract.min_frames=2"]
    log, out = tmp_path / "log", tmp_path / "store"
    finish([*command[:4], tmp_path / "undisturbed", *command[4:]], log)
    shutil.rmtree(tmp_path / "undisturbed")
    seconds = finish([*command[:4], tmp_path / "undisturbed", *command[4:]], log)
    expected = files(tmp_path / "undisturbed")
    done: dict[str, str] = {}

    def check(ended: bool) -> None:
        nonlocal done
        found = files(out) if out.exists() else {}
        records = {name: d for name, d in found.items() if name.startswith("shards") and name.endswith(".json")}
        for name, digest in records.items():
            assert digest == expected[name], "a record says that its video is done: it is the whole record"
            pictures = name.removesuffix("json") + "tar"
            assert found.get(pictures) == expected.get(pictures), "and its faces are all there"
        assert records.items() >= done.items(), "what was done is lost"
        done = records
        if ended or found == expected:
            assert found == expected
            shutil.rmtree(out)
            done = {}

    arguments = [*command[:4], out, *command[4:]]
    kill_often(KILLS, lambda: start(arguments, log), seconds=seconds, check=check)
    finish(arguments, log)
    assert files(out) == expected


def test_batch_scoring(videos: Path, tmp_path: Path) -> None:
    from commands import write_checkpoint

    log, out, cache = tmp_path / "log", tmp_path / "out", tmp_path / "cache"
    command = ["-m", "vidfake", "score", videos, "--checkpoint", write_checkpoint(tmp_path), "--json"]
    command += ["--out", out, "--cache", cache]
    finish(command, log, codes=(0, 3))
    shutil.rmtree(out)
    shutil.rmtree(cache)
    seconds = finish(command, log, codes=(0, 3))

    def scores() -> dict[str, Any]:
        return {r["input"]["path"]: (r["status"], r["video"], r["tracks"]) for r in results()}

    def results() -> list[Any]:
        return [json.loads(path.read_bytes()) for path in sorted(out.glob("*.json"))]

    expected = scores()
    assert len(expected) == 7
    shutil.rmtree(out)
    shutil.rmtree(cache)
    done: dict[str, str] = {}

    def check(ended: bool) -> None:
        nonlocal done
        found = files(out) if out.exists() else {}
        assert found.items() >= done.items(), "a result that was there is lost, or was made again"
        done = found
        reported = {json.loads(line)["input"]["path"] for line in printed()}
        assert reported <= set(scores()), "a result was printed, and is not on disk"
        for name, score in scores().items():
            assert score == expected[name]
        if ended or len(found) == len(expected):
            assert scores() == expected
            shutil.rmtree(out)
            done = {}
            log.write_bytes(b"")

    def printed() -> list[str]:
        text = log.read_text(errors="replace")
        lines = text.splitlines() if text.endswith("\n") else text.splitlines()[:-1]
        return [line for line in lines if line.startswith('{"schema_version"')]

    log.write_bytes(b"")
    kill_often(KILLS, lambda: start(command, log), seconds=seconds, check=check)
    finish(command, log, codes=(0, 3))
    assert scores() == expected


def test_training(tmp_path: Path) -> None:
    from toy_runs import write_toy_store

    store = write_toy_store(tmp_path / "store")
    script = ROOT / "tests" / "hostile" / "support" / "train_or_resume.py"
    paths, log, out = [ROOT / "tests" / "train" / "support"], tmp_path / "log", tmp_path / "runs"
    finish([script, store, tmp_path / "undisturbed"], log, paths=paths)
    seconds = finish([script, store, tmp_path / "again"], log, paths=paths)
    weights = "*/best.vidfake/model.safetensors"
    (expected,) = [path.read_bytes() for path in (tmp_path / "undisturbed").glob(weights)]
    reached = -1

    def check(ended: bool) -> None:
        nonlocal reached
        for checkpoint in out.glob("*/*.vidfake"):
            find_tensors(read_description(checkpoint))  # whole, whenever it is there
        step = saved_step(out)
        assert step >= reached, f"a saved state is lost: step {step} after {reached}"
        reached = step
        if ended:
            (found,) = [path.read_bytes() for path in out.glob(weights)]
            assert found == expected, "other weights than those of a run that nobody killed"
            shutil.rmtree(out)
            reached = -1

    kill_often(KILLS, lambda: start([script, store, out], log, paths=paths), seconds=seconds, check=check)
    finish([script, store, out], log, paths=paths)
    assert [path.read_bytes() for path in out.glob(weights)] == [expected]


def saved_step(out: Path) -> int:
    """Optimiser steps of the state that a resumed run goes on from; it can be read at any moment."""
    states = [torch.load(path, weights_only=True)["progress"]["step"] for path in out.glob("*/resume.pt")]
    return max(states, default=-1)


@pytest.mark.parametrize("workers", [0, 2])
def test_study(workers: int, tmp_path: Path) -> None:
    import toy_study

    store = toy_study.write_store(tmp_path / "store")
    script = ROOT / "tests" / "study" / "support" / "run_toy_study.py"
    log, out, undisturbed = tmp_path / "log", tmp_path / "out", tmp_path / "undisturbed"
    seconds = finish([script, store, undisturbed, workers], log)
    expected = study_records(undisturbed)
    assert len(expected) == 2 * (3 + 2), "two losses, three trials and two seeds each"
    done: dict[str, Any] = {}

    def check(ended: bool) -> None:
        nonlocal done
        found = study_records(out)
        assert found.items() >= done.items(), "a run that was done is lost, or was made again"
        for name, record in found.items():
            assert without_cost(record) == without_cost(expected[name]), name
        done = found
        if ended:
            assert set(found) == set(expected)
            assert tables(out) == tables(undisturbed)
            shutil.rmtree(out)
            done = {}

    kills = -(-KILLS // 2)
    kill_often(kills, lambda: start([script, store, out, workers], log), seconds=seconds, check=check, seed=workers)
    finish([script, store, out, workers], log)
    assert {n: without_cost(r) for n, r in study_records(out).items()} == {
        n: without_cost(r) for n, r in expected.items()
    }
    assert tables(out) == tables(undisturbed)
    assert not list(out.rglob("*.started"))


def study_records(out: Path) -> dict[str, Any]:
    """Every record of a study, by path; each must be whole at any moment."""
    runs = out / "runs"
    return {str(p.relative_to(runs)): json.loads(p.read_bytes()) for p in sorted(runs.rglob("[!.]*.json"))}


def without_cost(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "cost"}


def tables(out: Path) -> dict[str, str]:
    """Score tables of the final runs."""
    return files(out / "runs", "*.jsonl")
