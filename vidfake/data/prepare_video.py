"""One video into the store: what a worker process of `prepare` does."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from vidfake.data.report import VideoOutcome
from vidfake.data.store_format import plain_facts
from vidfake.data.store_writer import ShardWriter
from vidfake.errors import MediaError, UsageError, VidfakeError
from vidfake.files import sha256_file
from vidfake.settings import ExtractSettings
from vidfake.types import FaceClip, Region, Status, Track, VideoRecord

OnError = Literal["record", "stop"]


class Extract(Protocol):
    """`faces.extract.extract_clips`, or a stand-in that can be pickled."""

    def __call__(
        self, path: str, settings: ExtractSettings, *, region: Region | None, on_clip: Callable[[FaceClip], None]
    ) -> Any:
        """Call `on_clip` for each clip; return an `ExtractionResult`."""
        ...


@dataclass(frozen=True)
class Job:
    """One video to prepare. `threads` are the decoder's; with `sandbox` it runs in a confined child process."""

    record: VideoRecord
    store: Path
    settings: ExtractSettings
    extract: Extract | None
    threads: int
    on_error: OnError
    sandbox: bool = True


def one_thread_each() -> None:
    """OpenCV on one thread: the other processors have workers of their own."""
    import cv2

    cv2.setNumThreads(1)


def prepare_video(job: Job) -> VideoOutcome:
    """Write one video's clips and record. A video that cannot be used is a record with status and reason.

    Errors of the store or the settings are raised: the next video would meet them too.
    """
    start = time.perf_counter()
    with ShardWriter(job.store, job.record, job.settings) as shard:
        status: Status
        try:
            facts, seconds, timings = _extract(job, shard)
            status, reason = ("ok", "") if shard.num_clips else ("no_face", _why_none(facts))
        except Exception as error:
            if job.on_error == "stop" or not _is_of_this_video(error):
                raise
            status, reason = _what_became(error)
            facts, seconds, timings = {"source": _source(job.record.path)}, 0.0, {}
            shard.abandon()
        shard.finish(status=status, reason=reason, facts=facts)
        return VideoOutcome(
            video_id=job.record.video_id,
            status=status,
            reason=reason,
            num_clips=shard.num_clips,
            num_faces=shard.num_faces,
            num_bytes=shard.num_bytes,
            video_seconds=seconds,
            seconds=time.perf_counter() - start,
            timings=timings,
        )


def _is_of_this_video(error: Exception) -> bool:
    """Media that cannot be used, a region outside of the picture, or a bug that this file brings to light."""
    return isinstance(error, MediaError) or type(error) is UsageError or not isinstance(error, VidfakeError)


def _what_became(error: Exception) -> tuple[Status, str]:
    if isinstance(error, MediaError) and error.status == "no_face":
        return "no_face", str(error)
    expected = isinstance(error, VidfakeError)
    return "unreadable", str(error) if expected else f"unexpected {type(error).__name__}: {error}"


def record_crash(job: Job, how: str) -> VideoOutcome:
    """The record of a video whose worker process died."""
    reason = f"unexpected: {how}"
    with ShardWriter(job.store, job.record, job.settings) as shard:
        shard.finish(status="unreadable", reason=reason, facts={"source": _source(job.record.path)})
    return VideoOutcome(job.record.video_id, "unreadable", reason, 0, 0, 0)


def _extract(job: Job, shard: ShardWriter) -> tuple[dict[str, Any], float, dict[str, float]]:
    """Facts for the record, length in seconds, seconds per stage."""
    from vidfake.faces.photo import extract_photo_clips, is_photo
    from vidfake.sandbox import extract_in_child

    source = _source(job.record.path)
    region = job.record.region
    if job.extract is not None:
        result = job.extract(job.record.path, job.settings, region=region, on_clip=shard.add_clip)
    elif job.sandbox:
        result = extract_in_child(
            job.record.path,
            job.settings,
            region=region,
            on_clip=shard.add_clip,
            threads=job.threads,
            photo=is_photo(job.record.path),
        )
    elif is_photo(job.record.path):
        result = extract_photo_clips(job.record.path, job.settings, region=region, on_clip=shard.add_clip)
    else:
        from vidfake.faces.extract import extract_clips

        result = extract_clips(
            job.record.path, job.settings, region=region, on_clip=shard.add_clip, threads=job.threads
        )
    info = plain_facts(result.info)
    facts = {
        "source": source,
        "info": info,
        "num_frames_decoded": int(result.num_frames_decoded),
        "decode_errors": int(result.decode_errors),
        "truncated": bool(result.truncated),
        "shot_starts_seconds": [float(start) for start in result.shot_starts_seconds],
        "warnings": list(result.warnings),
        "limits_hit": list(result.limits_hit),
        "tracks": [_track_facts(track) for track in result.tracks],
    }
    return facts, float(info.get("duration_seconds") or 0.0), dict(result.timings)


def _why_none(facts: dict[str, Any]) -> str:
    return "; ".join(facts["warnings"]) or f"no face in {facts['num_frames_decoded']} frames"


def _source(path: str) -> dict[str, Any]:
    """Size and SHA-256 of a source file: by these, and not by its name, files are compared."""
    try:
        return {"bytes": os.stat(path).st_size, "sha256": sha256_file(path)}
    except OSError:
        return {"bytes": None, "sha256": None}


def _track_facts(track: Track) -> dict[str, Any]:
    sides = track.boxes[:, 2:] - track.boxes[:, :2]
    return {
        "track_id": int(track.track_id),
        "shot_index": int(track.shot_index),
        "num_frames": len(track.frame_indices),
        "start_seconds": float(track.pts_seconds[0]),
        "end_seconds": float(track.pts_seconds[-1]),
        "mean_confidence": float(np.mean(track.confidences)),
        "median_box_pixels": float(np.median(np.sqrt(np.prod(sides, axis=1)))),
    }
