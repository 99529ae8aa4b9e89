"""Measures decoding here and in a child, in turn.

``measure_sandbox.py VIDEO TINY CHECKPOINT ROUNDS`` prints JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from measure import children, cpu_seconds, peak_mib

TINY_FILES = 50
Work = Callable[[], Any]


def main() -> None:
    video, tiny, checkpoint, rounds = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    begun = time.perf_counter()
    from vidfake.sandbox import protections

    in_force = protections()
    start_up = time.perf_counter() - begun
    found: dict[str, list[Any]] = {}
    peak = 0.0
    for name, (here, child) in work(video, tiny, checkpoint).items():
        here(), child()
        found[name] = [(timed(here), timed(child)) for _ in range(rounds)]
        peak = max(peak, *map(peak_mib, children()))  # a child is replaced after 200 files
    print(json.dumps({"rounds": found, "start_up": start_up, "peak": peak, "in_force": in_force}))


def work(video: str, tiny: str, checkpoint: str) -> dict[str, tuple[Work, Work]]:
    """What is measured: name -> (in this process, in a child)."""
    from vidfake.faces.detect import build_detector
    from vidfake.faces.extract import extract_clips
    from vidfake.inference.load import load_detector
    from vidfake.inference.video import score_video
    from vidfake.sandbox import extract_in_child

    loaded = load_detector(checkpoint)
    settings = loaded.checkpoint.extract
    faces = build_detector(settings)

    def here(path: str) -> None:
        clips: list[Any] = []
        extract_clips(path, settings, detector=faces, on_clip=clips.append)

    def child(path: str) -> None:
        clips: list[Any] = []
        extract_in_child(path, settings, on_clip=clips.append)

    return {
        "extract": (lambda: here(video), lambda: child(video)),
        "score": (
            lambda: score_video(video, loaded, sandbox=False, face_detector=faces),
            lambda: score_video(video, loaded),
        ),
        "tiny": (
            lambda: [here(tiny) for _ in range(TINY_FILES)],
            lambda: [child(tiny) for _ in range(TINY_FILES)],
        ),
    }


def timed(one: Work) -> tuple[float, float]:
    """Seconds of wall clock and of processor time."""
    wall, used = time.perf_counter(), cpu_seconds()
    one()
    return time.perf_counter() - wall, cpu_seconds() - used


if __name__ == "__main__":
    main()
