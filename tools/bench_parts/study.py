"""A loss study on cached features: seconds per run, overhead of the runner, memory, and the whole laptop study."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from table import Table

if TYPE_CHECKING:
    from vidfake.study.analysis_times import StudyTimes

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
    from vidfake.study.analysis_times import study_times
    from vidfake.study.definition import StudyData, StudyTest, load_study
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
        run_study(study, out, workers=workers)
        times = study_times(StudyFolder(out))
        start = time.perf_counter()
        run_study(study, out, workers=workers)
        again = time.perf_counter() - start
    full = len(laptop.loss_names()) * len(laptop.tasks) * (laptop.trials + len(laptop.seeds))
    # processor seconds: a machine that others use too would say nothing else
    mean = {phase: found.cpu_seconds for phase, found in times.by_phase.items()}
    hours = len(laptop.loss_names()) * len(laptop.tasks) / workers / 3600
    hours *= laptop.trials * mean["search"] + len(laptop.seeds) * mean["final"]
    whole = f"whole laptop study ({full} runs) at this rate"
    tables = tables_of(times, f"{laptop.steps} steps of 64 clips of 8 frames")
    more = [["a finished study run again", f"{again:.1f} s"], [whole, f"{hours:.2f} h"]]
    return [replace(tables[0], rows=[*tables[0].rows, *more]), *tables[1:]]


def finished(folder: Path) -> tuple[str, list[Table]]:
    """The name of a study that was run, and what it took."""
    from vidfake.study.analysis_times import study_times
    from vidfake.study.results import StudyFolder

    times = study_times(StudyFolder(folder))
    study = StudyFolder(folder).state().study
    return times.name, tables_of(times, f"{study.trials} trials and {len(study.seeds)} seeds per loss and task")


def tables_of(times: StudyTimes, what: str) -> list[Table]:
    """The whole, and each loss."""
    wall = times.wall
    memory = max(times.peak_rss_mib.values())
    of = "of a run" if times.peak_of_run else "of a worker process"
    parent = times.parent_rss_mib
    together = (
        f"{wall.workers} x {memory:.0f} MiB, and the process that hands out runs"
        if parent is None
        else f"{wall.workers * memory + parent:.0f} MiB"
    )
    rows: list[list[object]] = [
        ["runs (of them failed)", f"{times.runs} ({times.failed})"],
        ["wall time with runs going on", f"{wall.seconds / 60:.1f} min in {wall.sessions} session(s)"],
        ["preparing clips and features", _minutes(wall.preparing)],
        ["standing still or preparing, between runs", _minutes(wall.pauses)],
        ["processor time of the runs", f"{times.cpu_seconds / 60:.1f} min"],
        *(
            [f"seconds per {word}, mean", f"{m.seconds:.2f} ({m.cpu_seconds:.2f} of a processor)"]
            for phase, word in (("search", "trial"), ("final", "final run"))
            if (m := times.by_phase.get(phase))
        ),
        ["overhead of the runner: share of the workers' time that was no run", f"{100 * wall.overhead:.1f} %"],
        [f"peak memory {of}", f"{memory:.0f} MiB"],
        ["peak memory of the process that hands out runs", _mib(parent)],
        ["all processes together, at most", together],
    ]
    notes = [f"Wall time and overhead from {wall.source}. Pages of clips that all processes map count for each."]
    tasks = list(dict.fromkeys(task for found in times.by_loss.values() for task, _ in found))
    kinds = [(task, phase) for task in tasks for phase in ("search", "final")]
    words = {"search": "trial", "final": "final run"}
    header = ["loss", *(f"{task}: {words[phase]}" for task, phase in kinds), f"peak MiB {of}"]
    losses: list[list[object]] = [
        [
            loss,
            *(found[kind].cpu_seconds if kind in found else "–" for kind in kinds),
            f"{times.peak_rss_mib[loss]:.0f}",
        ]
        for loss, found in times.by_loss.items()
    ]
    return [
        Table(f"Study '{times.name}', {what}, {wall.workers} processes", ["what", "figure"], rows, notes),
        Table("Processor seconds per run by loss", header, losses, ["Means over the runs that did not fail."]),
    ]


def _minutes(seconds: float | None) -> str:
    return "not recorded" if seconds is None else f"{seconds / 60:.1f} min"


def _mib(value: float | None) -> str:
    return "not recorded" if value is None else f"{value:.0f} MiB"


def _small_encoder() -> dict[str, object]:
    return {"name": "mobilenet_v2", "weights": "none", "input_size": 64, "frozen": True}
