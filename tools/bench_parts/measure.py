"""Measures one thing in a process of its own: ``measure.py WHAT VIDEO CHECKPOINT`` prints JSON.

WHAT is ``decode``; or, with a colon between, ``usual`` and ``mtcnn`` or dlib's steps of upsampling, or ``score``
and a profile's name.
Start-up (imports, the detector, the decoding process, one pass of the encoder) is not counted.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command does

USUAL_FRAMES = 32


def main() -> None:
    what, video, checkpoint = sys.argv[1:4]
    kind, _, option = what.partition(":")
    prepare = {"decode": decode, "usual": usual, "score": score}[kind]
    run = prepare(video, checkpoint, option)
    base = peak_mib("self")
    begun, cpu = time.perf_counter(), cpu_seconds()
    found = run()
    found["seconds"] = time.perf_counter() - begun
    found |= {"cpu": cpu_seconds() - cpu, "base": base, "peak": peak_mib("self")}
    found["child_peak"] = max(map(peak_mib, children()), default=0.0)
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
    spread are gone to by index, and a detector looks for faces in each by itself, at full resolution."""
    import cv2
    import numpy as np

    detect = mtcnn() if option == "mtcnn" else dlib_hog(int(option))

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
            faces += detect(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        capture.release()
        return {"frames": frames, "faces": faces}

    return run


def dlib_hog(upsampling: int) -> Callable[[Any], int]:
    """Number of faces that dlib's HOG detector finds, with so many steps of upsampling."""
    import dlib

    found = dlib.get_frontal_face_detector()
    return lambda rgb: len(found(rgb, upsampling))


def mtcnn() -> Callable[[Any], int]:
    """Number of faces that MTCNN finds, as facenet-pytorch has it, with its defaults on the CPU."""
    from facenet_pytorch import MTCNN

    found = MTCNN(keep_all=True, device="cpu")

    def count(rgb: Any) -> int:
        boxes, _ = found.detect(rgb)
        return 0 if boxes is None else len(boxes)

    return count


def children() -> list[str]:
    """Processes that this one has started: the decoding process, which is kept."""
    return Path("/proc/self/task", str(os.getpid()), "children").read_text().split()


def cpu_seconds() -> float:
    """Processor time of this process and its children so far."""
    own, ticks = resource.getrusage(resource.RUSAGE_SELF), os.sysconf("SC_CLK_TCK")
    total = own.ru_utime + own.ru_stime
    for process in children():
        fields = Path("/proc", process, "stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / ticks  # utime and stime
    return total


def peak_mib(process: str) -> float:
    """Most memory that a process held since it began its program (what it was forked from does not count)."""
    lines = Path("/proc", process, "status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
