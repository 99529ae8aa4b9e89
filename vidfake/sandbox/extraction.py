"""`extract_clips` in a child process: the same clips and the same result, and a file that attacks the decoder
takes nothing but its child along."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vidfake.config import to_dict
from vidfake.faces.extract import ExtractionResult
from vidfake.sandbox.conversation import Conversation
from vidfake.sandbox.limits import SandboxLimits
from vidfake.sandbox.messages import max_clips, parse_clip, parse_result, payload_limits
from vidfake.sandbox.process import Child
from vidfake.sandbox.wire import Kind, WireError
from vidfake.settings import ExtractSettings
from vidfake.types import FaceClip, Region
from vidfake.video.opening import check_path

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
    job = {
        "what": "clips",
        "settings": to_dict(settings),
        "region": None if region is None else [region.x, region.y, region.width, region.height],
        "clips": on_clip is not None,
    }
    with conversation(
        path, job, limits=limits, threads=threads, photo=photo, max_payload=payload_limits(settings)
    ) as talk:
        return take_clips(talk, settings, on_clip)


@contextlib.contextmanager
def conversation(
    path: Path | str,
    job: dict[str, Any],
    *,
    limits: SandboxLimits | None,
    threads: int,
    photo: bool,
    max_payload: Callable[[int], int],
) -> Iterator[Conversation]:
    """Talk with a child about one file; then keep it for the next, or end it if it is not done with this one."""
    limits = limits or SandboxLimits()
    check_path(path, still_images=photo)
    child = _acquire(limits)
    talk = Conversation(child, _num_bytes(path), str(path))
    common = {
        "path": os.fsencode(path).hex(),
        "folder": os.fsencode(Path.cwd()).hex(),
        "photo": photo,
        "threads": threads,
        "limits": asdict(limits.video),
        "stall_seconds": limits.stall_seconds,
    }
    try:
        child.wait_ready()
        talk.begin(job | common, max_payload)
        yield talk
    finally:
        if talk.is_over and child.is_alive():
            _give_back(child)
        else:
            child.kill()


def _num_bytes(path: Path | str) -> int:
    """Size of the file, for the patience with it; one that has gone meanwhile is the child's to report."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def take_clips(
    talk: Conversation, settings: ExtractSettings, on_clip: Callable[[FaceClip], None] | None
) -> ExtractionResult:
    """Hand on every clip that comes; the result ends it."""
    num_clips = 0
    for kind, header, payload in talk.messages():
        with talk.checked():
            if kind == Kind.CLIP and on_clip is not None:
                num_clips += 1
                if num_clips > max_clips(settings):
                    raise WireError(f"more than {max_clips(settings)} clips came")
                clip = parse_clip(header, payload, settings)
            elif kind == Kind.DONE:
                result = parse_result(header, payload)
                if on_clip is not None and result.num_clips != num_clips:
                    raise WireError(f"{num_clips} clips came, and the result says {result.num_clips}")
                return result
            else:
                raise WireError(f"a message of kind {kind} came out of turn")
        on_clip(clip)
    raise AssertionError("messages end with the result")


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
