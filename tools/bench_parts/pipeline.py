"""Scoring videos: seconds per stage, against a pure decode and against the field's usual pipeline, in one run."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from footage import SIZES, loop, make_checkpoint, make_video
from table import Table

MEASURE = Path(__file__).with_name("measure.py")
FACES = (1, 2, 4, 8)
PROFILES = ("fast", "balanced", "thorough")
USUAL = (
    ("dlib HOG", "usual:0", "dlib"),
    ("dlib HOG, one step of upsampling", "usual:1", "dlib"),
    ("MTCNN", "usual:mtcnn", "facenet_pytorch"),
)
Found = dict[str, Any]


def measured(what: str, video: Path, checkpoint: Path) -> Found:
    """One measurement in a fresh process."""
    done = subprocess.run(
        [sys.executable, str(MEASURE), what, str(video), str(checkpoint)], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"measuring {what} failed: {done.stderr[-2000:]}")
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def median(found: Iterable[Found]) -> Found:
    """The measurement with the middle wall-clock time."""
    ordered = sorted(found, key=lambda one: one["seconds"])
    return ordered[len(ordered) // 2]


def side_by_side(video: Path, checkpoint: Path, runs: int, *names: str) -> list[Found]:
    """Medians of `runs` measurements of each, taken in turn, so that a busy minute slows all of them."""
    rounds = [[measured(name, video, checkpoint) for name in names] for _ in range(runs)]
    return [median(column) for column in zip(*rounds, strict=True)]


def run(runs: int = 3) -> list[Table]:
    """Everything. ``VIDFAKE_BENCH_MINUTES=60`` adds an hour's video to 10 s and 10 min."""
    minutes = [10, *([60] if os.environ.get("VIDFAKE_BENCH_MINUTES") == "60" else [])]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = make_checkpoint(folder)
        short = folder / "1080p.mp4"
        make_video(short, seconds=10)
        before = busy()
        profiles = side_by_side(short, checkpoint, runs, "decode", *(f"score:{p}" for p in PROFILES))
        decode, scores = profiles[0], dict(zip(PROFILES, profiles[1:], strict=True))
        lengths = [("10 s", 10.0, decode, scores["balanced"])]
        for m in minutes:
            long = folder / "long.mp4"
            loop(short, long, times=6 * m)
            d, s = side_by_side(long, checkpoint, 1, "decode", "score:balanced")
            lengths.append((f"{m} min", 60.0 * m, d, s))
            long.unlink()
        tables = [
            stages(lengths),
            summary(lengths, start_up(), before),
            profile_table(decode, scores),
            usual_table(short, checkpoint, scores["balanced"]),
            resolutions(folder, checkpoint, runs, decode, scores["balanced"]),
            people(folder, checkpoint, scores["balanced"]),
        ]
    return tables


def busy(seconds: float = 3.0) -> str:
    """Whether other work runs beside the benchmark: what the processors do while this process waits."""
    before = processor_ticks()
    time.sleep(seconds)
    idle, total = (now - then for now, then in zip(processor_ticks(), before, strict=True))
    share = 1 - idle / max(1, total)
    if share < 0.1:
        return "The machine was idle before the run."
    return (
        f"Other processes ran beside this ({share:.0%} of the processors before it began): wall-clock times are "
        "longer than on an idle machine; ratios within a row, measured in turn, say more; CPU seconds depend on "
        "it least."
    )


