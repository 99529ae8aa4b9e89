"""One video, scored: decode, faces, clips, detector, pooling, verdict; the same path that training data takes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vidfake.data.batch import ClipBatch, ClipItem, collate
from vidfake.errors import MediaError, UsageError
from vidfake.faces.detect import FaceDetector
from vidfake.faces.extract import ExtractionResult, extract_clips
from vidfake.files import sha256_file
from vidfake.inference.cache import ClipCache
from vidfake.inference.load import LoadedDetector
from vidfake.inference.profiles import BALANCED, Profile
from vidfake.inference.result import VideoScore, build_result
from vidfake.inference.scorer import ScoredClip
from vidfake.sandbox import extract_in_child
from vidfake.scores import ScoreTableBuilder
from vidfake.settings import ScoreSettings
from vidfake.types import FaceClip, Region, VideoRecord

CPU_CLIPS, GPU_CLIPS = 1, 16
"""Clips, of any track, that the detector takes at once. A clip's frames keep a processor busy, and what waits for
others is time lost beside the decoder; a graphics card wants more."""


@dataclass
class _Stream:
    """Scores clips as they come, while the next are decoded, so that memory stays flat."""

    detector: LoadedDetector
    num_frames: int
    flip: bool = False
    waiting: list[FaceClip] = field(default_factory=list)
    scored: list[ScoredClip] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, clip: FaceClip) -> None:
        self.waiting.append(replace(clip, encoded=()))
        if len(self.waiting) >= (CPU_CLIPS if self.detector.scorer.device.type == "cpu" else GPU_CLIPS):
            self.flush()

    def flush(self) -> None:
        if not self.waiting:
            return
        start = time.perf_counter()
        scores = self.detector.scorer(batch_of(self.waiting, self.num_frames), flip=self.flip)
        for i, clip in enumerate(self.waiting):
            self.scored.append(
                ScoredClip(
                    clip.track_id,
                    clip.clip_index,
                    float(scores.clip_scores[i]),
                    float(np.mean(clip.quality["overall"])),
                    scores.frame_scores[i, scores.mask[i]].tolist(),
                    clip.pts_seconds.tolist(),
                    clip.boxes.tolist(),
                    float(np.mean(clip.quality["size_pixels"])),
                )
            )
        self.waiting = []
        self.seconds += time.perf_counter() - start


def batch_of(clips: Iterable[FaceClip], num_frames: int) -> ClipBatch:
    """Clips as the detector takes them. Labels are unknown here and stand at 0."""
    return collate(
        [
            ClipItem(
                faces=clip.faces,
                features=None,
                pts_seconds=clip.pts_seconds - clip.pts_seconds[0],
                length=num_frames,
                label=0,
                class_label=0,
                video_id="",
                source_id="",
                dataset="",
                compression="",
                track_id=clip.track_id,
                clip_index=clip.clip_index,
            )
            for clip in clips
        ]
    )


def score_video(
    path: Path | str,
    detector: LoadedDetector,
    *,
    settings: ScoreSettings | None = None,
    region: Region | None = None,
    face_detector: FaceDetector | None = None,
    threads: int = 0,
    sandbox: bool = True,
    profile: Profile = BALANCED,
    cache: ClipCache | None = None,
) -> VideoScore:
    """Score one file at every level. Never raises for what the file is: that is a status with its reason.

    The file is decoded in a confined child process, and the detector runs here meanwhile. Without `sandbox` it is
    decoded here, with the same result: a file made to attack the decoder then attacks this process. Only so can
    `face_detector` be an object of the caller's. `profile` says how much of the video is looked at. With a `cache`
    the clips of a video that was seen before are taken from there, and those of another are kept there.
    """
    if sandbox and face_detector is not None:
        raise UsageError(
            "a face detector object cannot be carried into the decoding process. Name it in the extract settings, "
            "or pass sandbox=False."
        )
    started = time.perf_counter()
    settings = settings or detector.checkpoint.config.score
    extract = profile.extract(detector.checkpoint.extract)
    stream = _Stream(detector, extract.num_frames, profile.flip)
    found: ExtractionResult | None = None
    error: MediaError | None = None
    num_bytes, sha256 = _identity(path)

    def make(on_clip: Callable[[FaceClip], None]) -> ExtractionResult:
        if sandbox:
            return extract_in_child(path, extract, region=region, on_clip=on_clip, threads=threads)
        return extract_clips(path, extract, region=region, detector=face_detector, on_clip=on_clip, threads=threads)

    cached = False
    try:
        if cache is None or sha256 is None:
            found = make(stream.add)
        else:
            found, cached = cache.extract(sha256, extract, region=region, on_clip=stream.add, make=make)
        stream.flush()
    except MediaError as problem:
        error = problem
        stream.scored = []  # clips that came before the failure are worth nothing
    table = _table(stream.scored, found)
    timing = {} if found is None or cached else dict(found.timings)
    timing |= {"encode": stream.seconds, "total": time.perf_counter() - started}
    return build_result(
        detector=detector,
        settings=settings,
        table=table,
        clips=stream.scored,
        extraction=found,
        error=error,
        input_facts={
            "path": str(path),
            "bytes": num_bytes,
            "sha256": sha256,
            "region": None if region is None else [region.x, region.y, region.width, region.height],
            "info": None if found is None else _plain(asdict(found.info)),
        },
        timing=timing,
        decoded_in="cache" if cached else "sandbox" if sandbox else "this process",
        profile=profile.name,
    )


def _identity(path: Path | str) -> tuple[int | None, str | None]:
    """Size and hash of the file before anything of it is decoded; None where it cannot be read."""
    try:
        if not os.path.isfile(path):  # noqa: PTH113 (a path may hold characters that Path refuses)
            return None, None
        return os.path.getsize(path), sha256_file(path)  # noqa: PTH202
    except (OSError, ValueError):
        return None, None


def _table(clips: list[ScoredClip], found: ExtractionResult | None) -> Any:
    builder = ScoreTableBuilder()
    record = VideoRecord(video_id="video", path="")
    if not clips:
        builder.add(record, status="unreadable" if found is None else "no_face")
        return builder.table()
    builder.add(
        record,
        frames={
            "track": [c.track_id for c in clips for _ in c.frame_scores],
            "pts_seconds": [t for c in clips for t in c.pts_seconds],
            "score": [s for c in clips for s in c.frame_scores],
        },
        clips={
            "track": [c.track_id for c in clips],
            "index": [c.clip_index for c in clips],
            "start_seconds": [c.pts_seconds[0] for c in clips],
            "score": [c.score for c in clips],
            "quality": [c.quality for c in clips],
        },
    )
    return builder.table()


def _plain(value: Any) -> Any:
    """JSON-ready values: tuples as lists, numbers that are not finite as null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
