"""Writing video files that are never half-written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidfake.errors import ConfigError
from vidfake.files import atomic_writer
from vidfake.types import ByteArray
from vidfake.video.encoding import (
    ColourSpace,
    FrameEncoder,
    exact_rate,
    find_encoder,
    needs_even_size,
    rate_options,
)
from vidfake.video.reencode import reencode
from vidfake.video.scheduling import scheduling_kept

__all__ = ["VideoWriter", "reencode", "write_video"]

_FORMATS = {
    ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi",
    ".ts": "mpegts", ".flv": "flv", ".ogv": "ogg",
}  # fmt: skip
_TICKS_PER_SECOND = 90_000
_ABSURD_TICKS = 1 << 40  # libx265 leaves the decoding time of a video of one or two frames uninitialised


class VideoWriter:
    """Writes RGB pictures to a video file; the file appears, whole, when the `with` block ends without an error.

    Give either `frame_rate`, or `pts_seconds` with each picture (variable frame rate). `codec` is one of
    `available_encoders()`, `crf` its constant quality; `colour_space` is declared in the file and defaults to
    BT.709 from 720 lines on, else BT.601. `rotation_degrees` (clockwise, multiple of 90) is written as a display
    matrix: pictures are stored as given and shown turned. `options` go to the encoder, `container_options` to the
    muxer. Raises ConfigError for settings that cannot be, StorageError for a full or unwritable disk.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        frame_rate: float | Fraction | None = None,
        codec: str = "libx264",
        crf: float | None = None,
        bit_rate: int | None = None,
        pixel_format: str = "yuv420p",
        colour_space: ColourSpace = "auto",
        full_range: bool = False,
        rotation_degrees: int = 0,
        options: dict[str, str] | None = None,
        container_options: dict[str, str] | None = None,
    ) -> None:
        self._path = Path(path)
        suffix = self._path.suffix.lower()
        if suffix not in _FORMATS:
            raise ConfigError(
                f"{path}: no video format has the suffix '{suffix}'. Use one of: {', '.join(_FORMATS)}"
            )
        if rotation_degrees % 90:
            raise ConfigError(f"rotation_degrees is {rotation_degrees}; it must be a multiple of 90")
        self._encoder = find_encoder(codec)
        self._rate = None if frame_rate is None else exact_rate(frame_rate)
        self._options = rate_options(self._encoder, crf=crf, bit_rate=bit_rate, options=options)
        self._pixel_format, self._bit_rate = pixel_format, bit_rate
        self._colour_space, self._full_range = colour_space, full_range
        self._rotation_degrees = rotation_degrees
        self._container_options = container_options or {}
        self._format = _FORMATS[suffix]
        self._file = contextlib.ExitStack()
        self._disk_error: OSError | None = None
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._pictures: FrameEncoder | None = None
        self._num_written = 0
        self._last_pts: int | None = None

    def __enter__(self) -> Self:
        self._handle = self._file.enter_context(atomic_writer(self._path))
        self._container = av.open(
            self._handle, mode="w", format=self._format, container_options=self._container_options
        )
        return self

    def write(self, picture: ByteArray, *, pts_seconds: float | None = None) -> None:
        """Append one (H, W, 3) uint8 RGB picture. `pts_seconds` must be given, and increase, without a rate."""
        if self._container is None:
            raise ValueError(f"{self._path}: use `with VideoWriter(...) as writer:` around the writing")
        if self._pictures is None:
            self._start(picture)
        assert self._pictures is not None
        self._encode(self._pictures.frame(picture, self._pts(pts_seconds)))

    def _start(self, picture: ByteArray) -> None:
        assert self._container is not None
        size = (picture.shape[1], picture.shape[0])
        if needs_even_size(self._encoder, self._pixel_format, size):
            raise ConfigError(
                f"{self._encoder.name} cannot store {size[0]} x {size[1]} pixels as {self._pixel_format}: "
                "both sides must be even. Cut the pictures, or use pixel_format='yuv444p'."
            )
        rate = self._rate or Fraction(25)
        time_base = Fraction(1, _TICKS_PER_SECOND) if self._rate is None else 1 / self._rate
        try:
            stream = self._container.add_stream(self._encoder.name, rate=rate)
        except ValueError as error:
            raise ConfigError(
                f"{self._format} cannot hold {self._encoder.name}; use .mkv, which holds all, or libx264"
            ) from error
        assert isinstance(stream, VideoStream)
        self._stream = stream
        stream.codec_context.options = self._options
        self._pictures = FrameEncoder(
            stream.codec_context,
            self._encoder,
            size=size,
            pixel_format=self._pixel_format,
            time_base=time_base,
            colour_space=self._colour_space,
            full_range=self._full_range,
            bit_rate=self._bit_rate,
        )
        if self._rotation_degrees % 360:
            stream.set_display_rotation(-self._rotation_degrees)

    def _pts(self, pts_seconds: float | None) -> int:
        if (pts_seconds is None) == (self._rate is None):
            raise ConfigError("give either frame_rate for the whole video or pts_seconds with every picture")
        pts = self._num_written if pts_seconds is None else round(pts_seconds * _TICKS_PER_SECOND)
        if self._last_pts is not None and pts <= self._last_pts:
            raise ConfigError(f"picture {self._num_written} is at {pts_seconds} s, not after the one before it")
        self._num_written, self._last_pts = self._num_written + 1, pts
        return pts

    def _encode(self, frame: VideoFrame | None) -> None:
        assert self._container is not None
        assert self._stream is not None
        try:
            with scheduling_kept():
                packets = self._stream.encode(frame)
        except av.error.FFmpegError as error:
            raise ConfigError(
                f"{self._encoder.name} does not take these pictures ({self._pixel_format}, options "
                f"{self._options}): {error.strerror}. Change the pixel format, the size or the options."
            ) from error
        for packet in packets:
            if packet.pts is not None and abs((packet.dts or 0) - packet.pts) > _ABSURD_TICKS:
                packet.dts = packet.pts
        with self._disk_errors():
            self._container.mux(packets)

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """Unwrap what went wrong below the muxer, and remember that it was the disk and not the caller."""
        try:
            yield
        except (av.error.FFmpegError, OSError) as error:
            causes = [error, error.__cause__, error.__context__]
            plain = [e for e in causes if isinstance(e, OSError) and not isinstance(e, av.error.FFmpegError)]
            self._disk_error = plain[0] if plain else OSError(str(getattr(error, "strerror", error)))
            raise self._disk_error from None

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        container = self._container
        assert container is not None
        try:
            if value is not None:
                raise value
            if self._stream is None:
                raise ConfigError(f"{self._path}: no picture was written; a video needs at least one")
            self._encode(None)
            with self._disk_errors():
                container.close()
        except BaseException as error:
            with contextlib.suppress(av.error.FFmpegError):
                container.close()
            # only a failure of the disk is the file's own; anything else just withdraws the file
            shown = error if error is self._disk_error else RuntimeError("withdrawn")
            self._file.__exit__(type(shown), shown, None)
            raise
        finally:
            self._container = None  # writing on would crash the process
        self._file.close()


def write_video(
    path: Path | str,
    frames: Iterable[ByteArray | tuple[float, ByteArray]],
    *,
    frame_rate: float | Fraction | None = None,
    pts_seconds: Iterable[float] | None = None,
    **settings: Any,
) -> None:
    """Write pictures (H, W, 3) uint8 RGB to a video file, atomically. `settings` are those of `VideoWriter`.

    Times come from `frame_rate`, or from `pts_seconds`, or, with neither, from `frames` themselves, which are then
    pairs (pts_seconds, picture).
    """
    with VideoWriter(path, frame_rate=frame_rate, **settings) as writer:
        items: Iterable[Any] = frames if pts_seconds is None else zip(pts_seconds, frames, strict=True)
        for item in items:
            if isinstance(item, tuple):
                writer.write(item[1], pts_seconds=item[0])
            else:
                writer.write(item)
