"""Clips and results as messages, and back: the only things that a child hands over."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Callable
from typing import Any

import numpy as np

from vidfake.errors import StoreError
from vidfake.faces.codec import picture_size
from vidfake.faces.extract import ExtractionResult
from vidfake.faces.quality import QUALITY_NAMES
from vidfake.sandbox.arrays import Cursor, packed
from vidfake.sandbox.wire import Kind, WireError, flag, items, number, text, whole
from vidfake.settings import ExtractSettings
from vidfake.types import FaceClip, Track
from vidfake.video.info import VideoInfo

MAX_COUNT = 1 << 40
_MAX_RESULT_BYTES = 1 << 29  # tracks of an hour of eight faces at 60 frames per second have 250 MB
_LIMITS = {"duration", "frames", "frame_rate", "streams", "faces"}
_NAME = re.compile(r"[\w .,+/()-]{0,80}", re.ASCII)


def max_clip_bytes(settings: ExtractSettings) -> int:
    """Most bytes that a clip of these settings can have, its pictures in the codec included."""
    pixels = settings.crop_size**2 * 3
    return settings.num_frames * (2 * pixels + 65536 + 8 * (2 + 4 + 10 + 10 + len(QUALITY_NAMES)))


def payload_limits(settings: ExtractSettings) -> Callable[[int], int]:
    """For `read_message`: the most that clips of these settings, and their result, may carry; others, nothing."""
    largest: dict[int, int] = {Kind.CLIP: max_clip_bytes(settings), Kind.DONE: _MAX_RESULT_BYTES}
    return lambda kind: largest.get(kind, 0)


def max_clips(settings: ExtractSettings) -> int:
    """More clips than any video gives with these settings."""
    return settings.max_clips * settings.max_faces * settings.num_frames


def pack_clip(clip: FaceClip) -> tuple[dict[str, Any], list[memoryview | bytes]]:
    """Header and payload of a clip."""
    header = {
        "track_id": int(clip.track_id),
        "shot_index": int(clip.shot_index),
        "clip_index": int(clip.clip_index),
        "num_faces": len(clip.faces),
        "encoded": [len(data) for data in clip.encoded],
    }
    floats = [clip.pts_seconds, clip.boxes, clip.landmarks, clip.crop_landmarks]
    floats += [clip.quality[name] for name in QUALITY_NAMES]
    payload = [packed(clip.faces, "u1"), packed(clip.frame_indices, "<i8"), *(packed(f, "<f8") for f in floats)]
    return header, [*payload, *clip.encoded]


def parse_clip(header: dict[str, Any], payload: bytearray, settings: ExtractSettings) -> FaceClip:
    """The clip of a message, its size as the settings say. Raises WireError for anything else."""
    count = whole(header.get("num_faces"), 1, settings.num_frames, "num_faces")
    side = settings.crop_size
    lengths = items(header.get("encoded"), "encoded", most=count)
    cursor = Cursor(payload)
    try:
        clip = FaceClip(
            track_id=whole(header.get("track_id"), 0, MAX_COUNT, "track_id"),
            shot_index=whole(header.get("shot_index"), 0, MAX_COUNT, "shot_index"),
            clip_index=whole(header.get("clip_index"), 0, MAX_COUNT, "clip_index"),
            faces=cursor.bytes_array(count, side, side, 3),
            frame_indices=cursor.integers(count),
            pts_seconds=cursor.floats(count),
            boxes=cursor.floats(count, 4),
            landmarks=cursor.floats(count, 5, 2),
            crop_landmarks=cursor.floats(count, 5, 2),
            quality={name: cursor.floats(count) for name in QUALITY_NAMES},
            encoded=tuple(bytes(cursor.take(whole(n, 1, len(payload), "encoded"))) for n in lengths),
        )
    except WireError:
        raise
    except ValueError as error:
        raise WireError(str(error)) from error
    cursor.finish()
    for data in clip.encoded:
        _check_picture(data, side)
    for name in QUALITY_NAMES:
        if name != "size_pixels" and not bool(np.all((clip.quality[name] >= 0) & (clip.quality[name] <= 1))):
            raise WireError(f"a clip's {name} is outside of 0 to 1")
    return clip


def _check_picture(data: bytes, side: int) -> None:
    """A store keeps these bytes: they must at least claim the size that the settings say."""
    try:
        size = picture_size(data)
    except StoreError as error:
        raise WireError(str(error)) from error
    if size != (side, side):
        raise WireError(f"an encoded face claims {size[0]} x {size[1]} pixels, not {side} x {side}")


def pack_result(result: ExtractionResult) -> tuple[dict[str, Any], list[memoryview | bytes]]:
    """Header and payload of a result."""
    tracks = result.tracks
    header = {
        "info": dataclasses.asdict(result.info),
        "status": result.status,
        "num_clips": int(result.num_clips),
        "num_frames_decoded": int(result.num_frames_decoded),
        "num_detections": int(result.num_detections),
        "decode_errors": int(result.decode_errors),
        "truncated": bool(result.truncated),
        "max_frames_held": int(result.max_frames_held),
        "timings": {name: float(seconds) for name, seconds in result.timings.items()},
        "warnings": [warning[:2000] for warning in result.warnings],
        "limits_hit": list(result.limits_hit),
        "num_shots": len(result.shot_starts_seconds),
        "num_tracks": len(tracks),
    }
    table = [[t.track_id, t.shot_index, len(t.frame_indices)] for t in tracks]
    payload = [packed(result.shot_starts_seconds, "<f8"), packed(table, "<i8")]
    for track in tracks:
        payload.append(packed(track.frame_indices, "<i8"))
        arrays = (track.pts_seconds, track.boxes, track.landmarks, track.confidences)
        payload += [packed(array, "<f8") for array in arrays]
        payload.append(packed(track.detected, "u1"))
    return header, [*payload]


def parse_result(header: dict[str, Any], payload: bytearray) -> ExtractionResult:
    """The result of a message. Raises WireError for anything else."""
    cursor = Cursor(payload)
    most = len(payload) // 8
    starts = cursor.floats(whole(header.get("num_shots"), 0, most, "num_shots"))
    table = cursor.integers(whole(header.get("num_tracks"), 0, most, "num_tracks"), 3)
    try:
        tracks = [_track(cursor, *row) for row in table.tolist()]
    except WireError:
        raise
    except ValueError as error:
        raise WireError(str(error)) from error
    cursor.finish()
    status = header.get("status")
    if status not in ("ok", "no_face"):
        raise WireError(f"status is {status!r:.40}")
    timings = header.get("timings")
    if not isinstance(timings, dict) or len(timings) > 64:
        raise WireError("timings are not a short table")
    hit = [text(name, "limits_hit") for name in items(header.get("limits_hit"), "limits_hit", most=8)]
    if not set(hit) <= _LIMITS:
        raise WireError(f"limits_hit names {sorted(set(hit) - _LIMITS)!r:.80}")
    return ExtractionResult(
        info=parse_info(header.get("info")),
        status=status,
        tracks=tracks,
        num_clips=whole(header.get("num_clips"), 0, MAX_COUNT, "num_clips"),
        num_frames_decoded=whole(header.get("num_frames_decoded"), 0, MAX_COUNT, "num_frames_decoded"),
        num_detections=whole(header.get("num_detections"), 0, MAX_COUNT, "num_detections"),
        decode_errors=whole(header.get("decode_errors"), 0, MAX_COUNT, "decode_errors"),
        truncated=flag(header.get("truncated"), "truncated"),
        shot_starts_seconds=starts.tolist(),
        max_frames_held=whole(header.get("max_frames_held"), 0, MAX_COUNT, "max_frames_held"),
        timings={_name(key, "timings"): number(value, 0.0, 1e9, "timings") for key, value in timings.items()},
        warnings=[text(w, "warnings") for w in items(header.get("warnings"), "warnings", most=64)],
        limits_hit=hit,
    )


def _track(cursor: Cursor, track_id: int, shot_index: int, count: int) -> Track:
    if count < 1:
        raise WireError("a track is empty")
    return Track(
        track_id=track_id,
        shot_index=shot_index,
        frame_indices=cursor.integers(count),
        pts_seconds=cursor.floats(count),
        boxes=cursor.floats(count, 4),
        landmarks=cursor.floats(count, 5, 2),
        confidences=cursor.floats(count),
        detected=cursor.bytes_array(count) != 0,
    )


def parse_info(value: Any) -> VideoInfo:
    """Facts about the file, every field of the type that `VideoInfo` declares. Raises WireError."""
    if not isinstance(value, dict):
        raise WireError("info is not a table")
    hints = typing.get_type_hints(VideoInfo)
    if set(value) != set(hints):
        raise WireError(f"info has other fields than expected: {sorted(set(value) ^ set(hints))!r:.200}")
    return VideoInfo(**{name: _field(value[name], hint, name) for name, hint in hints.items()})


def _field(value: Any, hint: Any, name: str) -> Any:
    if value is None and type(None) in typing.get_args(hint):
        return None
    kind = next((k for k in (typing.get_args(hint) or (hint,)) if k is not type(None)), hint)
    if kind is bool:
        return flag(value, name)
    if kind is int:
        return whole(value, -(1 << 63), 1 << 63, name)
    if kind is float:
        return number(value, -1e30, 1e30, name)
    return _name(value, name)


def _name(value: Any, what: str) -> str:
    found = text(value, what, longest=80)
    if not _NAME.fullmatch(found):
        raise WireError(f"{what} is {found!r}; letters and digits were expected")
    return found
