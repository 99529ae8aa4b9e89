"""Evaluation of 100,000 videos × 32 frames with 2,000 bootstrap resamples: seconds and peak memory."""

from __future__ import annotations

import resource
import time

import numpy as np
from table import Table

from vidfake.metrics.sections import Resampling
from vidfake.metrics.summary import summarise
from vidfake.scores import ScoreTable

NUM_VIDEOS, NUM_FRAMES, NUM_CLIPS, NUM_SOURCES = 100_000, 32, 2, 25_000
NUM_RESAMPLES = 2000


def make_table(num_videos: int = NUM_VIDEOS, num_sources: int = NUM_SOURCES) -> ScoreTable:
    """A quarter real, the rest fakes by three methods; scores with an effect per source, video and frame."""
    rng = np.random.default_rng(0)
    index = np.arange(num_videos)
    method = index % 4  # 0 real
    source = index // 4 % num_sources
    label = (method > 0).astype(np.int64)
    per_video = 0.8 * label + rng.normal(0, 0.5, num_sources)[source] + rng.normal(0, 0.7, num_videos)
    frames = np.repeat(per_video, NUM_FRAMES) + rng.normal(0, 1.0, num_videos * NUM_FRAMES)
    clips = np.repeat(per_video, NUM_CLIPS) + rng.normal(0, 0.5, num_videos * NUM_CLIPS)
    names = np.array(["none", "deepfakes", "face2face", "neuraltextures"], dtype=object)
    return ScoreTable(
        video_id=[f"set/{names[m]}/{i:06d}" for i, m in zip(index, method, strict=True)],
        label=label,
        manipulation=names[method],
        source_id=[f"source{s}" for s in source],
        frame_video=np.repeat(index, NUM_FRAMES),
        frame_pts_seconds=np.tile(np.arange(NUM_FRAMES) / 25, num_videos),
        frame_score=frames,
        clip_video=np.repeat(index, NUM_CLIPS),
        clip_index=np.tile(np.arange(NUM_CLIPS), num_videos),
        clip_score=clips,
        detector="simulated",
    )


def run() -> list[Table]:
    """Time `summarise` on the simulated table; the peak memory is that of the whole process."""
    table = make_table()
    wall, cpu = time.perf_counter(), time.process_time()
    result = summarise(table, dataset="simulated", how=Resampling(num_resamples=NUM_RESAMPLES))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    cells = [len(table), len(table.frame_score), NUM_RESAMPLES, wall, cpu, peak]
    levels = ", ".join(f"{row.level} {row.figures['auc'].value:.4f}" for row in result.sections[0].levels)
    return [
        Table(
            "Evaluation: every figure of one detector on one data set",
            ("videos", "frame scores", "resamples", "seconds", "CPU seconds", "peak GiB"),
            [cells],
            (f"On one core: it does not use more. AUCs of the simulated scores: {levels}.",),
        )
    ]


if __name__ == "__main__":
    print("\n".join(part.markdown() for part in run()))
