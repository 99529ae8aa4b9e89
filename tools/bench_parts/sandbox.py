"""What decoding in a confined child process costs: the same files with and without it, in turn, in one process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from footage import make_checkpoint, make_video
from table import Table

MEASURE = Path(__file__).with_name("measure_sandbox.py")
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
            [sys.executable, str(MEASURE), str(video), str(tiny), str(make_checkpoint(folder)), str(rounds)],
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