def processor_ticks() -> tuple[int, int]:
    """Idle and all ticks of all processors since the machine began."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def stages(lengths: list[tuple[str, float, Found, Found]]) -> Table:
    """Seconds per stage of scoring."""
    names = [name for name in lengths[0][3]["stages"] if name != "total"]
    rows: list[list[Any]] = [[name, *(s["stages"].get(name, 0.0) for *_, s in lengths)] for name in names]
    return Table(
        "Seconds per stage, 1080p30, balanced",
        ["stage", *(name for name, *_ in lengths)],
        [*rows, ["total, wall clock", *(s["seconds"] for *_, s in lengths)]],
        notes=[
            "Decoding runs ahead on threads of its own: its row is the wait for it. The encoder runs beside all "
            "other stages, in another process: rows do not add up to the total."
        ],
    )


def summary(lengths: list[tuple[str, float, Found, Found]], startup: dict[str, float], before: str) -> Table:
    """Ratios and memory."""
    rows = [
        [
            name, d["seconds"], s["seconds"], s["seconds"] / d["seconds"], d["cpu"], s["cpu"],
            length / s["seconds"], s["clips"], s["peak"] - s["base"], s["child_peak"],
        ]
        for name, length, d, s in lengths
    ]  # fmt: skip
    times = ", ".join(f"{key} {value:.2f} s" for key, value in startup.items())
    return Table(
        "Against a pure decode of the same file",
        [
            "video", "decode s", "score s", "score / decode", "decode CPU s", "score CPU s", "times real time",
            "clips", "MiB beyond libraries and detector", "MiB of the decoding process",
        ],
        rows,
        notes=[f"{before} Start-up, counted apart: {times}."],
    )  # fmt: skip


def profile_table(decode: Found, scores: dict[str, Found]) -> Table:
    """Cost of each profile on the short video."""
    return Table(
        "Profiles, 10 s of 1080p30",
        ["profile", "score s", "score / decode", "CPU s", "times real time", "clips"],
        [
            [name, s["seconds"], s["seconds"] / decode["seconds"], s["cpu"], 10 / s["seconds"], s["clips"]]
            for name, s in scores.items()
        ],
    )


def usual_table(video: Path, checkpoint: Path, score: Found) -> Table:
    """The field's usual face detection on the same file, before any network has seen a face."""
    title = "Against the usual face detection (32 full-resolution frames opened by index), 10 s of 1080p30"
    rows: list[list[Any]] = []
    for words, what, package in USUAL:
        if importlib.util.find_spec(package) is None:
            rows.append([f"{words}: not measured, {package} is not installed", *[None] * 4])
            continue
        found = measured(what, video, checkpoint)
        rows.append([words, found["seconds"], found["cpu"], found["frames"], found["seconds"] / score["seconds"]])
    frames = score["clips"] * 16
    rows.append(["vidfake score, everything", score["seconds"], score["cpu"], frames, 1.0])
    notes = [
        "MTCNN is that of facenet-pytorch, which pins an old torch: `pip install requests`, then "
        "`pip install --no-deps facenet-pytorch`."
    ]
    return Table(title, ["what", "s", "CPU s", "frames", "times vidfake's"], rows, notes=notes)


def resolutions(folder: Path, checkpoint: Path, runs: int, decode: Found, score: Found) -> Table:
    """10 s at each size."""
    rows = []
    for name, (width, height) in SIZES.items():
        if name == "1080p":
            d, s = decode, score
        else:
            make_video(folder / "size.mp4", seconds=10, width=width, height=height)
            d, s = side_by_side(folder / "size.mp4", checkpoint, runs, "decode", "score:balanced")
        rows.append([name, d["seconds"], s["seconds"], s["seconds"] / d["seconds"], 10 / s["seconds"], s["clips"]])
    columns = ["size", "decode s", "score s", "score / decode", "times real time", "clips"]
    return Table("Sizes of picture, 10 s, one face", columns, rows)


def people(folder: Path, checkpoint: Path, single: Found) -> Table:
    """10 s of 1080p with several faces at once."""
    rows = []
    for count in FACES:
        if count == 1:
            s = single
        else:
            make_video(folder / "faces.mp4", seconds=10, faces=count)
            s = measured("score:balanced", folder / "faces.mp4", checkpoint)
        rows.append([count, s["seconds"], s["cpu"], s["clips"], s["stages"]["encode"]])
    return Table("Faces, 10 s of 1080p30", ["faces", "score s", "CPU s", "clips", "encode s"], rows)


def start_up() -> dict[str, float]:
    """Seconds until the command line answers, the package is imported, and torch is imported."""
    commands = {
        "import vidfake": [sys.executable, "-c", "import vidfake"],
        "vidfake --help": [sys.executable, "-m", "vidfake", "--help"],
        "import torch": [sys.executable, "-c", "import torch"],
    }
    found = {}
    for name, command in commands.items():
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            seconds.append(time.perf_counter() - start)
        found[name] = sorted(seconds)[1]
    return found
