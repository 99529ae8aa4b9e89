"""Measures one thing in a process of its own: ``measure.py WHAT VIDEO CHECKPOINT`` prints JSON.

WHAT is ``decode``, ``dlib``, or ``score`` with a profile's name after a colon. Start-up (imports, the detector, the
decoding process, one pass of the encoder) is not counted.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command does

USUAL_FRAMES = 32


def main() -> None:
    what, video, checkpoint = sys.argv[1:4]
    kind, _, option = what.partition(":")
    prepare = {"decode": decode, "dlib": usual, "score": score}[kind]
    run = prepare(video, checkpoint, option)
    base = peak_mib(resource.RUSAGE_SELF)
    begun, cpu = time.perf_counter(), cpu_seconds()
    found = run()
    found["seconds"] = time.perf_counter() - begun
    if kind == "score":
        from vidfake.sandbox import close_children

        close_children()  # what a child used is known once it has ended
    found |= {"cpu": cpu_seconds() - cpu, "base": base, "peak": peak_mib(resource.RUSAGE_SELF)}
    found["child_peak"] = peak_mib(resource.RUSAGE_CHILDREN)
    print(json.dumps(found))


def decode(video: str, checkpoint: str, option: str) -> Callable[[], dict[str, Any]]:
    """Every frame of the file, and nothing done with it."""
    from vidfake.video.reader import open_video

    def run() -> dict[str, Any]:
        with open_video(video) as reader:
            return {"frames": sum(1 for _ in reader.frames())}

    return run


def score(video: str, checkpoint: str, option: str) -> Callable[[], dict[str, Any]]:
    """`vidfake score` with a profile."""
    import torch

    from vidfake.inference.load import load_detector
    from vidfake.inference.profiles import find_profile
    from vidfake.inference.video import score_video
    from vidfake.sandbox import protections

    detector, profile = load_detector(checkpoint), find_profile(option or "balanced")
    protections()  # the decoding process is up
    length, side = detector.checkpoint.extract.num_frames, detector.checkpoint.extract.crop_size
    with torch.no_grad():
        detector.scorer.detector(
            torch.zeros(1, length, 3, side, side, dtype=torch.uint8),
            torch.ones(1, length, dtype=torch.bool),
            torch.zeros(1, length),
        )

    def run() -> dict[str, Any]:
        result = score_video(video, detector, profile=profile).json
        return {
            "stages": result["timing_seconds"],
            "frames": result["decode"]["frames_decoded"],
            "clips": sum(len(track["clips"]) for track in result["tracks"]),
            "status": result["status"],
        }

    return run


def usual(video: str, checkpoint: str, option: str) -> Callable[[], dict[str, Any]]:
    """The field's usual first step, as its preprocessing scripts have it: OpenCV opens the file, 32 frames evenly
    spread are gone to by index, and dlib's HOG detector looks for faces in each at full resolution."""
    import cv2
    import dlib
    import numpy as np

    detect = dlib.get_frontal_face_detector()

    def run() -> dict[str, Any]:
        capture = cv2.VideoCapture(video)
        total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        faces = frames = 0
        for index in np.linspace(0, total - 1, USUAL_FRAMES, dtype=int):
            capture.set(cv2.CAP_PROP_POS_FRAMES, int(index))
            read, picture = capture.read()
            if not read:
                continue
            frames += 1
            faces += len(detect(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), int(option or 0)))
        capture.release()
        return {"frames": frames, "faces": faces}

    return run


def cpu_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def peak_mib(who: int) -> float:
    """Most memory that was held."""
    return resource.getrusage(who).ru_maxrss / 1024


if __name__ == "__main__":
    main()
