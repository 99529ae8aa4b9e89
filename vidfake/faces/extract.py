"""From a video file to aligned face clips: one decoding pass, in memory that does not grow with duration."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vidfake.faces.clip_maker import ClipMaker
from vidfake.faces.detect import FaceDetector, build_detector, detect_in_part, sure_faces
from vidfake.faces.limited import admitted, limits_hit, limits_in_words
from vidfake.faces.stopwatch import Stopwatch
from vidfake.faces.track import Tracker
from vidfake.faces.trajectory import FrameTimes
from vidfake.faces.windows import plan_windows
from vidfake.settings import ExtractSettings
from vidfake.types import Face, FaceClip, FloatArray, Region, Status, Track
from vidfake.video.index import scan_index
from vidfake.video.limits import LimitWatch, VideoLimits
from vidfake.video.reader import DecodedFrame, VideoInfo, VideoReader, open_video
from vidfake.video.shots import ShotDetector

CLOSER_LOOKS = 4
"""Where faces come, go or move fast, up to so many detections are made per interval."""

_EPSILON_SECONDS = 1e-6


@dataclass(frozen=True)
class ExtractionResult:
    """What became of one video.

    `status` is ``ok`` when it gave at least one clip, else ``no_face``; `warnings` say why. `tracks` are whole and
    smoothed, in order of `track_id`. `shot_starts_seconds` has one entry per shot, the first frame's included.
    `num_detections` counts the frames that were searched for faces; `max_frames_held` is the most decoded frames
    that were kept at a time for clips. `timings` is in seconds of wall clock per stage: open, decode, shots,
    convert, detect, track, align, codec, quality; decode is the wait for pictures, which are decoded a few ahead on
    threads of their own unless there is to be one thread. `limits_hit` names the caps that bit, each also a warning
    in words: ``duration``, ``frames``, ``frame_rate``, ``streams``, ``faces``.
    """

    info: VideoInfo
    status: Status
    tracks: list[Track]
    num_clips: int
    num_frames_decoded: int
    num_detections: int
    decode_errors: int
    truncated: bool
    shot_starts_seconds: list[float]
    max_frames_held: int
    timings: dict[str, float]
    warnings: list[str]
    limits_hit: list[str] = field(default_factory=list)


def extract_clips(
    path: Path | str,
    settings: ExtractSettings,
    *,
    region: Region | None = None,
    detector: FaceDetector | None = None,
    on_clip: Callable[[FaceClip], None] | None = None,
    threads: int = 0,
    limits: VideoLimits | None = None,
    on_frame: Callable[[int], None] | None = None,
) -> ExtractionResult:
    """Find, track, align and cut out the faces of one video; `on_clip` gets each clip as soon as it is complete.

    The picture is cut to `region` first, where given; coordinates stay those of the full frame. `detector` is built
    from the settings unless given; one may serve many videos, one at a time. Without `on_clip` no crop is made, and
    tracks and counts are the same. `threads` is the decoder's number of threads, 0 for one per core. The same file
    and settings give the same clips to the last bit, whatever the threads. `limits` caps how much of the file is
    looked at; `on_frame` is called after every decoded frame with its number of pixels, as a sign of life.

    Raises MediaError for a file that cannot be opened or decoded, or that is damaged beyond `limits`, UsageError
    for a region outside of the picture, and what `build_detector` raises. A video without a face is a result with
    status ``no_face``.
    """
    stopwatch = Stopwatch()
    limits = limits or VideoLimits()
    with stopwatch.stage("open"):
        detector = build_detector(settings) if detector is None else detector
        reader = open_video(path, threads=threads)
    with reader:
        with stopwatch.stage("open"):
            windows = _windows(reader, path, settings, limits, on_frame)
        whole = Region(0, 0, reader.info.width, reader.info.height)
        clips = ClipMaker(
            windows,
            settings,
            bounds=region or whole,
            pixel_aspect=pixel_aspect_of(reader.info),
            stopwatch=stopwatch,
            on_clip=on_clip,
        )
        one_pass = _Pass(settings, detector, clips, stopwatch, whole=whole, region=region)
        watch = LimitWatch(limits)
        # with one thread for a video, as in `prepare`, the other cores have videos of their own
        frames = _timed(reader.frames(ahead=threads != 1), stopwatch)
        for frame in admitted(frames, reader, limits, watch, on_frame):
            one_pass.visit(frame)
        one_pass.finish()
        with stopwatch.stage("track"):
            tracks = one_pass.tracker.tracks(one_pass.times)
        hit = limits_hit(watch, reader, crowded=one_pass.num_crowded > 0)
        return ExtractionResult(
            info=reader.info,
            status="ok" if clips.num_clips else "no_face",
            tracks=tracks,
            num_clips=clips.num_clips,
            num_frames_decoded=one_pass.num_frames,
            num_detections=one_pass.num_detections,
            decode_errors=reader.decode_errors,
            truncated=reader.truncated,
            shot_starts_seconds=one_pass.shot_starts_seconds,
            max_frames_held=clips.max_frames_held,
            timings=stopwatch.seconds,
            warnings=[*_warnings(reader, one_pass, settings), *limits_in_words(hit, limits, settings)],
            limits_hit=hit,
        )


class _Pass:
    """The state of one decoding pass: sees every frame once, in order.

    Faces are looked for at least every `detect_interval_seconds` within clip windows and every
    `scan_interval_seconds` elsewhere; on the first and last frame of the video, of every shot and of every clip
    window; and, where a face came, went or moved fast since the last look, on frames between the two, by halving.
    """

    def __init__(
        self,
        settings: ExtractSettings,
        detector: FaceDetector,
        clips: ClipMaker,
        stopwatch: Stopwatch,
        *,
        whole: Region,
        region: Region | None,
    ) -> None:
        self._settings = settings
        self._detector = detector
        self._region = region
        self._bounds = region or whole
        self.clips = clips
        self._stopwatch = stopwatch
        self._shots = ShotDetector(settings.shot_threshold)
        self.tracker = Tracker(settings)
        self.times = FrameTimes()
        self.shot_starts_seconds: list[float] = []
        self.num_frames = 0
        self.num_detections = 0
        self.num_crowded = 0  # detections that found more than `max_faces`
        self._previous: DecodedFrame | None = None
        self._detected_seconds = -math.inf
        self._between: list[DecodedFrame] = []  # frames since the last detection, for a closer look

    def visit(self, frame: DecodedFrame) -> None:
        """The next frame."""
        with self._stopwatch.stage("shots"):
            cut = self._shots.update(frame.luma_thumbnail())
        starts_shot = cut or self._previous is None
        if cut:
            self._look_at_last()
            self.tracker.cut()
        if starts_shot:
            self.shot_starts_seconds.append(frame.pts_seconds)
        self.num_frames += 1
        self.times.add(frame.index, frame.pts_seconds)
        self.clips.add(frame)
        in_window = self.clips.is_inside(frame.pts_seconds)
        interval = self._settings.detect_interval_seconds if in_window else self._settings.scan_interval_seconds
        due = self._detected_seconds + interval - _EPSILON_SECONDS
        if starts_shot or frame.pts_seconds >= due or self.clips.is_edge(frame.pts_seconds):
            self._look(frame)
        elif frame.pts_seconds >= self._passed_seconds + interval / CLOSER_LOOKS - _EPSILON_SECONDS:
            self._between.append(frame)
        self._previous = frame
        self.clips.flush(self.tracker, self.times)

    def finish(self) -> None:
        """There are no more frames."""
        self._look_at_last()
        self.tracker.finish()
        self.clips.flush(self.tracker, self.times)

    @property
    def _passed_seconds(self) -> float:
        """Time of the last frame that was looked at, or is held for a closer look."""
        return self._between[-1].pts_seconds if self._between else self._detected_seconds

    def _look_at_last(self) -> None:
        if self._previous is not None and self._previous.pts_seconds > self._detected_seconds:
            if self._between and self._between[-1] is self._previous:
                self._between.pop()
            self._look(self._previous)

    def _look(self, frame: DecodedFrame) -> None:
        """Find the faces of a frame and hand them to the tracker, after those of frames before it if need be."""
        self._join(self._between, frame, self._detect(frame))
        self._between = []
        self._detected_seconds = frame.pts_seconds

    def _join(self, between: Sequence[DecodedFrame], frame: DecodedFrame, faces: list[Face]) -> None:
        with self._stopwatch.stage("track"):
            strained = bool(between) and self.tracker.is_strained(frame.pts_seconds, faces)
        if strained:
            middle = len(between) // 2
            self._join(between[:middle], between[middle], self._detect(between[middle]))
            self._join(between[middle + 1 :], frame, faces)
            return
        with self._stopwatch.stage("track"):
            self.tracker.add(frame.pts_seconds, faces)

    def _detect(self, frame: DecodedFrame) -> list[Face]:
        self.num_detections += 1
        with self._stopwatch.stage("convert"):
            rgb = frame.rgb(max_side=self._settings.detect_max_side, region=self._region)
        with self._stopwatch.stage("detect"):
            faces = sure_faces(detect_in_part(self._detector, rgb, self._bounds), self._settings)
        self.num_crowded += len(faces) > self._settings.max_faces
        return faces[: self._settings.max_faces]


def pixel_aspect_of(info: VideoInfo) -> float:
    """Width over height of an upright pixel; 1 where the file's claim is no credible one."""
    aspect = 1.0 / info.pixel_aspect_ratio if info.rotation_degrees % 180 else info.pixel_aspect_ratio
    return aspect if 0.5 <= aspect <= 2.0 else 1.0


