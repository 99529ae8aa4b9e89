"""From container timestamps to `index` and `pts_seconds`, both strictly increasing whatever the file holds."""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

Placed = tuple[int, float, VideoFrame]
"""index, pts_seconds, frame"""

_RESTART_SECONDS = 1.0  # timestamps that fall back by more than this start a new piece
_DOUBTFUL_SECONDS = 10.0  # a gap longer than this is believed only when the frame after it confirms it


class Timeline:
    """Places decoded frames in the whole video.

    `index` counts the packets whose time is earlier, so a frame that was lost to damage leaves a gap and the frames
    after it keep their numbers, however they were reached. `pts_seconds` is the container's timestamp times the
    time base, and:

    - an AVI file has no timestamps, only an order: with pictures that are reordered, the n-th one shown is given
      the n-th time;
    - a frame without a timestamp follows the one before it by one nominal frame duration;
    - a timestamp that falls back by up to a second is disorder: its frame is dropped and counted in `num_dropped`;
    - one that falls back further starts a new piece (joined recordings), shifted to follow the last frame;
    - unless that last frame itself had jumped ahead by more than ten seconds: then its timestamp was damaged, and
      it is dropped instead.
    """

    def __init__(self, stream: VideoStream) -> None:
        self.num_dropped = 0
        self.num_missing = 0  # frames that packets announced and the decoder never gave
        self._stream = stream
        self._codec = codec_name(stream)
        self._frame_seconds = nominal_frame_seconds(stream)
        self._order_only = has_order_only(stream)
        self._waiting: list[int] = []  # pts of packets read whose frames have not come out yet
        self._failed: set[int] = set()
        self._known_pts: npt.NDArray[np.int64] | None = None
        self._index = -1
        self._seconds: float | None = None
        self._shift = 0.0
        self._doubtful: tuple[float, VideoFrame] | None = None

    def restart(self, known_pts: npt.NDArray[np.int64]) -> None:
        """After a seek: from here on frames are found among the times of the whole video."""
        self._waiting.clear()  # skipped, not missing
        self._known_pts = known_pts
        self._index, self._seconds, self._doubtful = -1, None, None

    def expect(self, packet: Packet[VideoStream]) -> None:
        """Take note of a packet that should become a frame."""
        pts = packet_pts(packet, self._order_only)
        if self._known_pts is None and pts is not None and is_shown(packet, self._codec):
            heapq.heappush(self._waiting, pts)

    def fail(self, packet: Packet[VideoStream]) -> None:
        """Take note that a packet will not become a frame after all."""
        pts = packet_pts(packet, self._order_only)
        if self._order_only and pts is not None:
            self._failed.add(pts)

    def place(self, frame: VideoFrame) -> list[Placed]:
        """Frames whose place is now certain: usually the given one, the next out of the decoder."""
        released: list[Placed] = []
        if self._order_only and self._stream.codec_context.has_b_frames:
            frame.pts = min((pts for pts in self._waiting if pts not in self._failed), default=None)
        seconds = self._time_of(frame)
        if self._doubtful is not None:
            doubtful, self._doubtful = self._doubtful, None
            if self._seconds is not None and self._seconds < seconds < doubtful[0]:
                self.num_dropped += 1
            else:
                released.append(self._accept(*doubtful))
        if self._seconds is None or 0 < seconds - self._seconds <= _DOUBTFUL_SECONDS:
            return [*released, self._accept(seconds, frame)]
        if seconds > self._seconds:
            self._doubtful = (seconds, frame)
            return released
        if self._seconds - seconds <= _RESTART_SECONDS:
            self.num_dropped += 1
            return released
        start = self._seconds + self._frame_seconds
        self._shift += start - seconds
        return [*released, self._accept(start, frame)]

    def finish(self) -> list[Placed]:
        """The frame that was still in doubt at the end, if any."""
        doubtful, self._doubtful = self._doubtful, None
        released = [self._accept(*doubtful)] if doubtful is not None else []
        self.num_missing += len(self._waiting)
        self._waiting.clear()
        return released

    def _time_of(self, frame: VideoFrame) -> float:
        if frame.pts is not None:
            return to_seconds(frame.pts, self._stream) + self._shift
        before = self._seconds if self._doubtful is None else self._doubtful[0]
        return 0.0 if before is None else before + self._frame_seconds

    def _accept(self, seconds: float, frame: VideoFrame) -> Placed:
        self._index += self._step(frame.pts)
        self._seconds = seconds
        return self._index, seconds, frame

    def _step(self, pts: int | None) -> int:
        if self._known_pts is not None and pts is not None:
            return max(1, int(np.searchsorted(self._known_pts, pts)) - self._index)
        step = 0
        while pts is not None and self._waiting and self._waiting[0] <= pts:
            self._failed.discard(heapq.heappop(self._waiting))
            step += 1
        if self._index >= 0:  # pictures before the first decodable one were never meant to be shown
            self.num_missing += max(0, step - 1)
        return max(1, step)


def has_order_only(stream: VideoStream) -> bool:
    """True for a container whose timestamps say in which order packets are decoded, not when they are shown."""
    return stream.container.format.name == "avi"


def packet_pts(packet: Packet[VideoStream], order_only: bool) -> int | None:
    """Time at which a packet's picture is shown; with `order_only`, one of the times at which pictures are."""
    return packet.dts if order_only else packet.pts


def is_shown(packet: Packet[VideoStream], codec: str) -> bool:
    """False for a packet that becomes no frame: outside of an edit list, or a hidden reference picture of VP8."""
    return not packet.is_discard and (codec != "vp8" or bool(memoryview(packet)[0] & 0x10))


def to_seconds(pts: int, stream: VideoStream) -> float:
    """Container timestamp in seconds: pts * time_base."""
    base = stream.time_base
    return pts * base.numerator / base.denominator if base else float(pts)


def codec_name(stream: VideoStream) -> str:
    """The codec's own name (``av1``), whichever decoder reads it (``libdav1d``)."""
    return str(stream.codec_context.codec.canonical_name)


def nominal_frame_seconds(stream: VideoStream) -> float:
    """Frame duration after the container's average rate; 1/25 s where it claims none."""
    rate = stream.average_rate or stream.guessed_rate
    return 1.0 / float(rate) if rate else 0.04
