"""Pictures through a real codec and back, in memory: what compression does to a clip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av.codec
import av.error
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from vidfake.errors import ConfigError
from vidfake.types import ByteArray
from vidfake.video.encoding import FrameEncoder, exact_rate, find_encoder, needs_even_size, rate_options
from vidfake.video.orientation import Orientation
from vidfake.video.pixels import PixelConverter
from vidfake.video.scheduling import scheduling_kept


def reencode(
    frames: ByteArray,
    *,
    codec: str = "libx264",
    crf: float | None = None,
    bit_rate: int | None = None,
    pixel_format: str = "yuv420p",
    frame_rate: float = 25.0,
    options: dict[str, str] | None = None,
) -> ByteArray:
    """(T, H, W, 3) uint8 RGB encoded and decoded again: the same shape, the same order.

    `codec` is one of `available_encoders()`; give `crf` (constant quality) or `bit_rate` (bits per second) or
    neither (the encoder's own default). An odd size that the codec cannot store is padded by its last row or
    column and cut again. One encoder thread, so the result does not depend on the machine's cores.
    Raises ConfigError for a wrong codec, quality or option, MissingPackageError for an encoder that is not there.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"frames must be (T, H, W, 3) uint8, got {frames.shape} {frames.dtype}")
    if not len(frames):
        return frames.copy()
    encoder, rate = find_encoder(codec), exact_rate(frame_rate)
    height, width = frames.shape[1:3]
    even = needs_even_size(encoder, pixel_format, (width, height))
    padded = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge") if even else frames
    size = (padded.shape[2], padded.shape[1])

    source = av.codec.CodecContext.create(codec, "w")
    assert isinstance(source, VideoCodecContext)
    source.framerate = rate
    source.thread_count = 1
    source.options = rate_options(encoder, crf=crf, bit_rate=bit_rate, options=options)
    writer = FrameEncoder(
        source, encoder, size=size, pixel_format=pixel_format, time_base=1 / rate, bit_rate=bit_rate
    )
    sink = av.codec.CodecContext.create(encoder.decoder, "r")
    assert isinstance(sink, VideoCodecContext)
    sink.thread_count = 1
    converter = PixelConverter(size=size, orientation=Orientation(), codec=encoder.decoder)
    try:
        decoded = [
            converter.rgb(frame, max_side=None, region=None)
            for packet in _packets(source, writer, padded)
            for frame in _decode(sink, packet, source)
        ]
    except av.error.FFmpegError as error:
        raise ConfigError(
            f"{codec} does not take these frames ({size[0]} x {size[1]}, {pixel_format}, options "
            f"{source.options}): {error.strerror}. Change the pixel format, the size or the options."
        ) from error
    if len(decoded) != len(frames):
        raise ConfigError(
            f"{codec} gave {len(decoded)} frames back for {len(frames)}; its options {source.options} drop frames"
        )
    return np.stack(decoded)[:, :height, :width]


def _packets(source: VideoCodecContext, writer: FrameEncoder, frames: ByteArray) -> Iterator[Packet[Any] | None]:
    for pts, picture in enumerate(frames):
        with scheduling_kept():
            packets = source.encode(writer.frame(picture, pts))
        yield from packets
    yield from source.encode(None)
    yield None


def _decode(sink: VideoCodecContext, packet: Packet[Any] | None, source: VideoCodecContext) -> list[VideoFrame]:
    if not sink.is_open:  # what a container would carry, known once the encoder has run
        sink.extradata = source.extradata
        sink.width, sink.height = source.width, source.height
    return sink.decode(packet)
