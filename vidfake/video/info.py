"""What a video file says about itself, checked against its first decoded frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidfake.video.colour import bit_depth, colour_rule
from vidfake.video.opening import is_cover
from vidfake.video.orientation import Orientation
from vidfake.video.timeline import codec_name


@dataclass(frozen=True)
class VideoInfo:
    """Facts about one video file; `dataclasses.asdict` of it is JSON.

    What only the container claims, and may be wrong or absent, is None where it claims nothing:
    `duration_seconds`, `average_frame_rate`, `num_frames`.
    """

    container: str  # "mp4", "matroska", "avi" …
    codec: str  # "h264", "hevc", "vp9", "av1" …
    width: int  # of the upright picture, pixels
    height: int
    coded_width: int  # as stored, before rotation
    coded_height: int
    rotation_degrees: int  # clockwise turn applied to the stored picture: 0, 90, 180, 270
    mirrored: bool  # stored picture was mirrored left-right before that turn
    pixel_aspect_ratio: float  # width of a pixel over its height; not applied
    duration_seconds: float | None
    start_seconds: float  # pts_seconds of the first shown frame
    average_frame_rate: float | None
    num_frames: int | None
    pixel_format: str
    bit_depth: int
    colour_space: str  # the one used: bt709, bt601, bt2020, smpte240m, fcc, rgb, gray
    colour_range: str  # the one used: "full" or "limited"
    hdr: bool  # PQ or HLG transfer; shown without tone mapping
    has_audio: bool
    num_video_streams: int  # cover pictures not counted
    bytes: int


def orientation_of(frame: VideoFrame) -> Orientation:
    """Orientation from the display matrix that the container (or the codec) attached to a frame."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    return Orientation.from_matrix(np.frombuffer(bytes(matrix), np.int32).tolist())


def describe(
    container: InputContainer, stream: VideoStream, frame: VideoFrame, *, path: str, start_seconds: float
) -> VideoInfo:
    """VideoInfo from an open container and its first shown frame."""
    codec = codec_name(stream)
    rule = colour_rule(frame, codec)
    orientation = orientation_of(frame)
    width, height = orientation.upright_size(frame.width, frame.height)
    aspect = stream.sample_aspect_ratio
    rate = stream.average_rate
    return VideoInfo(
        container=_container_name(container.format.name, path),
        codec=codec,
        width=width,
        height=height,
        coded_width=frame.width,
        coded_height=frame.height,
        rotation_degrees=orientation.rotation_degrees,
        mirrored=orientation.mirrored,
        pixel_aspect_ratio=float(aspect) if aspect else 1.0,
        duration_seconds=claimed_duration_seconds(container, stream),
        start_seconds=start_seconds,
        average_frame_rate=float(rate) if rate else None,
        num_frames=int(stream.frames) or None,
        pixel_format=frame.format.name,
        bit_depth=bit_depth(frame.format),
        colour_space=rule.space,
        colour_range="full" if rule.full_range else "limited",
        hdr=rule.hdr,
        has_audio=bool(container.streams.audio),
        num_video_streams=sum(not is_cover(video) for video in container.streams.video),
        bytes=Path(path).stat().st_size,
    )


def claimed_duration_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """Length that the container claims for the video stream, or else for the file."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _container_name(formats: str, path: str) -> str:
    """One name out of libavformat's list of relatives, by the file's suffix where that is one of them."""
    names = formats.split(",")
    suffix = Path(path).suffix.lstrip(".").lower()
    return suffix if suffix in names else {"mov": "mp4"}.get(names[0], names[0])
