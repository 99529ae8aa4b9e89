"""A photograph made into a video that moves, so that makers that work over time have something to manipulate."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from vidfake.data.decoding import Decoding
from vidfake.errors import MediaError
from vidfake.settings import ExtractSettings
from vidfake.synth.animate import move, plain_scene
from vidfake.video.writer import write_video

FRAME_RATE = 25
CRF = 10.0  # nearly lossless: what is made of it is encoded once more
MOST_SIDE = 1080  # pixels


def animate_photo(
    path: Path | str, out: Path, *, seconds: float, seed: int, settings: ExtractSettings, decoding: Decoding
) -> None:
    """Write the video `out`: `seconds` of the photograph `path`, moved around its largest face.

    The head sways, the mouth opens, the eyes blink, light and noise change (`synth.animate`). The picture is framed
    as the photograph, reduced to at most `MOST_SIDE` pixels a side, and even in both; its colours stay. The file
    appears whole or not at all. Raises MediaError for what is no photograph or shows no face.
    """
    found = decoding.tracks(path, settings)
    if not found.tracks:
        raise MediaError(f"{path}: no face was found, so there is nothing to animate. Choose another photograph.")
    track = found.tracks[0]  # the largest
    with decoding.open(path) as source:
        picture = next(iter(source.frames())).rgb()
    height, width = picture.shape[:2]
    share = min(1.0, MOST_SIDE / max(height, width))
    size = tuple(max(2, round(side * share) // 2 * 2) for side in (width, height))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    landmarks = track.landmarks[0] * (size[0] / width, size[1] / height)
    scene, count = plain_scene(seed, seconds), max(1, round(seconds * FRAME_RATE))
    frames = move(small, landmarks, scene, seed=seed, num_frames=count, frame_rate=FRAME_RATE)
    write_video(out, frames, frame_rate=FRAME_RATE, crf=CRF)
