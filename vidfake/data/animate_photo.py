"""A photograph made into a video that moves, so that makers that work over time have something to manipulate."""

from __future__ import annotations

from pathlib import Path

from vidfake.data.decoding import Decoding
from vidfake.errors import MediaError
from vidfake.settings import ExtractSettings
from vidfake.synth.animate import FACE_SHARE, ZOOM, animate
from vidfake.types import Face
from vidfake.video.writer import write_video

FRAME_RATE = 25
CRF = 10.0  # nearly lossless: what is made of it is encoded once more
LEAST_SIDE, MOST_SIDE = 240, 1080


def animate_photo(
    path: Path | str, out: Path, *, seconds: float, seed: int, settings: ExtractSettings, decoding: Decoding
) -> None:
    """Write the video `out`: `seconds` of the photograph `path`, moved around its largest face.

    The head sways, the mouth opens, the eyes blink, light and noise change (`synth.animate`). The picture is
    square, with the face at about half its height and no larger than in the photograph, except in small ones. The
    file appears whole or not at all. Raises MediaError for what is no photograph or shows no face.
    """
    found = decoding.tracks(path, settings)
    if not found.tracks:
        raise MediaError(f"{path}: no face was found, so there is nothing to animate. Choose another photograph.")
    track = found.tracks[0]  # the largest
    x0, y0, x1, y1 = (float(value) for value in track.boxes[0])
    face = Face((x0, y0, x1, y1), track.landmarks[0], float(track.confidences[0]))
    with decoding.open(path) as source:
        picture = next(iter(source.frames())).rgb()
    side = round(min(MOST_SIDE, max(LEAST_SIDE, (y1 - y0) / (FACE_SHARE * ZOOM[1])))) // 2 * 2
    count = max(1, round(seconds * FRAME_RATE))
    frames = animate(picture, face, seed=seed, num_frames=count, frame_rate=FRAME_RATE, side=side)
    write_video(out, frames, frame_rate=FRAME_RATE, crf=CRF)
