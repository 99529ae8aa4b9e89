"""Corruption of whole video files: decode, damage, encode without any further loss."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidfake.corruptions.base import CORRUPTIONS, CodecCorruption, StreamCorruption
from vidfake.errors import ConfigError
from vidfake.types import ByteArray
from vidfake.video.reader import open_video
from vidfake.video.source import Opener
from vidfake.video.writer import VideoWriter


@dataclass(frozen=True)
class CorruptedFile:
    """What was written, JSON-ready: `num_frames` written, the parameter's `value` used, the `seed`."""

    path: str
    name: str
    severity: int
    value: float
    seed: int
    num_frames: int


def corrupt_video(
    path: Path | str,
    out: Path | str,
    name: str,
    *,
    severity: int,
    seed: int = 0,
    opener: Opener = open_video,
) -> CorruptedFile:
    """Write a damaged copy of a video to `out`, an .mkv file, atomically, frame by frame.

    Whole decoded frames are damaged, as published, before any face is looked for. Times of frames are kept; there
    is no sound. The copy is lossless (FFV1 in RGB: up to 1 MB per frame of 512 × 512), except where the damage is
    itself a codec: then it is that codec's own output. In a study give every video a seed of its own,
    ``derived_seed(seed, video_id)``, or all of them get the same noise. An odd side becomes even (its last row or
    column twice) where a codec needs it. `opener` decodes (`sandbox.open_in_child` does it in a confined child).

    Raises UnknownNameError, ConfigError, MediaError for a video that cannot be read, StorageError.
    """
    corruption = CORRUPTIONS.build(name)
    value = corruption.value(severity)
    if Path(out).suffix.lower() != ".mkv":
        raise ConfigError(f"{out}: a damaged copy is an .mkv file. Give it that suffix.")
    if Path(out).resolve() == Path(path).resolve():
        raise ConfigError(f"{out}: the damaged copy would replace the video itself. Name another file.")
    with opener(path) as reader:
        start = reader.info.start_seconds
        frames = ((frame.pts_seconds - start, frame.rgb()) for frame in reader.frames())
        if isinstance(corruption, CodecCorruption):
            damaged, writer = _even(frames), VideoWriter(out, codec=corruption.codec, crf=value)
        elif isinstance(corruption, StreamCorruption):
            damaged = corruption.stream(frames, severity=severity, seed=seed)
            writer = VideoWriter(out, codec="ffv1", pixel_format="bgr0")
        else:
            raise ConfigError(f"corruption '{name}' cannot be applied to files, only to clips.")
        count = 0
        with writer:
            for pts_seconds, picture in damaged:
                writer.write(picture, pts_seconds=pts_seconds)
                count += 1
    return CorruptedFile(str(out), name, severity, value, seed, count)


def _even(frames: Iterable[tuple[float, ByteArray]]) -> Iterator[tuple[float, ByteArray]]:
    for pts_seconds, picture in frames:
        height, width = picture.shape[:2]
        yield pts_seconds, np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
