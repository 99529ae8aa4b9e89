"""Times and keyframes of a whole video, read by demuxing alone: no picture is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vidfake.types import BoolArray, FloatArray
from vidfake.video.decoding import PacketReader
from vidfake.video.opening import choose_stream, open_container
from vidfake.video.timeline import codec_name, has_order_only, is_shown, packet_pts

_REORDERED_FRAMES = 64  # read beyond `max_frames`: packets come in another order than frames are shown in


@dataclass(frozen=True)
class FrameIndex:
    """One entry per frame that the container promises to show, in presentation order.

    `pts_seconds` (N,) increases; `pts` (N,) is the same in the stream's time base; `keyframes` (N,) is True where
    decoding can start. `reliable` is False when packets lack times, repeat them, or could not be read: then the
    index must not be used to seek. `variable_frame_rate` is True when steps differ by more than timestamp rounding.
    """

    pts: npt.NDArray[np.int64]
    pts_seconds: FloatArray
    keyframes: BoolArray
    reliable: bool
    variable_frame_rate: bool
    truncated: bool

    def __len__(self) -> int:
        return len(self.pts)


def scan_index(path: Path | str, *, max_frames: int | None = None) -> FrameIndex:
    """Read the times of all packets, or of the first `max_frames`. Memory: 17 bytes per frame.

    Raises as `open_video` does.
    """
    with open_container(path) as container:
        stream = choose_stream(container, path)
        codec, order_only = codec_name(stream), has_order_only(stream)
        reader = PacketReader(container, stream)
        pts: list[int] = []
        keys: list[bool] = []
        num_missing = 0
        for packet in reader:
            if not is_shown(packet, codec):
                continue
            time = packet_pts(packet, order_only)
            if time is None:
                num_missing += 1
                continue
            pts.append(time)
            keys.append(packet.is_keyframe)
            if max_frames is not None and len(pts) >= max_frames + _REORDERED_FRAMES:
                break
        base = stream.time_base
        tick = (base.numerator, base.denominator) if base else (1, 1)
        ordered = np.array(pts, np.int64)
        order = np.argsort(ordered, kind="stable")
        ordered = ordered[order]
        keyframes = np.array(keys, np.bool_)[order]
        steps = np.diff(ordered)
        first_is_key = bool(keyframes[:1].all()) and len(ordered) > 0
        return FrameIndex(
            pts=ordered,
            pts_seconds=ordered * tick[0] / tick[1],
            keyframes=keyframes,
            reliable=first_is_key and not num_missing and not reader.errors and bool((steps > 0).all()),
            variable_frame_rate=_varies(steps),
            truncated=reader.truncated,
        )


def _varies(steps: npt.NDArray[Any]) -> bool:
    """True when steps differ from their median by more than a tick and a tenth of it."""
    if len(steps) < 2:
        return False
    median = float(np.median(steps))
    return bool(np.max(np.abs(steps - median)) > 1 + 0.1 * median)
