"""The child gives what the parent would have found, and its death is that file's affair alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rigged_child
from made_clips import assert_same

from vidfake.errors import DecoderFailedError, SandboxError, UnreadableVideoError, UsageError
from vidfake.faces.extract import extract_clips
from vidfake.sandbox import (
    SandboxLimits,
    close_children,
    extract_in_child,
    extraction,
    process,
    protections,
    warm_up,
)
from vidfake.settings import ExtractSettings
from vidfake.types import FaceClip, Region

SETTINGS = ExtractSettings(crop_size=64, num_frames=4, min_frames=2, clip_interval_seconds=0.5)
FAST = SandboxLimits(stall_seconds=1.0, max_seconds=3.0)


@pytest.mark.parametrize("region", [None, Region(20, 10, 200, 220)])
@pytest.mark.parametrize("threads", [0, 1])
def test_the_same_to_the_last_bit(face_video: Path, region: Region | None, threads: int) -> None:
    here: list[FaceClip] = []
    there: list[FaceClip] = []
    expected = extract_clips(face_video, SETTINGS, region=region, on_clip=here.append)
    found = extract_in_child(face_video, SETTINGS, region=region, on_clip=there.append, threads=threads)
    assert expected.status == "ok"
    assert len(here) == expected.num_clips > 2
    assert here[0].encoded
    assert_same(there, here)
    assert_same(found, expected)
    assert set(found.timings) == set(expected.timings)


def test_tracks_alone(face_video: Path) -> None:
    assert_same(extract_in_child(face_video, SETTINGS), extract_clips(face_video, SETTINGS))


def test_a_photograph(tmp_path: Path) -> None:
    from PIL import Image

    from vidfake.demo.media import portrait
    from vidfake.faces.photo import extract_photo_clips

    Image.fromarray(portrait()).save(tmp_path / "face.png")
    here: list[FaceClip] = []
    there: list[FaceClip] = []
    expected = extract_photo_clips(tmp_path / "face.png", SETTINGS, on_clip=here.append)
    found = extract_in_child(tmp_path / "face.png", SETTINGS, on_clip=there.append, photo=True)
    assert len(here) == 1
    assert_same(there, here)
    assert_same(found, expected)


def test_errors_are_those_of_extract_clips(face_video: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    bad: list[tuple[Path | str, Region | None, type[Exception]]] = [
        (text, None, UnreadableVideoError),
        (tmp_path / "nothing.mp4", None, UnreadableVideoError),
        ("https://example.org/a.mp4", None, UnreadableVideoError),
        (face_video, Region(0, 0, 5000, 5000), UsageError),
    ]
    for path, region, kind in bad:
        with pytest.raises(kind) as here:
            extract_clips(path, SETTINGS, region=region)
        with pytest.raises(kind) as there:
            extract_in_child(path, SETTINGS, region=region)
        assert type(there.value) is type(here.value)
        assert str(there.value) == str(here.value)


def test_a_relative_path_and_a_name_that_is_not_unicode(
    face_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = os.fsdecode(b"\xff\xfe name.mp4")
    try:
        shutil.copy(face_video, tmp_path / odd)
    except OSError:
        pytest.skip("this file system takes only Unicode names")
    warm_up()
    monkeypatch.chdir(tmp_path)
    assert extract_in_child(odd, SETTINGS).status == "ok"


def test_one_child_serves_many_files_and_is_replaced_in_time(face_video: Path) -> None:
    limits = SandboxLimits(files_per_child=3)
    close_children()
    pids = []
    for _ in range(5):
        extract_in_child(face_video, SETTINGS, limits=limits)
        pids.append([child.pid for child in extraction._idle])
    assert pids[0] == pids[1] != []
    assert pids[2] == []  # its third file was its last
    assert pids[3] == pids[4] not in ([], pids[0])


def test_threads_have_children_of_their_own(face_video: Path) -> None:
    close_children()
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(extract_in_child(face_video, SETTINGS, threads=1)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.status for result in results] == ["ok"] * 2
    assert_same(results[0], results[1])
    assert len({child.pid for child in extraction._idle}) == len(extraction._idle) >= 2


def test_the_parent_works_while_the_child_decodes_on(face_video: Path) -> None:
    """With a slow receiver the child is not slowed down until the queue is full, and no clock runs against it."""
    limits = SandboxLimits(stall_seconds=2.0)
    count = 0

    def slow(clip: FaceClip) -> None:
        nonlocal count
        count += 1
        time.sleep(0.9)

    result = extract_in_child(face_video, SETTINGS, on_clip=slow, limits=limits)
    assert result.num_clips == count > 3


def test_an_error_of_the_receiver_is_raised_as_it_is(face_video: Path) -> None:
    def full(clip: FaceClip) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        extract_in_child(face_video, SETTINGS, on_clip=full)
    assert extract_in_child(face_video, SETTINGS).status == "ok"


# ---- a child that was taken over


@pytest.fixture
def rigged(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    close_children()
    monkeypatch.setattr(process, "_BOOT", rigged_child.BOOT)
    yield
    close_children()


@pytest.fixture
def named(face_video: Path, tmp_path: Path) -> Any:
    return lambda name: Path(shutil.copy(face_video, tmp_path / f"{name}.mp4"))


@pytest.mark.usefixtures("rigged")
@pytest.mark.parametrize(
    ("act", "words"),
    [
        ("segfault", "ended by signal 11"),
        ("quit", "ended with code 0"),
        ("hang", "hangs or is far too slow"),
        ("late", "ended by signal 11"),
        ("nonsense", "no answer"),
        pytest.param("lie", "hangs or is far too slow", marks=pytest.mark.slow),
    ],
)
def test_what_a_child_does_is_a_reason_in_words(named: Any, tmp_path: Path, act: str, words: str) -> None:
    before = sorted(tmp_path.iterdir())
    start = time.monotonic()
    path = named(act)
    with pytest.raises(DecoderFailedError, match=words) as caught:
        extract_in_child(path, SETTINGS, on_clip=lambda clip: None, limits=FAST)
    assert time.monotonic() - start < 20
    assert caught.value.status == "unreadable"
    assert str(path) in str(caught.value)
    assert sorted(tmp_path.iterdir()) == [*before, path]
    if act == "segfault":
        assert extract_in_child(named("honest"), SETTINGS, limits=FAST).status == "ok", "the next file goes on"


@pytest.mark.usefixtures("rigged")
def test_memory_is_bounded(named: Any) -> None:
    limits = SandboxLimits(memory_bytes=1 << 30)
    with pytest.raises(DecoderFailedError, match="needed more memory than allowed"):
        extract_in_child(named("eat"), SETTINGS, limits=limits)


@pytest.mark.usefixtures("rigged")
def test_processor_time_is_bounded_without_the_parent(named: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent that is busy, or stopped, cannot end the child: the kernel does."""
    monkeypatch.setattr(SandboxLimits, "stall_seconds_for", lambda *_: 60.0)
    monkeypatch.setattr(SandboxLimits, "total_seconds_for", lambda *_: 60.0)
    limits = SandboxLimits(stall_seconds=0.3)
    with pytest.raises(DecoderFailedError, match="more processor time than allowed"):
        extract_in_child(named("spin"), SETTINGS, threads=1, limits=limits)


