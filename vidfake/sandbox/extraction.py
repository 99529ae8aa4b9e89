"""`extract_clips` in a child process: the same clips and the same result, and a file that attacks the decoder
takes nothing but its child along."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from vidfake import errors
from vidfake.config import to_dict
from vidfake.errors import DecoderFailedError, VidfakeError
from vidfake.faces.extract import ExtractionResult
from vidfake.sandbox.limits import SandboxLimits
from vidfake.sandbox.messages import max_clips, parse_clip, parse_result, payload_limits
from vidfake.sandbox.process import Child, Message
from vidfake.sandbox.wire import Kind, WireError, text, whole
from vidfake.settings import ExtractSettings
from vidfake.types import FaceClip, Region
from vidfake.video.opening import MAX_PIXELS, check_path

# what a child may raise here; anything else that it reports is a failure of its own
_RAISED = (
    "UnreadableVideoError",
    "NoVideoStreamError",
    "MediaError",
    "UsageError",
    "ConfigError",
    "MissingPackageError",
)

_lock = threading.Lock()
_idle: list[Child] = []
_inherited: list[Child] = []


def extract_in_child(
    path: Path | str,
    settings: ExtractSettings,
    *,
    region: Region | None = None,
    on_clip: Callable[[FaceClip], None] | None = None,
    threads: int = 0,
    limits: SandboxLimits | None = None,
    photo: bool = False,
) -> ExtractionResult:
    """What `faces.extract.extract_clips` does, done in a confined child process that is kept for the next file.

    `on_clip` runs here, while the child decodes on. With `photo` the file is a photograph, and
    `faces.photo.extract_photo_clips` does it. May be called from several threads, each with a child of its own.

    Raises as those do, and DecoderFailedError where the child crashed, hung, outgrew `limits` or answered with
    something that is no answer: that is the file's fault, clips that came before are worth nothing, and the next
    file gets a new child. Raises SandboxError where no child can be started.
    """
    limits = limits or SandboxLimits()
    check_path(path, still_images=photo)
    child = _acquire(limits)
    try:
        child.wait_ready()
        job = {
            "path": os.fsencode(path).hex(),
            "folder": os.fsencode(Path.cwd()).hex(),
            "settings": to_dict(settings),
            "region": None if region is None else [region.x, region.y, region.width, region.height],
            "clips": on_clip is not None,
            "photo": photo,
            "threads": threads,
            "limits": asdict(limits.video),
            "stall_seconds": limits.stall_seconds,
        }
        result = _Conversation(child, settings, _num_bytes(path), str(path)).run(job, on_clip)
    except BaseException as error:
        if isinstance(error, VidfakeError) and not isinstance(error, DecoderFailedError) and child.is_alive():
            _give_back(child)
        else:
            child.kill()
        raise
    _give_back(child)
    return result


def _num_bytes(path: Path | str) -> int:
    """Size of the file, for the patience with it; one that has gone meanwhile is the child's to report."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


