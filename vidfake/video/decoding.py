"""One pass of demuxing and decoding: goes on past damage, counts it, and keeps time increasing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidfake.video.timeline import Placed, Timeline

MAX_READ_ERRORS = 32
"""Reading stops after so many failures in a row: the rest of the file is not there."""

_LATE_SECONDS = 0.2  # a file that ends so much before its claimed end is cut off
_CLAIMS_LENGTH = ("mov", "matroska", "avi")  # containers whose length is written down rather than guessed


class PacketReader:
    """Packets of the chosen stream, read past errors; knows afterwards whether the file was cut off."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.errors = 0
        self.complete = True  # set to False by whoever seeks: not every packet is seen then
        self._container, self._stream = container, stream
        self._end_seconds = float("-inf")
        self._num_packets = 0
        self._gave_up = self._at_end = self._stopped = False

    def stop(self) -> None:
        """To be called before the container is closed: makes reading on a ValueError instead of a crash."""
        self._stopped = True

    def __iter__(self) -> Iterator[Packet[VideoStream]]:
        """Non-empty packets of the stream in file order, from where the container stands."""
        failures = 0
        packets = self._container.demux()
        while failures <= MAX_READ_ERRORS:
            if self._stopped:
                raise ValueError("this pass over the video has ended: its reader was closed or has begun another")
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError, IndexError):  # the last: a stream that appears on the way
                failures += 1
                self.errors += 1
                packets = self._container.demux()
                continue
            failures = 0
            if packet is None:
                self._at_end = True
                return
            if packet.size:
                ours = packet.stream_index == self._stream.index
                self._tally(packet, ours)
                if ours:
                    yield cast("Packet[VideoStream]", packet)
        self._gave_up = True

    def _tally(self, packet: Packet[Any], ours: bool) -> None:
        self._num_packets += ours
        if packet.pts is not None and packet.time_base:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            self._end_seconds = max(self._end_seconds, end)

    @property
    def truncated(self) -> bool:
        """True when the file was read to its end and holds less than its header says."""
        if self._gave_up:
            return True
        kind = self._container.format.name.split(",")[0]
        if not self._at_end or kind not in _CLAIMS_LENGTH:
            return False
        if kind in ("mov", "avi") and self.complete and self._num_packets < self._stream.frames:
            return True
        if not self._container.duration:
            return False
        claimed_end = (self._container.duration + (self._container.start_time or 0)) / av.time_base
        return self._end_seconds < claimed_end - _LATE_SECONDS


class Decoder:
    """Frames of one stream in presentation order, with index and time; broken packets are counted and skipped."""

    def __init__(self, container: InputContainer, stream: VideoStream, *, threads: int) -> None:
        self.packets = PacketReader(container, stream)
        self.timeline = Timeline(stream)
        self._failed_packets = self._damaged_frames = 0
        self._container, self._stream = container, stream
        context = stream.codec_context
        context.thread_count = threads
        context.thread_type = "NONE" if threads == 1 else "FRAME"

    @property
    def errors(self) -> int:
        """Failed reads, and frames that are missing, marked as damaged by the decoder, or dropped, so far."""
        # a packet that fails, or a frame dropped for its time, is a missing frame too: counted once
        lost = max(self._failed_packets, self.timeline.num_missing, self.timeline.num_dropped)
        return self.packets.errors + lost + self._damaged_frames

    @property
    def damaged_frames(self) -> int:
        """Of `errors`, the frames that were shown although the decoder marks them as damaged."""
        return self._damaged_frames

    def seek(self, pts: int, known_pts: npt.NDArray[np.int64]) -> None:
        """Go to the keyframe at or before `pts`, in a video whose frames have `known_pts` (stream's time base).

        The next pass starts there. Raises av.error.FFmpegError.
        """
        self._container.seek(pts, stream=self._stream, backward=True)
        self.packets.complete = False
        self.timeline.restart(known_pts)

    def __iter__(self) -> Iterator[Placed]:
        """(index, pts_seconds, frame) from where the container stands, both strictly increasing."""
        for packet in self.packets:
            self.timeline.expect(packet)
            if packet.is_corrupt:  # incomplete; decoding it would show concealment as picture
                self._fail(packet)
                continue
            for frame in self._decoded(packet):
                yield from self.timeline.place(frame)
        for frame in self._decoded(None):
            yield from self.timeline.place(frame)
        yield from self.timeline.finish()

    def _decoded(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        try:
            frames = self._stream.codec_context.decode(packet)
        except av.error.EOFError:
            return []
        except (av.error.FFmpegError, ValueError):
            self._fail(packet)
            return []
        self._damaged_frames += sum(frame.is_corrupt for frame in frames)
        return frames

    def _fail(self, packet: Packet[VideoStream] | None) -> None:
        self._failed_packets += 1
        if packet is not None:
            self.timeline.fail(packet)