@pytest.mark.usefixtures("rigged")
@pytest.mark.skipif(sys.platform != "linux", reason="the filter on system calls is Linux's")
def test_a_child_that_was_taken_over_can_do_nothing_else(named: Any, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    path = named("misuse")
    kept = path.read_bytes()
    with pytest.raises(DecoderFailedError, match="failed unexpectedly .KeyError: 'done: '"):
        extract_in_child(path, SETTINGS, limits=FAST)
    assert (tmp_path / "victim").read_text() == "mine"
    assert path.read_bytes() == kept
    assert sorted(p.name for p in tmp_path.iterdir()) == ["misuse.mp4", "victim"]


@pytest.mark.usefixtures("rigged")
@pytest.mark.skipif(sys.platform != "linux", reason="the filter on system calls is Linux's")
def test_without_the_filter_it_could(named: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "victim").write_text("mine")
    without = "from vidfake.sandbox import seccomp; seccomp.install = lambda: False; from rigged_child"
    monkeypatch.setattr(process, "_BOOT", rigged_child.BOOT.replace("from rigged_child", without))
    with pytest.raises(DecoderFailedError) as caught:
        extract_in_child(named("misuse"), SETTINGS, limits=FAST)
    for word in ("write", "delete", "socket", "fork", "signal to the parent"):
        assert word in str(caught.value)
    assert not (tmp_path / "victim").exists()


@pytest.mark.usefixtures("rigged")
def test_neither_secrets_nor_torch_are_in_the_child(named: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "http_proxy", "HTTPS_PROXY", "PYTHONPATH", "LD_PRELOAD_X"):
        monkeypatch.setenv(name, "secret")
    with pytest.raises(DecoderFailedError) as caught:
        extract_in_child(named("environment"), SETTINGS, limits=FAST)
    message = str(caught.value)
    assert "torch=False cwd_in_path=False" in message
    assert "PATH" in message
    for name in ("SECRET", "TOKEN", "proxy", "PROXY", "PYTHONPATH"):
        assert name not in message


# ---- life and death


def test_what_is_in_force_is_told() -> None:
    words = protections()
    if sys.platform == "linux":
        assert set(words) >= {"core dumps", "file size", "open files", "memory", "processor time"}
        assert "system calls" in words


def test_a_child_that_does_not_come_up_is_no_fault_of_the_file(
    face_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close_children()
    monkeypatch.setattr(process, "_BOOT", "raise SystemExit(9)")
    with pytest.raises(SandboxError, match=r"did not come up \(ended with code 9\).*--no-sandbox, which gives up"):
        extract_in_child(face_video, SETTINGS)
    monkeypatch.setattr(process, "_BOOT", "print('loading', flush=True)")
    with pytest.raises(SandboxError, match=r"began with what is no greeting.*--no-sandbox"):
        extract_in_child(face_video, SETTINGS)
    monkeypatch.setattr(process.sys, "executable", "/nowhere/python")
    with pytest.raises(SandboxError, match="cannot be started"):
        extract_in_child(face_video, SETTINGS)


def test_a_child_that_was_killed_while_idle_is_replaced(face_video: Path) -> None:
    close_children()
    extract_in_child(face_video, SETTINGS)
    (child,) = extraction._idle
    os.kill(child.pid, signal.SIGKILL)
    child._process.wait()
    assert extract_in_child(face_video, SETTINGS).status == "ok"
    assert [c.pid for c in extraction._idle] != [child.pid]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize("how", ["killed", pytest.param("ends", marks=pytest.mark.slow)])
def test_no_child_outlives_its_parent(face_video: Path, how: str) -> None:
    code = (
        "import sys, time; from vidfake.sandbox import extract_in_child, extraction; "
        "from vidfake.settings import ExtractSettings; extract_in_child(sys.argv[1], ExtractSettings()); "
        "print(extraction._idle[0].pid, flush=True); " + ("time.sleep(60)" if how == "killed" else "")
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(face_video)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if how == "killed":
            parent.kill()
        parent.wait()
    end = time.monotonic() + 5
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_running(pid)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_copy_starts_children_of_its_own(face_video: Path) -> None:
    code = (
        "import os, sys; from vidfake.sandbox import extract_in_child, extraction; "
        "from vidfake.settings import ExtractSettings as S; "
        "run = lambda: extract_in_child(sys.argv[1], S()).status; "
        "first = run(); mine = extraction._idle[0].pid; pid = os.fork()\n"
        "if pid == 0:\n"
        "    assert extraction._idle == []; assert run() == 'ok'; assert extraction._idle[0].pid != mine\n"
        "    extraction.close_children(); os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0; assert run() == 'ok'; assert extraction._idle[0].pid == mine"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(face_video)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_children_can_be_closed_at_any_time() -> None:
    close_children()
    warm_up()
    warm_up()
    assert len(extraction._idle) == 1
    close_children()  # while it is still loading
    assert extraction._idle == []
