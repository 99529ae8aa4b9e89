"""Preparing: resume, crashes at every point, shards and workers all give the same bytes; no video stops a batch."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_extract import SETTINGS, extract

from vidfake.data import pool, prepare_video
from vidfake.data import store_format as fmt
from vidfake.data.manifest import read_manifest, write_manifest
from vidfake.data.prepare import parse_shard, prepare
from vidfake.data.store import ClipStore
from vidfake.errors import ManifestError, MediaError, StorageError, StoreError, UsageError
from vidfake.types import VideoRecord

SUPPORT = Path(__file__).parent / "support"
Videos = Callable[..., list[VideoRecord]]


@pytest.fixture
def videos(tmp_path: Path) -> Videos:
    """Writes one file per given text and its manifest, and gives the records."""

    def make(*texts: str) -> list[VideoRecord]:
        records = []
        (tmp_path / "videos").mkdir(exist_ok=True)
        for number, text in enumerate(texts):
            path = tmp_path / "videos" / f"v{number}.mp4"
            path.write_text(text)
            records.append(VideoRecord(f"v{number}", str(path), 0, "none", source_id=f"v{number}"))
        write_manifest(tmp_path / "m.csv", records)
        return records

    return make


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


TEXTS = ("fine 2", "fine 1", "empty", "unreadable", "fine 3", "late 4")


def test_report_and_store(videos: Videos, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int | None]] = []
    report = prepare(
        videos(*TEXTS), tmp_path / "s", SETTINGS, workers=0, extract=extract, progress=lambda *a: steps.append(a)
    )
    assert (report.num_videos, report.num_ok, report.num_clips, report.coverage) == (6, 3, 6, 0.5)
    assert report.finished
    assert report.no_face == [("v2", "no face was found")]
    assert report.unreadable == [("v3", "v3.mp4: not a video"), ("v5", "v5.mp4: broke off")]
    assert report.timings == {"decode": 1.0}
    assert steps == [("videos", n, 6) for n in range(1, 7)]
    assert json.loads(json.dumps(report.to_json()))["ok"] == 3
    store = ClipStore(tmp_path / "s", settings=SETTINGS)
    assert [v.status for v in store.videos] == ["ok", "ok", "no_face", "unreadable", "ok", "unreadable"]
    assert len(store.clips) == 6
    assert report.num_bytes == sum(v.tar_bytes for v in store.videos)
    record = store.record(store.videos[0])
    assert record["info"] == {"codec": "noise", "duration_seconds": 5.0}
    assert record["source"] == {"bytes": 6, "sha256": _sha256(b"fine 2")}
    assert record["tracks"][0]["median_box_pixels"] == 10.0
    assert record["warnings"] == []


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def test_workers_shards_and_order_give_the_same_bytes(videos: Videos, tmp_path: Path) -> None:
    records = videos(*TEXTS)
    prepare(records, tmp_path / "one", SETTINGS, workers=0, extract=extract)
    report = prepare(records[::-1], tmp_path / "two", SETTINGS, workers=2, extract=extract)
    assert [o.video_id for o in report.outcomes] == [r.video_id for r in records[::-1]]
    reports = [
        prepare(records, tmp_path / "three", SETTINGS, workers=0, shard=(i, 3), extract=extract) for i in (2, 0, 1)
    ]
    assert [r.finished for r in reports] == [False, False, True]
    assert sum(r.num_videos for r in reports) == len(records)
    assert tree(tmp_path / "one") == tree(tmp_path / "two") == tree(tmp_path / "three")


def test_done_videos_are_skipped(videos: Videos, tmp_path: Path) -> None:
    records = videos(*TEXTS)
    prepare(records[:3], tmp_path / "s", SETTINGS, workers=0, extract=extract)
    calls: list[str] = []

    def counted(path: str, *args: Any, **kwargs: Any) -> Any:
        calls.append(Path(path).stem)
        return extract(path, *args, **kwargs)

    report = prepare(records, tmp_path / "s", SETTINGS, workers=0, extract=counted)
    assert calls == ["v3", "v4", "v5"]
    assert report.num_done_before == 3
    assert (report.num_ok, report.num_clips) == (3, 6)
    prepare(records, tmp_path / "fresh", SETTINGS, workers=0, extract=extract)
    assert tree(tmp_path / "s") == tree(tmp_path / "fresh")
    prepare(records, tmp_path / "s", SETTINGS, workers=0, extract=counted, retry_failed=True)
    assert calls[3:] == ["v3", "v5"]
    few = prepare(records[:2], tmp_path / "s", SETTINGS, workers=0, extract=counted)
    assert few.num_other_videos == 4
    assert len(ClipStore(tmp_path / "s").videos) == 6


def test_a_changed_row_needs_no_new_clips_but_a_changed_file_does(videos: Videos, tmp_path: Path) -> None:
    records = videos("fine 2", "fine 1")
    out = tmp_path / "s"
    prepare(records, out, SETTINGS, workers=0, extract=extract)

    def never(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("not to be extracted again")

    changed = [replace(records[0], label=1, manipulation="swap", split="test"), records[1]]
    prepare(changed, out, SETTINGS, workers=0, extract=never)
    assert ClipStore(out).videos[0].record == changed[0]
    (tmp_path / "elsewhere.mp4").write_text("fine 1")
    prepare([changed[0], replace(records[1], path=str(tmp_path / "elsewhere.mp4"))], out, SETTINGS, extract=never)
    Path(records[0].path).write_text("fine 12")
    prepare(records, out, SETTINGS, workers=0, extract=extract)
    assert len(ClipStore(out).clips) == 12 + 1
    prepare(records, tmp_path / "fresh", SETTINGS, workers=0, extract=extract)
    assert tree(out) == tree(tmp_path / "fresh")


def test_a_video_that_is_gone_by_now_stays(videos: Videos, tmp_path: Path) -> None:
    records = videos("fine 2")
    prepare(records, tmp_path / "s", SETTINGS, workers=0, extract=extract)
    Path(records[0].path).unlink()
    assert prepare(records, tmp_path / "s", SETTINGS, workers=0, extract=extract).num_done_before == 1


def test_damaged_records_and_tars_are_made_again(videos: Videos, tmp_path: Path) -> None:
    records = videos("fine 2", "fine 1", "fine 3")
    prepare(records, tmp_path / "s", SETTINGS, workers=0, extract=extract)
    good = tree(tmp_path / "s")
    fmt.record_path(tmp_path / "s", fmt.key_of("v0")).write_text("{")
    fmt.tar_path(tmp_path / "s", fmt.key_of("v1")).write_bytes(b"short")
    fmt.tar_path(tmp_path / "s", fmt.key_of("v2")).unlink()
    report = prepare(records, tmp_path / "s", SETTINGS, workers=0, extract=extract)
    assert report.num_done_before == 0
    assert tree(tmp_path / "s") == good


def test_killed_at_every_point_and_run_again(videos: Videos, tmp_path: Path) -> None:
    """The process ends at once at each opening, renaming, syncing and removing of a file, one after the other."""
    records = videos("fine 2", "late 2", "empty")
    prepare(records, tmp_path / "stores" / "undisturbed", SETTINGS, workers=0, extract=extract)
    command = [sys.executable, SUPPORT / "crash_points.py", tmp_path / "m.csv", tmp_path / "stores"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=_environment())
    points = [json.loads(line) for line in done.stdout.splitlines()]
    assert [p["died"] for p in points] == [True] * (len(points) - 1) + [False]
    assert len(points) > 25
    sys.path.insert(0, str(SUPPORT))
    from crash_points import tree_hash

    assert {p["tree"] for p in points} == {tree_hash(tmp_path / "stores" / "undisturbed")}


def _environment() -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{SUPPORT}", "OMP_NUM_THREADS": "1"}


RUN = """
import sys
from pathlib import Path
from fake_extract import SETTINGS, extract
from vidfake.data.manifest import read_manifest
from vidfake.data.prepare import prepare

