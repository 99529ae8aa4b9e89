"""Faces out of whole frames, as large as they are there, and back into them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from vidfake.data.decoding import Decoding
from vidfake.errors import UsageError
from vidfake.faces.align import crop_transform, warp
from vidfake.faces.extract import pixel_aspect_of
from vidfake.geometry import apply, centred, inverse, scale_of
from vidfake.settings import ExtractSettings
from vidfake.synth.base import MakerClip
from vidfake.types import ByteArray, FloatArray, Track
from vidfake.video.info import VideoInfo

MAX_SIDE = 512  # of a crop; larger faces are enlarged again when they are put back
MAX_FACES = 1500  # aligned faces of 256 pixels that are held at once: 300 MB, as much for the fakes, 400 for masks
_MAX_PIXELS = MAX_FACES * 256 * 256
_STEP = 16
OnFrame = Callable[[int], None]


def crop_side(path: Path | str, tracks: Sequence[Track], info: VideoInfo, settings: ExtractSettings) -> int:
    """Side of the crops of `tracks`: that of the faces in the frame, so that nothing is softened by resampling.

    From `settings.crop_size` to `MAX_SIDE`, and as much as all of their faces allow that are held at once. Raises
    UsageError where `settings.crop_size` is too much for so many faces.
    """
    count = sum(len(track.frame_indices) for track in tracks)
    most = math.isqrt(_MAX_PIXELS // max(1, count))
    if settings.crop_size > most:
        raise UsageError(
            f"{path}: {count} faces are seen; at most {_MAX_PIXELS // settings.crop_size**2} of "
            f"{settings.crop_size} x {settings.crop_size} pixels are held at once. Cut the video into shorter "
            "pieces, or choose one track."
        )
    sides = [
        settings.crop_size / scale_of(matrix_of(track, row, settings.crop_size, info, settings))
        for track in tracks
        for row in range(len(track.frame_indices))
    ]
    wanted = int(np.percentile(sides, 90)) // _STEP * _STEP
    return max(settings.crop_size, min(wanted, MAX_SIDE, most // _STEP * _STEP))


def matrix_of(track: Track, row: int, side: int, info: VideoInfo, settings: ExtractSettings) -> FloatArray:
    """The (2, 3) matrix from the frame to the crop of `side` pixels, for entry `row` of a track."""
    return crop_transform(
        track.landmarks[row], crop_size=side, margin=settings.margin, pixel_aspect=pixel_aspect_of(info)
    )


def rows_by_frame(tracks: Sequence[Track]) -> dict[int, list[tuple[int, int]]]:
    """Frame index -> (place of the track in `tracks`, row in it) of every face there."""
    found: dict[int, list[tuple[int, int]]] = {}
    for place, track in enumerate(tracks):
        for row, index in enumerate(track.frame_indices.tolist()):
            found.setdefault(index, []).append((place, row))
    return found


def read_faces(
    path: Path | str,
    tracks: Sequence[Track],
    side: int,
    settings: ExtractSettings,
    decoding: Decoding,
    on_frame: OnFrame | None = None,
) -> list[MakerClip]:
    """Every aligned face of each track, with its landmarks in the crop, read in one pass.

    The file must give the frames that the tracks were found in; raises UsageError where it does not.
    """
    rows = rows_by_frame(tracks)
    faces = [np.empty((len(track.frame_indices), side, side, 3), np.uint8) for track in tracks]
    landmarks = [np.empty((len(track.frame_indices), 5, 2)) for track in tracks]
    with decoding.open(path) as source:
        for count, picture in enumerate(source.frames(), 1):
            here = rows.pop(picture.index, [])
            rgb = picture.rgb() if here else None
            for place, row in here:
                assert rgb is not None
                matrix = matrix_of(tracks[place], row, side, source.info, settings)
                faces[place][row] = warp(rgb, matrix, crop_size=side)
                landmarks[place][row] = apply(matrix, tracks[place].landmarks[row])
            if on_frame is not None:
                on_frame(count)
    if rows:
        raise UsageError(f"{path}: changed while it was read: {len(rows)} frames are gone. Run the command again.")
    return [MakerClip(*pair) for pair in zip(faces, landmarks, strict=True)]


def paste(picture: ByteArray, face: ByteArray, mask: FloatArray, matrix: FloatArray) -> ByteArray:
    """`picture` (H, W, 3) with the crop `face` (S, S, 3) put back where `mask` (S, S) is above 0.

    `matrix` (2, 3) maps the frame to the crop, in coordinates whose pixel centres lie at i + 0.5.
    """
    part, back = _back(picture.shape[:2], len(mask), matrix)
    out = picture.copy()
    here = out[part]
    if not here.size:
        return out
    size = here.shape[1::-1]
    # a pixel half manipulated in the crop is fully taken from it: `face` already holds the blend
    opacity = cv2.warpAffine(np.minimum(1.0, 4 * mask).astype(np.float32), back, size)
    shown = cv2.warpAffine(face, back, size, borderMode=cv2.BORDER_REFLECT_101).astype(np.float32)
    weight = opacity[..., None]
    blended = np.clip(np.round(weight * shown + (1 - weight) * here), 0, 255)
    out[part] = np.where(weight > 0, blended, here)
    return out


def add_mask(whole: FloatArray, mask: FloatArray, matrix: FloatArray) -> None:
    """Put the mask (S, S) of a crop into that of the frame, `whole` (H, W) in [0, 1]; the greater one counts."""
    part, back = _back(whole.shape, len(mask), matrix)
    here = whole[part]
    if here.size:
        shown = cv2.warpAffine(mask.astype(np.float32), back, here.shape[::-1])
        np.maximum(here, np.clip(shown, 0, 1), out=here)


def _back(shape: tuple[int, ...], side: int, matrix: FloatArray) -> tuple[tuple[slice, slice], FloatArray]:
    """The part of a frame (H, W) that a crop covers, and OpenCV's matrix (2, 3) from the crop to that part."""
    back = inverse(matrix)
    corners = apply(back, np.array([[-1.0, -1.0], [side + 1, -1.0], [-1.0, side + 1], [side + 1, side + 1]]))
    x0, y0 = np.clip(np.floor(corners.min(axis=0)), 0, shape[1::-1]).astype(int)
    x1, y1 = np.clip(np.ceil(corners.max(axis=0)), 0, shape[1::-1]).astype(int)
    back = centred(back)
    back[:, 2] -= [x0, y0]
    return (slice(y0, y1), slice(x0, x1)), back
