"""Frame scores over time, per track, for drawing into the video."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vidfake.errors import MediaError
from vidfake.faces.overlay import TrackScores
from vidfake.inference.load import LoadedDetector
from vidfake.inference.video import score_video


def track_scores(path: Path | str, detector: LoadedDetector, *, sandbox: bool = True) -> dict[int, TrackScores]:
    """Frame scores of every track, ordered in time. Raises MediaError for a video that cannot be scored."""
    result = score_video(path, detector, sandbox=sandbox)
    if result.status == "unreadable":
        raise MediaError(str(result.json["error"]))
    scores = {}
    for track in result.json["tracks"]:
        frames = {f["pts_seconds"]: f["score"] for clip in track["clips"] for f in clip["frames"]}
        if frames:
            times = np.array(sorted(frames))
            scores[track["track_id"]] = TrackScores(times, np.array([frames[t] for t in times]))
    return scores
