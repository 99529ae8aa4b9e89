"""The versioned result of one video, as `vidfake score --json` prints it (result.schema.json)."""

from __future__ import annotations

import importlib.resources
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import vidfake
from vidfake.config import to_dict
from vidfake.errors import MediaError
from vidfake.faces.extract import ExtractionResult
from vidfake.files import sha256_json
from vidfake.inference.load import LoadedDetector
from vidfake.inference.scorer import ScoredClip
from vidfake.inference.verdict import decide
from vidfake.metrics.pooling import frames_averaged, pool_tracks, pool_video
from vidfake.scores import ScoreTable
from vidfake.settings import ScoreSettings
from vidfake.types import Track

SCHEMA_VERSION = "1.2"


@dataclass(frozen=True)
class VideoScore:
    """One video's result. `json` holds all of it; the properties are what programs ask for first."""

    json: dict[str, Any]

    @property
    def status(self) -> str:
        """``ok``, ``no_face`` or ``unreadable``."""
        return str(self.json["status"])

    @property
    def score(self) -> float | None:
        """Video-level score, higher = more likely fake; None unless the status is ``ok``."""
        value: float | None = self.json["video"]["score"]
        return value

    @property
    def verdict(self) -> str:
        """``likely_fake``, ``likely_real``, ``inconclusive``, ``no_face`` or ``unreadable``."""
        return str(self.json["video"]["verdict"])


def schema() -> dict[str, Any]:
    """The JSON schema that every result keeps."""
    text = importlib.resources.files("vidfake.inference").joinpath("result.schema.json").read_text("utf-8")
    value: dict[str, Any] = json.loads(text)
    return value


def build_result(
    *,
    detector: LoadedDetector,
    settings: ScoreSettings,
    table: ScoreTable,
    clips: Sequence[ScoredClip],
    extraction: ExtractionResult | None,
    error: MediaError | None,
    input_facts: dict[str, Any],
    timing: dict[str, float],
    decoded_in: str = "this process",
    profile: str = "balanced",
) -> VideoScore:
    """Pool the clip scores, decide, and lay everything out as the schema says. `decoded_in`: ``sandbox``, ``this
    process`` or ``cache``."""
    status = "unreadable" if extraction is None else ("ok" if clips else "no_face")
    reason = None if status == "ok" else _reason(status, extraction, error)
    pooled_tracks = _pooled_tracks(table, settings) if clips else {}
    return VideoScore(
        {
            "schema_version": SCHEMA_VERSION,
            "tool": {"name": "vidfake", "version": vidfake.__version__},
            "model": _model(detector),
            "input": input_facts,
            "status": status,
            "error": reason,
            "decode": _decode(extraction),
            "tracks": [_track(track, clips, pooled_tracks) for track in (extraction.tracks if extraction else [])],
            "video": _video(detector, settings, table, clips, status, reason),
            "thresholds": None if detector.thresholds is None else detector.thresholds.to_json(),
            "timing_seconds": {key: round(value, 6) for key, value in timing.items()},
            "environment": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "device": str(detector.scorer.device),
                "threads": torch.get_num_threads(),
                "decoded_in": decoded_in,
                "profile": profile,
                "precision": detector.scorer.precision,
            },
        }
    )


def _reason(status: str, extraction: ExtractionResult | None, error: MediaError | None) -> str:
    if error is not None:
        return str(error)
    warnings = extraction.warnings if extraction is not None else []
    return "; ".join(warnings) or "no face was found in the video"


def _model(detector: LoadedDetector) -> dict[str, Any]:
    config = detector.checkpoint.config
    return {
        "name": detector.name,
        "sha256": detector.checkpoint.sha256,
        "loss": config.loss.name,
        "readout": detector.readout_name,
        "encoder": config.model.encoder.name,
        "aggregator": config.model.aggregator.name,
        "extract_sha256": sha256_json(to_dict(detector.checkpoint.extract)),
        "calibrated": detector.calibration is not None,
        "card": detector.card,
    }


def _decode(extraction: ExtractionResult | None) -> dict[str, Any]:
    if extraction is None:
        return {
            "frames_decoded": 0,
            "errors": 0,
            "truncated": False,
            "shot_starts_seconds": [],
            "warnings": [],
            "limits_hit": [],
        }
    return {
        "frames_decoded": extraction.num_frames_decoded,
        "errors": extraction.decode_errors,
        "truncated": extraction.truncated,
        "shot_starts_seconds": list(extraction.shot_starts_seconds),
        "warnings": list(extraction.warnings),
        "limits_hit": list(extraction.limits_hit),
    }


def _pooled_tracks(table: ScoreTable, settings: ScoreSettings) -> dict[int, tuple[float, float, bool]]:
    """Track id -> (score, quality, whether the video score takes it in)."""
    _, ids, scores, quality = pool_tracks(table, settings.track_pooling)
    good = quality >= settings.quality_floor
    pooled = good if good.any() else np.ones_like(good)
    return {int(i): (float(s), float(q), bool(p)) for i, s, q, p in zip(ids, scores, quality, pooled, strict=True)}


def _track(
    track: Track, clips: Sequence[ScoredClip], pooled: dict[int, tuple[float, float, bool]]
) -> dict[str, Any]:
    own = sorted((c for c in clips if c.track_id == track.track_id), key=lambda c: c.clip_index)
    score, quality, is_pooled = pooled.get(track.track_id, (None, None, False))
    frame_scores = [s for clip in own for s in clip.frame_scores]
    return {
        "track_id": int(track.track_id),
        "shot_index": int(track.shot_index),
        "start_seconds": float(track.pts_seconds[0]),
        "end_seconds": float(track.pts_seconds[-1]),
        "num_faces": len(track.pts_seconds),
        "num_detected": int(track.detected.sum()),
        "quality": quality,
        "score": score,
        "frames_averaged_score": float(np.mean(frame_scores)) if frame_scores else None,
        "pooled": is_pooled,
        "median_box": [round(float(v), 2) for v in np.median(track.boxes, axis=0)],
        "clips": [_clip(clip) for clip in own],
    }


def _clip(clip: ScoredClip) -> dict[str, Any]:
    return {
        "clip_index": clip.clip_index,
        "start_seconds": clip.pts_seconds[0],
        "end_seconds": clip.pts_seconds[-1],
        "score": clip.score,
        "quality": clip.quality,
        "frames": [
            {"pts_seconds": t, "score": s, "box": [round(v, 2) for v in box]}
            for t, s, box in zip(clip.pts_seconds, clip.frame_scores, clip.boxes, strict=True)
        ],
    }


def _video(
    detector: LoadedDetector,
    settings: ScoreSettings,
    table: ScoreTable,
    clips: Sequence[ScoredClip],
    status: str,
    reason: str | None,
) -> dict[str, Any]:
    if status != "ok":
        return {
            "score": None,
            "probability": None,
            "frames_averaged_score": None,
            "verdict": status,
            "reasons": [reason],
        }
    score = float(pool_video(table, settings)[0])
    quality = float(np.mean([clip.quality for clip in clips]))
    verdict, reasons = decide(score, detector.thresholds, num_clips=len(clips), overall_quality=quality)
    return {
        "score": score,
        "probability": detector.probability(score),
        "frames_averaged_score": float(frames_averaged(table)[0]),
        "verdict": verdict,
        "reasons": reasons,
    }
