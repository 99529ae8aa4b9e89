"""A maker of fakes applied to a whole video: the manipulated face is put back where it was taken from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vidfake.errors import MediaError, UsageError
from vidfake.faces.align import apply, crop_transform, inverse, warp
from vidfake.faces.extract import extract_clips
from vidfake.seeding import generator
from vidfake.settings import ExtractSettings
from vidfake.synth import MadeClip, Maker, MakerClip
from vidfake.types import ByteArray, FloatArray, Region, Track
from vidfake.video.reader import open_video
from vidfake.video.writer import write_video

MAX_FACES = 1500  # aligned faces held at once: 300 MB at 256 pixels


@dataclass(frozen=True)
class RenderedFake:
    """What was written: the maker's own parameters for the manipulated track, and how many frames it touched."""

    path: Path
    track_id: int
    num_frames: int
    num_manipulated: int
    parameters: dict[str, Any]


def render_fake(
    path: Path | str,
    out: Path | str,
    maker: Maker,
    *,
    seed: int,
    settings: ExtractSettings,
    region: Region | None = None,
    crf: int = 18,
) -> RenderedFake:
    """Write a copy of `path` to `out` (H.264) in which the longest track's face is manipulated.

    Outside the manipulation's mask every frame is as decoded; the whole is encoded once more, so compare it with a
    real video that was encoded as often and alike (`render_copy`). Raises MediaError for a video without a face,
    UsageError for one longer than MAX_FACES frames of a face.
    """
    # as dense outside of clip windows as within: every frame of the track is manipulated
    dense = replace(settings, scan_interval_seconds=settings.detect_interval_seconds)
    found = extract_clips(path, dense, region=region)
    if not found.tracks:
        raise MediaError(f"{path}: no face was found, so there is nothing to manipulate. Choose another video.")
    track = max(found.tracks, key=lambda t: len(t.frame_indices))
    if len(track.frame_indices) > MAX_FACES:
        raise UsageError(
            f"{path}: the face is seen in {len(track.frame_indices)} frames; at most {MAX_FACES} are held at once. "
            "Cut the video into shorter pieces."
        )
    made = maker(_aligned(path, track, settings), generator(seed, "render"))
    count = _write(path, out, track, made, settings, crf)
    return RenderedFake(Path(out), track.track_id, count, len(track.frame_indices), made.parameters)


def render_copy(path: Path | str, out: Path | str, *, crf: int = 18) -> int:
    """Write `path` to `out` through the same encoder as `render_fake`, manipulating nothing. Returns the frames."""
    count = 0
    with open_video(path) as reader:

        def frames() -> Iterator[tuple[float, ByteArray]]:
            nonlocal count
            for frame in reader.frames():
                count += 1
                yield frame.pts_seconds, frame.rgb()

        _encode(out, frames(), crf)
    return count


def _aligned(path: Path | str, track: Track, settings: ExtractSettings) -> MakerClip:
    """Every aligned face of the track, with its landmarks in the crop."""
    rows = {int(index): i for i, index in enumerate(track.frame_indices)}
    size, margin = settings.crop_size, settings.margin
    faces = np.empty((len(rows), size, size, 3), np.uint8)
    landmarks = np.empty((len(rows), 5, 2))
    with open_video(path) as reader:
        for frame in reader.frames():
            row = rows.get(frame.index)
            if row is not None:
                aspect = reader.info.pixel_aspect_ratio
                matrix = crop_transform(track.landmarks[row], crop_size=size, margin=margin, pixel_aspect=aspect)
                faces[row] = warp(frame.rgb(), matrix, crop_size=size)
                landmarks[row] = apply(matrix, track.landmarks[row])
    return MakerClip(faces, landmarks)


def _write(
    path: Path | str, out: Path | str, track: Track, made: MadeClip, settings: ExtractSettings, crf: int
) -> int:
    rows = {int(index): i for i, index in enumerate(track.frame_indices)}
    count = 0
    with open_video(path) as reader:

        def frames() -> Iterator[tuple[float, ByteArray]]:
            nonlocal count
            for frame in reader.frames():
                count += 1
                picture, row = frame.rgb(), rows.get(frame.index)
                if row is not None:
                    matrix = crop_transform(
                        track.landmarks[row],
                        crop_size=settings.crop_size,
                        margin=settings.margin,
                        pixel_aspect=reader.info.pixel_aspect_ratio,
                    )
                    picture = paste(picture, made.faces[row], made.mask[row], matrix)
                yield frame.pts_seconds, picture

        _encode(out, frames(), crf)
    return count


def paste(picture: ByteArray, face: ByteArray, mask: FloatArray, matrix: FloatArray) -> ByteArray:
    """`picture` (H, W, 3) with the crop `face` (S, S, 3) put back where `mask` (S, S) is above 0.

    `matrix` (2, 3) maps the frame to the crop, in coordinates whose pixel centres lie at i + 0.5.
    """
    back = inverse(matrix)
    back[:, 2] += back[:, :2].sum(axis=1) * 0.5 - 0.5
    height, width = picture.shape[:2]
    # a pixel half manipulated in the crop is fully taken from it: `face` already holds the blend
    opacity = cv2.warpAffine(np.minimum(1.0, 4 * mask).astype(np.float32), back, (width, height))
    warped = cv2.warpAffine(face, back, (width, height), borderMode=cv2.BORDER_REFLECT_101).astype(np.float32)
    weight = opacity[..., None]
    blended = weight * warped + (1 - weight) * picture
    return np.where(weight > 0, np.clip(np.round(blended), 0, 255), picture).astype(np.uint8)


def _encode(out: Path | str, frames: Iterator[tuple[float, ByteArray]], crf: int) -> None:
    write_video(out, frames, codec="libx264", crf=crf)
