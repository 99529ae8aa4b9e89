"""The process in which files are decoded: takes jobs on its standard input, answers on its standard output.

It never imports torch, and everything it needs is loaded before its limits are in force.
"""

from __future__ import annotations

import dataclasses
import os
import queue
import signal
import threading
import time
from typing import Any

from vidfake.errors import VidfakeError
from vidfake.faces.detect import FaceDetector, build_detector
from vidfake.faces.extract import ExtractionResult, extract_clips
from vidfake.faces.limited import open_admitted
from vidfake.faces.photo import extract_photo_clips, open_photo
from vidfake.sandbox.arrays import packed
from vidfake.sandbox.confine import allow_cpu_seconds, confine
from vidfake.sandbox.messages import pack_clip, pack_result
from vidfake.sandbox.wire import MAX_TEXT, Kind, parse_header, write_message
from vidfake.settings import ExtractSettings
from vidfake.types import FaceClip, Region
from vidfake.video.limits import VideoLimits
from vidfake.video.scheduling import usable_processors

_PROGRESS_SECONDS = 0.5
_MOST_THREADS = 16  # each reserves address space; FFmpeg itself takes no more by default


def main(config: dict[str, Any]) -> None:
    """Serve until the parent closes its end. `config`: sys_path, memory_bytes, open_files, start_seconds."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to decide
    jobs_in, answers_out = _private_streams()
    server = _Server(answers_out)
    server.warm_up()
    in_force = confine(memory_bytes=config["memory_bytes"], open_files=config["open_files"])
    if allow_cpu_seconds(config["start_seconds"]):
        in_force.append("processor time")
    server.send(Kind.READY, {"in_force": in_force, "pid": os.getpid()})
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs_in, jobs), daemon=True).start()
    while True:
        if not server.serve(parse_header(jobs.get())):
            return


def _private_streams() -> tuple[int, int]:
    """Copies of standard input and output; the numbers 0 and 1 then lead nowhere, so that nothing that a library
    prints gets between the messages."""
    jobs_in, answers_out = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return jobs_in, answers_out


def _listen(descriptor: int, jobs: queue.SimpleQueue[bytes]) -> None:
    """Lines from the parent become jobs; when it has closed its end, or is gone, this process ends at once."""
    pending = b""
    while True:
        data = os.read(descriptor, 1 << 16)
        if not data:
            os._exit(0)
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            jobs.put(line)


class _Server:
    """Works on one job after another; face detectors are kept between them."""

    def __init__(self, answers_out: int) -> None:
        self._out = answers_out
        self._cv2_threads = 0
        self._detectors: dict[str, FaceDetector] = {}

    def send(self, kind: Kind, header: dict[str, Any], payload: Any = ()) -> None:
        """One message to the parent."""
        write_message(self._write, kind, header, payload)

    def _write(self, data: bytes | memoryview) -> None:
        view = memoryview(data).cast("B")
        while len(view):
            view = view[os.write(self._out, view) :]

    def warm_up(self) -> None:
        """Load the default detector, and with it the libraries that are loaded on first use."""
        try:
            self._detector(ExtractSettings())
        except VidfakeError:
            return  # not installed: a job that needs it says so

    def _detector(self, settings: ExtractSettings) -> FaceDetector:
        key = repr((settings.detector, settings.detector_weights, settings.min_confidence))
        if key not in self._detectors:
            self._detectors[key] = build_detector(settings)
        return self._detectors[key]

    def serve(self, job: dict[str, Any]) -> bool:
        """Answer one job. False when this process should not take another: what it met was not foreseen."""
        threads = min(job["threads"] or usable_processors(), _MOST_THREADS)
        pulse = _Pulse(self, stall_seconds=float(job["stall_seconds"]), threads=threads)
        self._use_threads(threads)
        try:
            os.chdir(os.fsdecode(bytes.fromhex(job["folder"])))
            if job["what"] == "pictures":
                header = {"num_frames": self._send_pictures(job, pulse, threads)}
                payload: list[memoryview | bytes] = []
            else:
                header, payload = pack_result(self._extract(job, pulse, threads))
        except VidfakeError as error:
            self.send(Kind.FAILED, {"type": type(error).__name__, "message": str(error)[:MAX_TEXT]})
            return True
        except Exception as error:
            words = f"{type(error).__name__}: {error}"[:MAX_TEXT]
            self.send(Kind.FAILED, {"type": "MemoryError" if _is_memory(error) else "unexpected", "message": words})
            return False
        self.send(Kind.DONE, header, payload)
        return True

    def _use_threads(self, count: int) -> None:
        """So many for OpenCV; the decoder is told by itself."""
        import cv2

        if count != self._cv2_threads:
            cv2.setNumThreads(count)
            self._cv2_threads = count

    def _extract(self, job: dict[str, Any], pulse: _Pulse, threads: int) -> ExtractionResult:
        path = os.fsdecode(bytes.fromhex(job["path"]))
        settings = ExtractSettings(**job["settings"])
        region = None if job["region"] is None else Region(*job["region"])
        detector = self._detector(settings)
        on_clip = self._send_clip if job["clips"] else None
        if job["photo"]:
            return extract_photo_clips(path, settings, region=region, detector=detector, on_clip=on_clip)
        return extract_clips(
            path,
            settings,
            region=region,
            detector=detector,
            on_clip=on_clip,
            threads=threads,
            limits=VideoLimits(**job["limits"]),
            on_frame=pulse,
        )

    def _send_pictures(self, job: dict[str, Any], pulse: _Pulse, threads: int) -> int:
        """Facts, then every picture that the limits admit. Returns how many."""
        path = os.fsdecode(bytes.fromhex(job["path"]))
        limits = VideoLimits(**job["limits"])
        count = 0
        with open_photo(path) if job["photo"] else open_admitted(path, limits, threads, pulse) as source:
            self.send(Kind.OPENED, {"info": dataclasses.asdict(source.info)})
            for picture in source.frames():
                count += 1
                header = {"index": int(picture.index), "pts_seconds": float(picture.pts_seconds)}
                self.send(Kind.FRAME, header, [packed(picture.rgb(), "u1")])
        return count

    def _send_clip(self, clip: FaceClip) -> None:
        header, payload = pack_clip(clip)
        self.send(Kind.CLIP, header, payload)


class _Pulse:
    """Tells the parent now and then how far decoding is, and asks the kernel for the next stretch of time."""

    def __init__(self, server: _Server, *, stall_seconds: float, threads: int) -> None:
        self._server = server
        self._cpu_seconds = stall_seconds * (threads + 1)
        self._frames = self._pixels = 0
        self._next = time.monotonic()
        allow_cpu_seconds(self._cpu_seconds + float(stall_seconds))

    def __call__(self, pixels: int) -> None:
        self._frames += 1
        self._pixels += pixels
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PROGRESS_SECONDS
            allow_cpu_seconds(self._cpu_seconds)
            self._server.send(Kind.PROGRESS, {"frames": self._frames, "pixels": self._pixels})


def _is_memory(error: BaseException) -> bool:
    words = str(error).lower()
    return isinstance(error, MemoryError) or "insufficient memory" in words or "cannot allocate" in words
