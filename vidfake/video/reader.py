"""Reading a video: its facts, and its frames in one streaming pass."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from av.video.frame import VideoFrame

from vidfake.errors import UnreadableVideoError
from vidfake.types import ByteArray, Region
from vidfake.video.ahead import ReadAhead, frames_ahead
from vidfake.video.decoding import Decoder
from vidfake.video.index import FrameIndex, scan_index
from vidfake.video.info import VideoInfo, describe, orientation_of
from vidfake.video.opening import choose_stream, open_container, why_no_picture
from vidfake.video.pixels import PixelConverter
from vidfake.video.sampling import merge_spans
from vidfake.video.seeking import (
    SCAN_SECONDS,
    SEEKABLE,
    SeekFailedError,
    only_wanted,
    seek_through,
)
from vidfake.video.timeline import Placed, codec_name

__all__ = ["DecodedFrame", "VideoInfo", "VideoReader", "open_video", "probe"]


class DecodedFrame:
    """One decoded picture: where it is in the video, and its pixels on request.

    `index` is its position in presentation order in the whole video, frames lost to damage included.
    `pts_seconds` is the container's timestamp times its time base: the stream's own timeline, in which the first
    shown frame may be non-zero (MPEG-TS often starts at 1.4 s; `VideoInfo.start_seconds` says where).

    It holds its own picture and stays valid after later frames are decoded and after the reader is closed.
    """

    __slots__ = ("_converter", "_frame", "index", "pts_seconds")

    def __init__(self, index: int, pts_seconds: float, frame: VideoFrame, converter: PixelConverter) -> None:
        self.index = index
        self.pts_seconds = pts_seconds
        self._frame = frame
        self._converter = converter

    def rgb(self, *, max_side: int | None = None, region: Region | None = None) -> ByteArray:
        """Upright (H, W, 3) uint8 RGB in full range.

        `region` (upright pixels) cuts first; then the longer side is brought down to `max_side`, never up.
        A region without `max_side` is pixel for pixel the same as that part of the whole, and costs by its area.
        Raises UsageError for a region outside of the picture.
        """
        return self._converter.rgb(self._frame, max_side=max_side, region=region)

    def luma_thumbnail(self) -> ByteArray:
        """(36, 64) uint8 luma samples of the stored picture: not rotated, range as stored. Nearly free."""
        return self._converter.luma_thumbnail(self._frame)

    def __repr__(self) -> str:
        return f"DecodedFrame({self.index}, {self.pts_seconds:.3f} s)"


class VideoReader:
    """An open video. Use with `with`; made by `open_video`.

    `info` is known at once, since the first frame has been decoded. `decode_errors` and `truncated` grow while
    frames are read and are final after the last one. Several passes may be made, one at a time.
    """

    def __init__(self, path: Path | str, *, threads: int = 0) -> None:
        self.path = str(path)
        self._threads = threads
        self._resources = contextlib.ExitStack()
        self._closed = False
        self._seen_truncated = False
        self._damage_until: tuple[int, int] | None = (
            None  # as of the last frame that was given, if decoding is ahead
        )
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self._resources.close)
            self._decoder = self._new_decoder()
            self._pass = iter(self._decoder)
            self._first = next(self._pass, None)
            if self._first is None:
                reason = f"not one frame could be decoded, {self._decoder.errors} errors"
                raise UnreadableVideoError(why_no_picture(self.path, reason))
            _, start_seconds, frame = self._first
            self.info = describe(self._container, self._stream, frame, path=self.path, start_seconds=start_seconds)
            self._converter = PixelConverter(
                size=(frame.width, frame.height),
                orientation=orientation_of(frame),
                codec=codec_name(self._stream),
                threads=threads,
            )
            on_failure.pop_all()

    def _new_decoder(self) -> Decoder:
        self._resources.close()
        self._damage_until = None
        self._container = self._resources.enter_context(open_container(self.path))
        self._stream = choose_stream(self._container, self.path)
        self._num_streams = len(self._container.streams)
        decoder = Decoder(self._container, self._stream, threads=self._threads)
        self._resources.callback(decoder.packets.stop)
        return decoder

    @property
    def num_streams(self) -> int:
        """Streams of any kind that were found, at most `opening.MAX_STREAMS`."""
        return self._num_streams

    @property
    def decode_errors(self) -> int:
        """How much of this pass was damaged: failed reads, frames that are missing, that the decoder marks as
        damaged, or that were dropped for an impossible time. 0 for a sound file."""
        return self._damage()[0]

    @property
    def damaged_frames(self) -> int:
        """Of `decode_errors`, the frames that are shown all the same, mended by guesswork."""
        return self._damage()[1]

    def _damage(self) -> tuple[int, int]:
        return self._damage_until or (self._decoder.errors, self._decoder.damaged_frames)

    @property
    def truncated(self) -> bool:
        """True when the file was read to its end, by this pass or for its index, and holds less than its header
        promises."""
        return self._seen_truncated or self._decoder.packets.truncated

    def frames(
        self, spans: Iterable[tuple[float, float]] | None = None, *, ahead: bool = False
    ) -> Iterator[DecodedFrame]:
        """Frames in presentation order; with `spans`, those with start <= pts_seconds <= end of any span.

        Between spans the reader seeks where the packet index says that decoding from the keyframe before the next
        span is less work than decoding through, and otherwise decodes and drops. Either way gives the same frames.
        With `ahead`, and without `spans`, a thread decodes the next few frames while the caller works on one;
        frames, errors and their order are the same. A new call ends the pass before it.
        """
        placed = self._start_pass()
        if spans is not None:
            placed = self._only(merge_spans(list(spans)), placed)
        elif ahead:
            placed = self._ahead(placed)
        for index, seconds, frame in placed:
            yield DecodedFrame(index, seconds, frame, self._converter)

    def _ahead(self, placed: Iterator[Placed]) -> Iterator[Placed]:
        decoder = self._decoder
        thread = ReadAhead(
            ((item, (decoder.errors, decoder.damaged_frames)) for item in placed),
            frames_ahead(self.info.width * self.info.height),
        )
        self._resources.callback(thread.stop)  # runs before the container is closed
        try:
            for item, damage in thread:
                self._damage_until = damage
                yield item
        finally:
            thread.stop()
            if decoder is self._decoder:
                self._damage_until = None

    def _start_pass(self) -> Iterator[Placed]:
        if self._closed:
            raise ValueError(f"{self.path}: the reader is closed; open the video again")
        if self._first is None:
            self._decoder = self._new_decoder()
            return iter(self._decoder)
        first, self._first = self._first, None
        return itertools.chain([first], self._pass)

    def _only(self, spans: list[tuple[float, float]], placed: Iterator[Placed]) -> Iterator[Placed]:
        index = self._index_if_useful(spans)
        if index is None:
            yield from only_wanted(placed, spans)
            return
        last = -1
        try:
            for item in seek_through(self._decoder, placed, spans, index):
                last = item[0]
                yield item
        except SeekFailedError:
            self._decoder = self._new_decoder()
            yield from (item for item in only_wanted(iter(self._decoder), spans) if item[0] > last)

    def _index_if_useful(self, spans: list[tuple[float, float]]) -> FrameIndex | None:
        length = self.info.duration_seconds
        unwanted = (float("inf") if length is None else length) - sum(end - start for start, end in spans)
        if unwanted < SCAN_SECONDS or self._container.format.name.split(",")[0] not in SEEKABLE:
            return None
        index = scan_index(self.path)
        self._seen_truncated = index.truncated
        return index if index.reliable else None

    def close(self) -> None:
        """Release the file. Frames already given stay valid."""
        self._closed = True
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_video(path: Path | str, *, threads: int = 0) -> VideoReader:
    """Open a local video file for reading; use as ``with open_video(path) as reader:``.

    `threads` is the number of decoding threads, 0 for one per core; pictures do not depend on it.
    Raises UnreadableVideoError or NoVideoStreamError, with the reason and what to do.
    """
    return VideoReader(path, threads=threads)


def probe(path: Path | str) -> VideoInfo:
    """Facts about a video file; decodes its first frame. Raises as `open_video` does."""
    with open_video(path, threads=1) as reader:
        return reader.info
