"""What decoding in a confined child process costs: the same files with and without it, in turn, in one process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from pipeline import make_checkpoint, make_video
from table import Table

MEASURE = """
import json, os, sys, time
from pathlib import Path
video, tiny, checkpoint, rounds = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
start = time.perf_counter()
from vidfake.sandbox import extract_in_child, extraction, protections
in_force = protections()
start_up = time.perf_counter() - start
from vidfake.faces.detect import build_detector
from vidfake.faces.extract import extract_clips
from vidfake.inference.load import load_detector
from vidfake.inference.video import score_video
loaded = load_detector(checkpoint)
settings = loaded.checkpoint.extract
faces = build_detector(settings)
tick = os.sysconf("SC_CLK_TCK")
def cpu():
    found = time.process_time()
    for child in extraction._idle:
        fields = Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        found += (int(fields[11]) + int(fields[12])) / tick
    return found
def timed(work):
    wall, used = time.perf_counter(), cpu()
    work()
    return time.perf_counter() - wall, cpu() - used
def many(work, count):
    return lambda: [work() for _ in range(count)]
keep = []
WORK = {
    "extract": (lambda: extract_clips(video, settings, detector=faces, on_clip=keep.append),
                lambda: extract_in_child(video, settings, on_clip=keep.append)),
    "score": (lambda: score_video(video, loaded, sandbox=False, face_detector=faces),
              lambda: score_video(video, loaded)),
    "tiny": (many(lambda: extract_clips(tiny, settings, detector=faces, on_clip=keep.append), 50),
             many(lambda: extract_in_child(tiny, settings, on_clip=keep.append), 50)),
}
found = {}
for name, (here, child) in WORK.items():
    here(); child()
    found[name] = []
    for _ in range(rounds):
        found[name].append((timed(here), timed(child)))
        keep.clear()
peak = 0
for child in extraction._idle:
    status = Path(f"/proc/{child.pid}/status").read_text()
    peak = max(peak, *(int(l.split()[1]) for l in status.splitlines() if l.startswith("VmHWM")))
print(json.dumps({"rounds": found, "start_up": start_up, "peak": peak / 1024, "in_force": in_force}))
"""
ROWS = {
    "extract": "faces and clips of a 1080p30 video of 10 s",
    "score": "the same, scored: the detector runs while the child decodes",
    "tiny": "faces and clips of 50 videos of 8 frames at 64 x 48",
}


def run(rounds: int = 7) -> list[Table]:
    """Medians of `rounds` measurements of each, in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video, tiny = folder / "video.mp4", folder / "tiny.mp4"
        make_video(video, seconds=10)
        write_tiny(tiny)
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(video), str(tiny), str(make_checkpoint(folder)), str(rounds)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    rows = []
    for key, what in ROWS.items():
        pairs = found["rounds"][key]
        wall = [statistics.median(pair[side][0] for pair in pairs) for side in (0, 1)]
        cpu = [statistics.median(pair[side][1] for pair in pairs) for side in (0, 1)]
        ratio = statistics.median(pair[1][0] / pair[0][0] for pair in pairs)
        cpu_ratio = statistics.median(pair[1][1] / pair[0][1] for pair in pairs)
        rows.append((what, wall[0], wall[1], ratio, cpu[0], cpu[1], cpu_ratio))
    load = os.getloadavg()[0]
    note = (
        f"Medians of {rounds} measurements, each with and then without, in one process; ratios are medians of the "
        f"ratios of the pairs. Starting a child takes {found['start_up']:.2f} s, once for a batch and again every "
        "200 files; `vidfake score` starts it while it loads the detector. A child's largest resident memory here: "
        f"{found['peak']:.0f} MiB. In force in it: {', '.join(found['in_force'])}. "
        f"Load average meanwhile: {load:.1f}."
    )
    return [
        Table(
            "Decoding in a child process against decoding in this one",
            ("what", "here s", "child s", "child / here", "here CPU s", "child CPU s", "CPU ratio"),
            rows,
            (note,),
        )
    ]


def write_tiny(path: Path) -> None:
    """Eight small frames: nothing but overhead."""
    import numpy as np

    from vidfake.video.writer import write_video

    write_video(path, (np.full((48, 64, 3), 20 * i, np.uint8) for i in range(8)), frame_rate=25)
