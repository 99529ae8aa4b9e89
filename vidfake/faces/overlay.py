"""Tracks drawn into a copy of the video: people look before they trust."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidfake.types import ByteArray, FloatArray, Track
from vidfake.video.reader import open_video
from vidfake.video.source import Opener
from vidfake.video.writer import write_video

_GOLDEN_TURN = 0.618034  # hues of neighbouring track ids lie far apart


@dataclass(frozen=True)
class TrackScores:
    """Scores of one track over time: `pts_seconds` (N,) and `scores` (N,), higher = more likely fake."""

    pts_seconds: FloatArray
    scores: FloatArray

    def nearest(self, pts_seconds: float) -> float:
        """The score whose time is nearest."""
        return float(self.scores[int(np.argmin(np.abs(self.pts_seconds - pts_seconds)))])


def render_tracks(
    path: Path | str,
    tracks: Sequence[Track],
    out: Path | str,
    *,
    scores: Mapping[int, TrackScores] | None = None,
    crf: float = 20,
    opener: Opener = open_video,
) -> None:
    """Write a copy of the video with every track's box, landmarks and id, and its score nearest in time.

    `tracks` come from `extract_clips` on the same file; `scores` are by `track_id`; `opener`
    decodes (`sandbox.open_in_child` does it in a confined child). A box is drawn thin where the
    face was interpolated between detections. The sound is left out; an odd row or column of pixels is cut off. The
    file appears whole or not at all. Raises MediaError for the input, StorageError and ConfigError for the output.
    """
    rows = [
        dict(zip(track.frame_indices.tolist(), range(len(track.frame_indices)), strict=True)) for track in tracks
    ]
    with opener(path) as reader:

        def pictures() -> Iterator[tuple[float, ByteArray]]:
            for frame in reader.frames():
                rgb = frame.rgb()
                picture = np.ascontiguousarray(rgb[: rgb.shape[0] // 2 * 2, : rgb.shape[1] // 2 * 2])
                for track, row_of in zip(tracks, rows, strict=True):
                    row = row_of.get(frame.index)
                    if row is not None:
                        known = (scores or {}).get(track.track_id)
                        score = None if known is None else known.nearest(frame.pts_seconds)
                        draw_face(picture, track, row, score=score)
                yield frame.pts_seconds - reader.info.start_seconds, picture

        write_video(out, pictures(), crf=crf)


def draw_face(picture: ByteArray, track: Track, row: int, *, score: float | None = None) -> None:
    """Draw entry `row` of a track into the picture (H, W, 3), in place."""
    import cv2

    colour = track_colour(track.track_id)
    unit = max(1.0, max(picture.shape[:2]) / 640)  # lines and letters of the same share of every picture
    x0, y0, x1, y1 = (round(value) for value in track.boxes[row].tolist())
    thickness = max(1, round(2 * unit)) if track.detected[row] else 1
    cv2.rectangle(picture, (x0, y0), (x1 - 1, y1 - 1), colour, thickness)
    for x, y in track.landmarks[row].tolist():
        cv2.circle(picture, (round(x - 0.5), round(y - 0.5)), max(1, round(unit)), colour, -1)
    text = f"{track.track_id}" if score is None else f"{track.track_id}: {score:.3f}"
    at = (max(0, x0), max(round(14 * unit), y0 - round(4 * unit)))
    for ink, width in (((0, 0, 0), 3), (colour, 1)):  # a dark rim keeps letters readable on any ground
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5 * unit, ink, round(width * unit), cv2.LINE_AA)


def track_colour(track_id: int) -> tuple[int, int, int]:
    """A bright colour of its own for each track."""
    red, green, blue = colorsys.hsv_to_rgb((0.33 + track_id * _GOLDEN_TURN) % 1.0, 0.75, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)