class _Conversation:
    """One file's messages, and the patience with it."""

    def __init__(self, child: Child, settings: ExtractSettings, num_bytes: int, path: str) -> None:
        self._child, self._settings, self._path = child, settings, path
        self._num_bytes = num_bytes
        self._frames = self._pixels = self._clips = 0

    def run(self, job: dict[str, Any], on_clip: Callable[[FaceClip], None] | None) -> ExtractionResult:
        self._child.max_payload = payload_limits(self._settings)
        if not self._child.send(job):
            self._fail(self._child.how_it_ended())
        limits = self._child.limits
        waited = 0.0
        while True:
            patience = min(
                limits.stall_seconds_for(self._num_bytes, self._frames),
                limits.total_seconds_for(self._num_bytes, self._frames, self._pixels) - waited,
            )
            try:
                message, seconds = self._child.receive(max(patience, 0.0))
                waited += seconds
                if message is None or waited > limits.max_seconds:
                    self._fail(self._why_silent(waited))
                result = self._take(message, on_clip)
            except WireError as error:
                self._fail(f"answered with something that is no answer ({error})", error)
            if result is not None:
                return result

    def _take(self, message: Message, on_clip: Callable[[FaceClip], None] | None) -> ExtractionResult | None:
        kind, header, payload = message
        if kind == Kind.PROGRESS:
            limit = self._child.limits.video.max_frames
            self._frames = whole(header.get("frames"), self._frames, 2 * limit + 2, "frames")
            self._pixels = whole(header.get("pixels"), self._pixels, self._frames * MAX_PIXELS, "pixels")
        elif kind == Kind.CLIP and on_clip is not None:
            self._clips += 1
            if self._clips > max_clips(self._settings):
                raise WireError(f"more than {max_clips(self._settings)} clips came")
            clip = parse_clip(header, payload, self._settings)
            self._hand_on(clip, on_clip)
        elif kind == Kind.DONE:
            result = parse_result(header, payload)
            if on_clip is not None and result.num_clips != self._clips:
                raise WireError(f"{self._clips} clips came, and the result says {result.num_clips}")
            return result
        elif kind == Kind.FAILED:
            self._raise(text(header.get("type"), "type", longest=80), text(header.get("message"), "message"))
        else:
            raise WireError(f"a message of kind {kind} came out of turn")
        return None

    def _hand_on(self, clip: FaceClip, on_clip: Callable[[FaceClip], None]) -> None:
        try:
            on_clip(clip)
        except WireError as error:  # never of this package's making: it must not be taken for the child's
            raise RuntimeError(str(error)) from error

    def _raise(self, name: str, message: str) -> NoReturn:
        if name in _RAISED:
            raise getattr(errors, name)(message)
        if name == "MemoryError":
            self._fail(f"needed more memory than allowed ({message})")
        self._fail(f"failed unexpectedly ({message})")

    def _why_silent(self, waited: float) -> str:
        if not self._child.is_alive():
            return self._child.how_it_ended()
        return f"was ended after {waited:.0f} s of waiting and {self._frames} frames: it hangs or is far too slow"

    def _fail(self, how: str, cause: BaseException | None = None) -> NoReturn:
        raise DecoderFailedError(
            f"{self._path}: the process that decoded it {how}. Nothing of it was used; no other file is "
            "affected. Check that it plays, or convert it."
        ) from cause


def warm_up(limits: SandboxLimits | None = None) -> None:
    """Start a child in the background, where none waits: it loads its libraries while this process loads its own.

    Raises SandboxError.
    """
    limits = limits or SandboxLimits()
    with _lock:
        if not any(child.limits == limits for child in _idle):
            _idle.append(Child(limits))


def protections(limits: SandboxLimits | None = None) -> list[str]:
    """What is in force in a child, in words; starts one where none waits. Raises SandboxError."""
    child = _acquire(limits or SandboxLimits())
    try:
        child.wait_ready()
        return list(child.in_force)
    finally:
        _give_back(child)


def close_children() -> None:
    """End all children that wait for a file. They also end with this process."""
    with _lock:
        idle, _idle[:] = list(_idle), []
    for child in idle:
        child.close()


def _acquire(limits: SandboxLimits) -> Child:
    with _lock:
        for child in reversed(_idle):
            if child.limits == limits:
                _idle.remove(child)
                if child.is_running():
                    return child
                child.kill()
                break
    return Child(limits)


def _give_back(child: Child) -> None:
    if not child.is_alive() or child.num_files >= child.limits.files_per_child:
        child.close()
        return
    with _lock:
        _idle.append(child)


def _after_fork() -> None:
    """A copy of this process has no part in the original's children."""
    global _lock
    _lock = threading.Lock()
    for child in _idle:
        child.forget()
    _inherited.extend(_idle)
    _idle.clear()


atexit.register(close_children)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