def _windows(
    reader: VideoReader,
    path: Path | str,
    settings: ExtractSettings,
    limits: VideoLimits,
    on_frame: Callable[[int], None] | None,
) -> list[FloatArray]:
    """Planned frame times of every clip window, from packet times; by decoding once more where these are not to
    be trusted."""
    index = scan_index(path, max_frames=limits.max_frames)
    times, varies = index.pts_seconds, index.variable_frame_rate
    if index.reliable:
        times = times[limits.allowed(times)]
    else:
        frames = admitted(reader.frames(), reader, limits, LimitWatch(limits), on_frame)
        times, varies = np.array([frame.pts_seconds for frame in frames]), True
    return [times[chosen] for chosen in plan_windows(times, settings, variable_frame_rate=varies)]


def _timed(frames: Iterator[DecodedFrame], stopwatch: Stopwatch) -> Iterator[DecodedFrame]:
    while True:
        with stopwatch.stage("decode"):
            frame = next(frames, None)
        if frame is None:
            return
        yield frame


def _warnings(reader: VideoReader, one_pass: _Pass, settings: ExtractSettings) -> list[str]:
    found = []
    tracker, clips = one_pass.tracker, one_pass.clips
    if reader.decode_errors:
        found.append(f"{reader.decode_errors} packets could not be decoded; the pictures around them were used")
    if reader.truncated:
        found.append("the file ends before the length that its header gives; what is there was used")
    if reader.info.hdr:
        found.append("high dynamic range is shown without tone mapping: colours are not those of a viewer")
    if not tracker.confirmed and tracker.num_dropped:
        found.append(f"faces were seen, but none for {settings.min_track_seconds} s (min_track_seconds)")
    elif not tracker.confirmed:
        found.append("no face was found")
    elif not clips.num_clips:
        found.append(f"no face is in {settings.min_frames} frames of any clip (min_frames)")
    return found
