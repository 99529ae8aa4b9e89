"""From container timestamps to `index` and `pts_seconds`, both strictly increasing whatever the file holds."""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

_JUMP_BACK_SECONDS = 1.0


class Timeline:
    """Places decoded frames in the whole video.

    `index` counts the packets whose time is earlier, so a frame that was lost to damage leaves a gap and the frames
    after it keep their numbers, however they were reached. `pts_seconds` is the container's timestamp times the
    time base. A frame without a timestamp follows its predecessor by one nominal frame duration. A timestamp that
    falls back by more than a second starts a new piece (joined recordings), which continues where the last one
    ended; one that falls back by less belongs to a frame that is dropped and counted in `num_dropped`.
    """

    def __init__(self, stream: VideoStream) -> None:
        self.num_dropped = 0
        self._stream = stream
        self._frame_seconds = nominal_frame_seconds(stream)
        self._waiting: list[int] = []  # pts of packets read whose frames have not come out yet
        self._index = -1
        self._seconds: float | None = None
        self._shift = 0.0
        self._known_pts: npt.NDArray[np.int64] | None = None

    def restart(self, known_pts: npt.NDArray[np.int64]) -> None:
        """After a seek: from here on frames are found among the times of the whole video."""
        self._waiting.clear()
        self._known_pts = known_pts
        self._index, self._seconds = -1, None

    def expect(self, packet: Packet[VideoStream]) -> None:
        """Take note of a packet that will become a frame."""
        if packet.pts is not None and not packet.is_discard:
            heapq.heappush(self._waiting, packet.pts)

    def place(self, frame: VideoFrame) -> tuple[int, float] | None:
        """(index, pts_seconds) of the next frame out of the decoder, or None if it must be dropped."""
        step = self._count(frame.pts)
        if frame.pts is None:
            seconds = 0.0 if self._seconds is None else self._seconds + self._frame_seconds
        else:
            seconds = to_seconds(frame.pts, self._stream) + self._shift
            if self._seconds is not None and seconds <= self._seconds:
                if self._seconds - seconds < _JUMP_BACK_SECONDS:
                    self.num_dropped += 1
                    return None
                self._shift += self._seconds + self._frame_seconds - seconds
                seconds = self._seconds + self._frame_seconds
        self._index += step
        self._seconds = seconds
        return self._index, seconds

    def _count(self, pts: int | None) -> int:
        if self._known_pts is not None and pts is not None:
            return max(1, int(np.searchsorted(self._known_pts, pts)) - self._index)
        step = 0
        while pts is not None and self._waiting and self._waiting[0] <= pts:
            heapq.heappop(self._waiting)
            step += 1
        return max(1, step)


def to_seconds(pts: int, stream: VideoStream) -> float:
    """Container timestamp in seconds: pts * time_base."""
    base = stream.time_base
    return pts * base.numerator / base.denominator if base else float(pts)


def nominal_frame_seconds(stream: VideoStream) -> float:
    """Frame duration after the container's average rate; 1/25 s where it claims none."""
    rate = stream.average_rate or stream.guessed_rate
    return 1.0 / float(rate) if rate else 0.04
