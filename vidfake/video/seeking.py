"""Reading only some spans of a video: seek where the packet index says it is cheaper, else decode and drop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import av.error
import numpy as np

from vidfake.video.decoding import Decoder
from vidfake.video.index import FrameIndex
from vidfake.video.timeline import Placed

SEEKABLE = ("mov", "matroska")  # containers with an index of keyframes; others seek by guessing
SEEK_COST_FRAMES = 12  # a seek empties and refills the decoder's pipeline: worth about so many decoded frames
SCAN_SECONDS = 10.0  # less unwanted video than this is decoded through, without reading the index first


class SeekFailedError(Exception):
    """The container did not go where its index says. Internal: the caller decodes through instead."""


def only_wanted(placed: Iterator[Placed], spans: Sequence[tuple[float, float]]) -> Iterator[Placed]:
    """Those frames that lie in a span; stops after the last. `spans` are merged."""
    if not spans:
        return
    waiting = iter(spans)
    start, end = next(waiting)
    for index, seconds, frame in placed:
        while seconds > end:
            following = next(waiting, None)
            if following is None:
                return
            start, end = following
        if seconds >= start:
            yield index, seconds, frame


def seek_through(
    decoder: Decoder, placed: Iterator[Placed], spans: Sequence[tuple[float, float]], index: FrameIndex
) -> Iterator[Placed]:
    """As `only_wanted`, seeking over gaps that are cheaper to skip. `placed` is a pass that `decoder` has begun.

    Raises SeekFailedError when a seek does not arrive at its keyframe; what was yielded until then is right.
    """
    position = 0
    for start, end in spans:
        key = keyframe_before(index, start)
        if key - position > SEEK_COST_FRAMES:
            placed = _arrive(decoder, index, key)
        for item in placed:
            position = item[0]
            if item[1] > end:
                placed = _put_back(item, placed)
                break
            if item[1] >= start:
                yield item


def keyframe_before(index: FrameIndex, seconds: float) -> int:
    """Position of the last keyframe at or before a time (0 if there is none)."""
    stop = int(np.searchsorted(index.pts_seconds, seconds, side="right"))
    keys = np.flatnonzero(index.keyframes[:stop])
    return int(keys[-1]) if len(keys) else 0


def _arrive(decoder: Decoder, index: FrameIndex, key: int) -> Iterator[Placed]:
    """A pass that starts at keyframe `key`. Frames before it may refer to pictures that were skipped."""
    try:
        decoder.seek(int(index.pts[key]), index.pts)
    except av.error.FFmpegError as error:
        raise SeekFailedError(str(error)) from error
    placed = iter(decoder)
    for item in placed:
        if item[0] == key:
            return _put_back(item, placed)
        if item[0] > key:
            break
    raise SeekFailedError(f"no frame at keyframe {key}")


def _put_back(item: Placed, placed: Iterator[Placed]) -> Iterator[Placed]:
    yield item
    yield from placed