if __name__ == "__main__":
    prepare(read_manifest(sys.argv[1]), sys.argv[2], SETTINGS, workers=2, extract=extract)
"""


def start_run(tmp_path: Path, out: Path) -> subprocess.Popen[str]:
    script = tmp_path / "run.py"
    script.write_text(RUN)
    return subprocess.Popen(
        [sys.executable, script, tmp_path / "m.csv", out],
        env=_environment(),
        stderr=subprocess.PIPE,
        text=True,
        # a suite that a shell started in the background has SIGINT ignored, and its children would inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_records(out: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while len(list(out.glob("shards/*/[0-9a-f]*.json"))) < count:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_killed_at_random_moments_with_workers(videos: Videos, tmp_path: Path) -> None:
    texts = [f"slow {3 + n % 4}" for n in range(24)]
    prepare(videos(*texts), tmp_path / "undisturbed", SETTINGS, workers=0, extract=extract)
    choose = random.Random(5)
    out = tmp_path / "s"
    for count in (1, 5, 9):
        process = start_run(tmp_path, out)
        wait_for_records(out, count, process)
        time.sleep(choose.uniform(0, 0.05))
        process.kill()
        process.communicate()
    assert not (out / "index.json").exists()
    report = prepare(read_manifest(tmp_path / "m.csv"), out, SETTINGS, workers=2, extract=extract)
    assert 0 < report.num_done_before < 24
    assert tree(out) == tree(tmp_path / "undisturbed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_process_and_no_half_files(
    videos: Videos, tmp_path: Path, number: signal.Signals
) -> None:
    videos(*["slow 8"] * 30)
    process = start_run(tmp_path, tmp_path / "s")
    wait_for_records(tmp_path / "s", 2, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert errors.count("Traceback") == 1
    assert not list((tmp_path / "s").rglob(".*"))
    before = tree(tmp_path / "s")
    time.sleep(0.3)
    assert tree(tmp_path / "s") == before
    assert 2 <= len([name for name in before if name.endswith(".json")]) - 1 < 30


def test_a_crashing_decoder_loses_one_video(videos: Videos, tmp_path: Path) -> None:
    records = videos("fine 2", "segfault 2", "fine 1", "once 2", "bug 2", "fine 1")
    report = prepare(records, tmp_path / "s", SETTINGS, workers=2, extract=extract)
    reasons = dict(report.unreadable)
    assert reasons.keys() == {"v1", "v4"}
    assert "its process was ended by signal 11" in reasons["v1"]
    assert reasons["v4"] == "unexpected ZeroDivisionError: a bug in here"
    assert report.num_clips == 2 + 1 + 2 + 1
    assert report.finished
    store = ClipStore(tmp_path / "s")
    assert {clip.video.video_id for clip in store.clips} == {"v0", "v2", "v3", "v5"}


@pytest.mark.parametrize("workers", [0, 1])
def test_errors_that_concern_every_video_stop_the_run(videos: Videos, tmp_path: Path, workers: int) -> None:
    with pytest.raises(StorageError, match="disk full"):
        prepare(videos("fine 1", "full", "fine 1"), tmp_path / "s", SETTINGS, workers=workers, extract=extract)
    assert not list((tmp_path / "s").rglob(".*"))


@pytest.mark.parametrize(("text", "error"), [("unreadable", MediaError), ("bug 1", ZeroDivisionError)])
def test_on_error_stop(videos: Videos, tmp_path: Path, text: str, error: type[Exception]) -> None:
    records = videos("fine 1", text, "fine 1")
    with pytest.raises(error):
        prepare(records, tmp_path / "s", SETTINGS, workers=0, extract=extract, on_error="stop")
    assert [p.stem for p in (tmp_path / "s").glob("shards/*/*.json")] == [fmt.key_of("v0")]


def test_a_full_disk_is_one_clear_error_and_nothing_is_half_written(
    videos: Videos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = videos("fine 2", "fine 3", "fine 1")
    real, calls = os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 8:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"cannot be written \(No space left on device\).*again"):
        prepare(records, tmp_path / "s", SETTINGS, workers=0, extract=extract)
    monkeypatch.setattr(os, "fsync", real)
    assert not list((tmp_path / "s").rglob(".*"))
    report = prepare(records, tmp_path / "s", SETTINGS, workers=0, extract=extract)
    assert report.num_done_before == 1
    prepare(records, tmp_path / "fresh", SETTINGS, workers=0, extract=extract)
    assert tree(tmp_path / "s") == tree(tmp_path / "fresh")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_writing_to_a_really_full_device(videos: Videos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    real = builtins.open

    def full(path: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        return real("/dev/full" if str(path).endswith(f".tar.{os.getpid()}.tmp") else path, mode, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", full)
    with pytest.raises(StorageError, match="No space left on device"):
        prepare(videos("fine 40"), tmp_path / "s", SETTINGS, workers=0, extract=extract)


def test_bad_requests(videos: Videos, tmp_path: Path) -> None:
    records = videos("fine 1")
    with pytest.raises(ManifestError, match="no video to prepare"):
        prepare([], tmp_path / "s", SETTINGS)
    with pytest.raises(ManifestError, match="'v0' is empty or appears twice"):
        prepare([*records, *records], tmp_path / "s", SETTINGS)
    with pytest.raises(UsageError, match="workers is -1"):
        prepare(records, tmp_path / "s", SETTINGS, workers=-1)
    assert not (tmp_path / "s").exists()
    prepare(records, tmp_path / "s", SETTINGS, workers=0, extract=extract)
    with pytest.raises(StoreError, match=r"extract.margin: 1.3 -> 1.4"):
        prepare(records, tmp_path / "s", replace(SETTINGS, margin=1.4), workers=0, extract=extract)


def test_parse_shard() -> None:
    assert parse_shard("0/4") == (0, 4)
    assert parse_shard(" 3/4 ") == (3, 4)
    for bad in ("4/4", "1", "a/b", "-1/4", "1/0", "", "1/2/3"):
        with pytest.raises(UsageError, match="i/n"):
            parse_shard(bad)


def test_the_pool_gives_every_result_once() -> None:
    assert sorted(r for _, r in pool.run_jobs(abs, [-3, 2, -1], workers=2)) == [1, 2, 3]
    assert list(pool.run_jobs(abs, [-3], workers=0)) == [(-3, 3)]
    with pytest.raises(TypeError, match="bad operand"):
        list(pool.run_jobs(abs, [1, "x", 2], workers=1))  # type: ignore[list-item]


def test_leaving_the_pool_early_ends_its_processes() -> None:
    results = pool.run_jobs(time.sleep, [0.0, 600.0, 600.0], workers=2)
    next(results)
    start = time.monotonic()
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - start < 60


def test_opencv_is_told_to_use_one_thread() -> None:
    import cv2

    before = cv2.getNumThreads()
    prepare_video.one_thread_each()
    assert cv2.getNumThreads() == 1
    cv2.setNumThreads(before)
