"""A loss study on cached features: seconds per run, overhead of the runner, memory, and the whole laptop study."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from table import Table

LOSSES = ("softmax", "arcface", "subcenter_arcface", "ring", "triplet", "supcon", "multi_similarity", "ranked_list")
CLASSES = ("none", "swap", "mouth", "warp", "blend", "flicker")
LAPTOP = Path(__file__).resolve().parents[2] / "configs" / "studies" / "laptop.toml"


def write_store(folder: Path, *, sources: int = 90, clips: int = 6, frames: int = 8) -> Path:
    """Noise with a pattern per manipulation, 64 pixels: as many clips as a laptop study has."""
    import numpy as np

    from vidfake.data.store_writer import ShardWriter, StoreWriter
    from vidfake.faces.quality import QUALITY_NAMES
    from vidfake.settings import ExtractSettings
    from vidfake.types import FaceClip, VideoRecord

    settings = ExtractSettings(crop_size=64, num_frames=frames)
    rng = np.random.default_rng(0)
    landmarks = np.tile([[24, 26], [40, 26], [32, 34], [26, 42], [38, 42]], (frames, 1, 1)).astype(float)
    pattern = [np.kron(rng.normal(0, 1, (8, 8, 3)), np.ones((8, 8, 1))) for _ in CLASSES]
    with StoreWriter(folder, settings) as writer:
        for source in range(sources):
            base = rng.integers(60, 190, (64, 64, 3))
            for kind, name in enumerate(CLASSES):
                record = VideoRecord(
                    video_id=f"{source}-{name}", path="x", label=int(kind > 0), manipulation=name,
                    source_id=str(source), split=("train", "train", "validation", "test")[source % 4],
                )  # fmt: skip
                with ShardWriter(folder, record, settings) as video:
                    for index in range(clips):
                        faces = base + 8 * kind * pattern[kind] + rng.normal(0, 12, (frames, 64, 64, 3))
                        video.add_clip(
                            FaceClip(
                                track_id=0, shot_index=0, clip_index=index,
                                faces=np.clip(faces, 0, 255).astype(np.uint8),
                                pts_seconds=2.0 * index + np.arange(frames) / 25, frame_indices=np.arange(frames),
                                boxes=np.tile([0.0, 0.0, 64.0, 64.0], (frames, 1)), landmarks=landmarks,
                                crop_landmarks=landmarks, quality={n: np.full(frames, 0.8) for n in QUALITY_NAMES},
                            )
                        )  # fmt: skip
                    video.finish(status="ok")
        writer.finish()
    return folder


def run() -> list[Table]:
    """The laptop study's settings on that store, with a few of its losses."""
    from vidfake.study.definition import StudyData, StudyTest, load_study
    from vidfake.study.pace import StudyProgress
    from vidfake.study.results import StudyFolder
    from vidfake.study.run import run_study

    laptop = load_study(LAPTOP)
    workers = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        store, out = write_store(Path(name) / "store"), Path(name) / "out"
        study = replace(
            laptop,
            losses=LOSSES,
            trials=6,
            seeds=(1, 2),
            primary_test="people",
            data=StudyData(store=str(store), validation_held_out=("warp",), feature_dim=laptop.data.feature_dim),
            tests=(StudyTest("people"),),
            config={**laptop.config, "model": {**laptop.config["model"], "encoder": _small_encoder()}},
        )
        seen: list[tuple[float, StudyProgress]] = []
        run_study(study, out, workers=workers, watch=lambda now: seen.append((time.perf_counter(), now)))
        records = list(StudyFolder(out).all_records())
        start = time.perf_counter()
        run_study(study, out, workers=workers)
        again = time.perf_counter() - start
    spent = sum(r.cost.seconds for r in records)
    wall = seen[-1][0] - seen[0][0]
    full = len(laptop.loss_names()) * len(laptop.tasks) * (laptop.trials + len(laptop.seeds))
    # processor seconds: a machine that others use too would say nothing else
    each = {p: [r.cost.cpu_seconds for r in records if r.phase == p] for p in ("search", "final")}
    mean = {phase: sum(values) / len(values) for phase, values in each.items()}
    hours = len(laptop.loss_names()) * len(laptop.tasks) / workers / 3600
    hours *= laptop.trials * mean["search"] + len(laptop.seeds) * mean["final"]
    per_loss = [
        [loss, sum(s) / len(s)]
        for loss in LOSSES
        for s in [[r.cost.cpu_seconds for r in records if r.arm == loss and r.phase == "search"]]
    ]
    return [
        Table(
            f"Loss study, cached, {laptop.steps} steps of 64 clips of 8 frames, {workers} processes",
            ["what", "figure"],
            [["processor seconds per trial", mean["search"]], ["processor seconds per final run", mean["final"]],
             ["overhead of the runner, processes' start included", f"{100 * (wall * workers / spent - 1):.1f} %"],
             ["peak memory of a process", f"{max(r.cost.peak_rss_mib for r in records):.0f} MiB"],
             ["failed runs", sum(r.status != "ok" for r in records)],
             ["a finished study run again", f"{again:.1f} s"],
             [f"whole laptop study ({full} runs) at this rate", f"{hours:.2f} h"]],
        ),
        Table("Processor seconds per trial by loss", ["loss", "seconds"], per_loss),
    ]  # fmt: skip


def _small_encoder() -> dict[str, object]:
    return {"name": "mobilenet_v2", "weights": "none", "input_size": 64, "frozen": True}
