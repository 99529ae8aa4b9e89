"""Scoring one video: each stage's seconds, against a pure decode of the same file in the same run."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from table import Table

MEASURE = """
import json, resource, sys, time
from pathlib import Path
what, video, checkpoint = sys.argv[1:4]
import torch
from vidfake.inference.load import load_detector
from vidfake.inference.video import score_video
from vidfake.video.reader import open_video
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start = time.perf_counter()
if what == "decode":
    with open_video(video) as reader:
        frames = sum(1 for _ in reader.frames())
    stages, clips = {}, 0
else:
    detector = load_detector(checkpoint)
    start = time.perf_counter()
    result = score_video(video, detector).json
    stages, frames = result["timing_seconds"], result["decode"]["frames_decoded"]
    clips = sum(len(t["clips"]) for t in result["tracks"])
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
found = {"seconds": seconds, "stages": stages, "frames": frames, "clips": clips, "peak": peak, "base": base}
print(json.dumps(found))
"""


def make_video(path: Path, *, seconds: float, width: int = 1920, height: int = 1080) -> None:
    """1080p30 H.264: the animated portrait before a textured wall, 8 Mbit/s or so."""
    import cv2
    import numpy as np

    from vidfake.demo.animate import animate
    from vidfake.demo.media import portrait
    from vidfake.faces.detect import build_detector
    from vidfake.settings import ExtractSettings
    from vidfake.video.writer import write_video

    photo = portrait()
    face = build_detector(ExtractSettings()).detect(photo)[0]
    wall = np.random.default_rng(0).integers(90, 150, (height // 8, width // 8, 3), dtype=np.uint8)
    wall = cv2.resize(wall, (width, height), interpolation=cv2.INTER_CUBIC)
    left = (width - height) // 2

    def frames():  # type: ignore[no-untyped-def]
        for picture in animate(photo, face, seed=3, num_frames=round(seconds * 30), frame_rate=30, side=height):
            frame = wall.copy()
            frame[:, left : left + height] = picture
            yield frame

    write_video(path, frames(), frame_rate=30, crf=23, options={"preset": "medium"})


def make_checkpoint(folder: Path) -> Path:
    """A MobileNetV2 at 224 pixels with the default transformer; its weights do not matter for speed."""
    from vidfake.config import load
    from vidfake.inference.load import join_states
    from vidfake.losses.combine import build_loss
    from vidfake.models.checkpoint import save_checkpoint
    from vidfake.models.detector import build_detector
    from vidfake.settings import RunConfig

    config = load(RunConfig, None, ["model.encoder.weights=none"])
    detector = build_detector(config.model, num_frames=config.extract.num_frames)
    loss = build_loss(config.loss, num_classes=2, embedding_dim=detector.embedding_dim)
    path = folder / "bench.vidfake"
    save_checkpoint(
        path, detector_state=detector.state_dict(), config=config, class_names=("real", "fake"),
        loss_state=loss.state_dict(), readout_state=join_states({}), extra={"readout": "native"},
    )  # fmt: skip
    return path


def measured(what: str, video: Path, checkpoint: Path) -> dict[str, object]:
    """One measurement in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, what, str(video), str(checkpoint)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def run(runs: int = 3) -> list[Table]:
    """Medians of `runs` alternating measurements of the short video; one of the long one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short, long = folder / "short.mp4", folder / "long.mp4"
        make_video(short, seconds=10)
        loop(short, long, times=60)
        checkpoint = make_checkpoint(folder)
        pairs = [(measured("decode", short, checkpoint), measured("score", short, checkpoint)) for _ in range(runs)]
        pairs.sort(key=lambda pair: pair[1]["seconds"] / pair[0]["seconds"])
        decode, score = pairs[len(pairs) // 2]
        long_decode, long_score = measured("decode", long, checkpoint), measured("score", long, checkpoint)
        startup = start_up()
    return [
        stages(decode, score, long_decode, long_score),
        summary(decode, score, long_decode, long_score, startup),
    ]


def loop(source: Path, out: Path, *, times: int) -> None:
    """The same packets `times` over, as one file."""
    import av

    with av.open(str(out), "w") as output:
        target, offset = None, 0
        for _ in range(times):
            with av.open(str(source)) as input_:
                stream = input_.streams.video[0]
                target = target or output.add_stream_from_template(stream)
                end = 0
                for packet in input_.demux(stream):
                    if packet.dts is None:
                        continue
                    end = max(end, packet.pts + packet.duration)
                    packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                    packet.stream = target
                    output.mux(packet)
                offset += end


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


def stages(*runs: dict) -> Table:  # type: ignore[type-arg]
    """Seconds per stage of scoring."""
    _, score, _, long_score = runs
    names = [n for n in score["stages"] if n != "total"]
    rows = [[n, score["stages"][n], long_score["stages"][n]] for n in names]
    return Table(
        "Seconds per stage, 1080p30",
        ["stage", "10 s", "10 min"],
        [*rows, ["total", score["seconds"], long_score["seconds"]]],
    )


def summary(decode: dict, score: dict, long_decode: dict, long_score: dict, startup: dict) -> Table:  # type: ignore[type-arg]
    """Ratios and memory."""
    rows = []
    for name, length, d, s in (("10 s", 10, decode, score), ("10 min", 600, long_decode, long_score)):
        rows.append(
            [
                name,
                d["seconds"],
                s["seconds"],
                s["seconds"] / d["seconds"],
                length / s["seconds"],
                s["clips"],
                s["peak"],
                s["base"],
            ]
        )
    ratio = long_score["peak"] / score["peak"]
    times = ", ".join(f"{k} {v:.2f} s" for k, v in startup.items())
    return Table(
        "Against a pure decode of the same file",
        [
            "video",
            "decode s",
            "score s",
            "score / decode",
            "times real time",
            "clips",
            "peak MiB",
            "of it libraries MiB",
        ],
        rows,
        notes=[f"Peak memory of the long over the short video: {ratio:.2f}. Start-up, counted apart: {times}."],
    )
