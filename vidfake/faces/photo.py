"""Faces in a single photograph, cut as the faces of a video are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidfake.errors import UnreadableVideoError, UsageError
from vidfake.faces.crops import Crop, cut_crop
from vidfake.faces.detect import FaceDetector, build_detector, detect_in_part, usable_faces
from vidfake.faces.extract import ExtractionResult
from vidfake.faces.quality import QUALITY_NAMES
from vidfake.faces.stopwatch import Stopwatch
from vidfake.settings import ExtractSettings
from vidfake.types import ByteArray, Face, FaceClip, FloatArray, Region, Track
from vidfake.video.info import VideoInfo
from vidfake.video.source import FrameSource

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
FORMATS = ("JPEG", "PNG", "WEBP")
MAX_PIXELS = 8192 * 8192


@dataclass(frozen=True)
class PhotoFace:
    """A face in a photograph, in its pixels, and its aligned crop."""

    face: Face
    crop: Crop


def extract_photo(
    rgb: ByteArray, settings: ExtractSettings, *, detector: FaceDetector | None = None
) -> list[PhotoFace]:
    """Every usable face of an (H, W, 3) uint8 RGB photograph, the largest first; an empty list where there is none.

    A face must be as sure as one that begins a track. Detection runs on the photograph shrunk to `detect_max_side`;
    the crop is cut from all its pixels.
    """
    import cv2

    detector = build_detector(settings) if detector is None else detector
    height, width = rgb.shape[:2]
    bounds = Region(0, 0, width, height)
    share = min(1.0, settings.detect_max_side / max(height, width))
    size = (max(1, round(width * share)), max(1, round(height * share)))
    small = rgb if share == 1.0 else np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    faces = usable_faces(detect_in_part(detector, small, bounds), settings)
    sure = [face for face in faces if face.confidence >= settings.start_confidence]
    return [PhotoFace(face, _crop(rgb, face, bounds, settings)) for face in sure]


def _crop(rgb: ByteArray, face: Face, bounds: Region, settings: ExtractSettings) -> Crop:
    return cut_crop(
        lambda part: rgb[part.y : part.y + part.height, part.x : part.x + part.width],
        face.landmarks,
        bounds=bounds,
        confidence=face.confidence,
        settings=settings,
        stopwatch=Stopwatch(),
    )


def is_photo(path: Path | str) -> bool:
    """Whether a file name says that it is a photograph of one of `SUFFIXES`."""
    return Path(path).suffix.lower() in SUFFIXES


def extract_photo_clips(
    path: Path | str,
    settings: ExtractSettings,
    *,
    region: Region | None = None,
    detector: FaceDetector | None = None,
    on_clip: Callable[[FaceClip], None] | None = None,
) -> ExtractionResult:
    """Every face of a photograph file as a clip of one frame: what `extract_clips` is for videos.

    `detector` is built from the settings unless given.
    Raises MediaError for a file that is no readable photograph, UsageError for a region outside of it.
    """
    stopwatch = Stopwatch()
    with stopwatch.stage("decode"):
        rgb = read_photo(path)
    height, width = rgb.shape[:2]
    if region is not None:
        if region.x + region.width > width or region.y + region.height > height:
            raise UsageError(
                f"region '{region.as_text()}' reaches outside of {path}, which has {width}x{height} pixels. "
                "Correct the region, or leave it empty for the whole picture."
            )
        rgb = rgb[region.y : region.y + region.height, region.x : region.x + region.width]
    with stopwatch.stage("detect"):
        found = extract_photo(rgb, settings, detector=detector)
    shift = np.array([0.0, 0.0] if region is None else [region.x, region.y])
    clips = [_clip(number, photo_face, shift) for number, photo_face in enumerate(found)]
    if on_clip is not None:
        for clip in clips:
            on_clip(clip)
    return ExtractionResult(
        info=_info(path, width, height),
        status="ok" if clips else "no_face",
        tracks=[_track(clip, photo_face) for clip, photo_face in zip(clips, found, strict=True)],
        num_clips=len(clips),
        num_frames_decoded=1,
        num_detections=1,
        decode_errors=0,
        truncated=False,
        shot_starts_seconds=[0.0],
        max_frames_held=1,
        timings=stopwatch.seconds,
        warnings=[] if clips else ["no face was found in the photograph"],
    )


def read_photo(path: Path | str) -> ByteArray:
    """An upright (H, W, 3) uint8 RGB picture. Raises UnreadableVideoError with the reason where there is none."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise UnreadableVideoError(
                    f"{path} says that it has {width}x{height} pixels; at most {MAX_PIXELS} are read. Shrink it."
                )
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"), np.uint8)
    except FileNotFoundError as error:
        raise UnreadableVideoError(f"{path} does not exist. Check the path.") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableVideoError(
            f"{path} cannot be read as a photograph ({error}). It takes {', '.join(FORMATS)} files."
        ) from error


@dataclass(frozen=True)
class _StillPicture:
    """A photograph as the only frame of a video."""

    info: VideoInfo
    picture: ByteArray
    index: int = 0
    pts_seconds: float = 0.0

    def rgb(self) -> ByteArray:
        return self.picture

    def frames(self) -> Iterator[_StillPicture]:
        yield self


@contextmanager
def open_photo(path: Path | str) -> Iterator[FrameSource]:
    """A photograph as a video of one frame at 0 s. Raises as `read_photo` does."""
    rgb = read_photo(path)
    yield _StillPicture(_info(path, rgb.shape[1], rgb.shape[0]), rgb)


def _clip(number: int, found: PhotoFace, shift: FloatArray) -> FaceClip:
    face, crop = found.face, found.crop
    return FaceClip(
        track_id=number,
        shot_index=0,
        clip_index=0,
        faces=crop.face[None],
        pts_seconds=np.zeros(1),
        frame_indices=np.zeros(1, np.int64),
        boxes=(np.asarray(face.box, np.float64) + np.tile(shift, 2))[None],
        landmarks=(face.landmarks + shift)[None],
        crop_landmarks=crop.landmarks[None],
        quality={name: np.array([crop.quality[name]]) for name in QUALITY_NAMES},
        encoded=(crop.encoded,),
    )


def _track(clip: FaceClip, found: PhotoFace) -> Track:
    return Track(
        track_id=clip.track_id,
        shot_index=0,
        frame_indices=clip.frame_indices,
        pts_seconds=clip.pts_seconds,
        boxes=clip.boxes,
        landmarks=clip.landmarks,
        confidences=np.array([found.face.confidence]),
        detected=np.ones(1, np.bool_),
    )


def _info(path: Path | str, width: int, height: int) -> VideoInfo:
    return VideoInfo(
        container="photo",
        codec=Path(path).suffix.lower().lstrip("."),
        width=width,
        height=height,
        coded_width=width,
        coded_height=height,
        rotation_degrees=0,
        mirrored=False,
        pixel_aspect_ratio=1.0,
        duration_seconds=None,
        start_seconds=0.0,
        average_frame_rate=None,
        num_frames=1,
        pixel_format="rgb24",
        bit_depth=8,
        colour_space="rgb",
        colour_range="full",
        hdr=False,
        has_audio=False,
        num_video_streams=0,
        bytes=Path(path).stat().st_size,
    )
