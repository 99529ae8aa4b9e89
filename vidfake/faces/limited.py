"""The caps on one video at work: which frames are looked at, and which caps bit, as names and in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vidfake.errors import UnreadableVideoError
from vidfake.settings import ExtractSettings
from vidfake.video.info import VideoInfo
from vidfake.video.limits import LimitWatch, VideoLimits
from vidfake.video.opening import MAX_STREAMS
from vidfake.video.reader import DecodedFrame, VideoReader, open_video
from vidfake.video.source import FrameSource

_CHECK_FRAMES = 1024  # damage is looked at every so many frames, and at the end


def admitted(
    frames: Iterator[DecodedFrame],
    reader: VideoReader,
    limits: VideoLimits,
    watch: LimitWatch,
    on_frame: Callable[[int], None] | None,
) -> Iterator[DecodedFrame]:
    """Frames within the limits. Raises UnreadableVideoError where too much is damaged."""
    num_frames = 0
    for frame in frames:
        if on_frame is not None:
            on_frame(reader.info.width * reader.info.height)
        num_frames += 1
        if num_frames % _CHECK_FRAMES == 0:
            _refuse_damage(reader, limits, num_frames)
        if watch.admits(frame.pts_seconds):
            yield frame
        if watch.ended:
            break
    _refuse_damage(reader, limits, num_frames)


@dataclass(frozen=True)
class _Admitted:
    """A reader of which only the frames within the limits are seen."""

    reader: VideoReader
    limits: VideoLimits
    on_frame: Callable[[int], None] | None

    @property
    def info(self) -> VideoInfo:
        return self.reader.info

    def frames(self) -> Iterator[DecodedFrame]:
        watch = LimitWatch(self.limits)
        return admitted(self.reader.frames(ahead=True), self.reader, self.limits, watch, self.on_frame)


@contextmanager
def open_admitted(
    path: Path | str,
    limits: VideoLimits | None = None,
    threads: int = 0,
    on_frame: Callable[[int], None] | None = None,
) -> Iterator[FrameSource]:
    """`open_video` for the frames that `extract_clips` looks at: those within the limits. Raises as it does."""
    with open_video(path, threads=threads) as reader:
        yield _Admitted(reader, limits or VideoLimits(), on_frame)


def _refuse_damage(reader: VideoReader, limits: VideoLimits, num_frames: int) -> None:
    if limits.too_damaged(reader.decode_errors, num_frames, damaged_frames=reader.damaged_frames):
        raise UnreadableVideoError(
            f"{reader.path} is damaged: {reader.decode_errors} frames are broken or missing, {num_frames} could be "
            f"decoded after a fashion, and at most {100 * limits.max_error_share:.0f} % may be. What is left would "
            "say little: copy or download it again."
        )


def limits_hit(watch: LimitWatch, reader: VideoReader, *, crowded: bool) -> list[str]:
    """Names of the caps that bit in a finished pass: those of `watch`, ``streams`` and ``faces``."""
    streams = ["streams"] if reader.num_streams >= MAX_STREAMS else []
    return [*watch.hit, *streams, *(["faces"] if crowded else [])]


def limits_in_words(names: Sequence[str], limits: VideoLimits, settings: ExtractSettings) -> list[str]:
    """A sentence for every name that `limits_hit` gives."""
    words = {
        "duration": f"only the first {limits.max_seconds:g} s were looked at (limit on duration)",
        "frames": f"only the first {limits.max_frames} frames were looked at (limit on frames)",
        "frame_rate": f"frames beyond {limits.max_frame_rate:g} per second were passed over (limit on frame rate)",
        "streams": f"only the first {MAX_STREAMS} streams were looked at (limit on streams)",
        "faces": f"some frames show more than {settings.max_faces} faces; the largest were used (max_faces)",
    }
    return [words[name] for name in names]
