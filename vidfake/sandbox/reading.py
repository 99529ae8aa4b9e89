"""Whole pictures of a file, decoded in a child: `open_video` for whoever draws into them or damages them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vidfake.faces.photo import MAX_PIXELS as MAX_PHOTO_PIXELS
from vidfake.sandbox.arrays import Cursor
from vidfake.sandbox.conversation import Conversation
from vidfake.sandbox.extraction import conversation
from vidfake.sandbox.limits import SandboxLimits
from vidfake.sandbox.messages import parse_info
from vidfake.sandbox.wire import Kind, WireError, number, whole
from vidfake.types import ByteArray
from vidfake.video.info import VideoInfo
from vidfake.video.opening import MAX_PIXELS
from vidfake.video.source import FrameSource


@dataclass(frozen=True)
class ChildPicture:
    """One picture that a child has sent: `picture` (H, W, 3) uint8 RGB."""

    index: int
    pts_seconds: float
    picture: ByteArray

    def rgb(self) -> ByteArray:
        """The picture."""
        return self.picture


class ChildReader:
    """A file whose pictures come from a child; made by `open_in_child`."""

    def __init__(self, talk: Conversation, *, max_frames: int, max_pixels: int) -> None:
        self._talk, self._max_frames = talk, max_frames
        self._messages = talk.messages()
        kind, header, _ = next(self._messages)
        with talk.checked():
            if kind != Kind.OPENED:
                raise WireError(f"a message of kind {kind} came before the facts about the file")
            self.info: VideoInfo = parse_info(header.get("info"))
            height, width = self.info.height, self.info.width
            if not (width > 0 and height > 0 and width * height <= max_pixels):
                raise WireError(f"pictures of {width} x {height} pixels are announced")

    def frames(self) -> Iterator[ChildPicture]:
        """Frames in presentation order, once."""
        last = -1
        for num_frames, (kind, header, payload) in enumerate(self._messages):
            with self._talk.checked():
                if kind == Kind.DONE:
                    whole(header.get("num_frames"), num_frames, num_frames, "num_frames")
                    return
                if kind != Kind.FRAME or num_frames >= self._max_frames:
                    raise WireError(f"a message of kind {kind} came out of turn, after {num_frames} frames")
                last = whole(header.get("index"), last + 1, 1 << 62, "index")
                seconds = number(header.get("pts_seconds"), -1e30, 1e30, "pts_seconds")
                cursor = Cursor(payload)
                picture = cursor.bytes_array(self.info.height, self.info.width, 3)
                cursor.finish()
            yield ChildPicture(last, seconds, picture)


@contextlib.contextmanager
def open_in_child(
    path: Path | str,
    *,
    photo: bool = False,
    threads: int = 0,
    limits: SandboxLimits | None = None,
) -> Iterator[FrameSource]:
    """The pictures of a video, or with `photo` of a photograph, decoded in a confined child process; one pass.

    They are those that `extract_in_child` looks at, with the same indices and times. The child decodes a few
    pictures ahead and then waits for the caller; where the caller stops early, the child is ended.

    Raises as `extract_in_child` does, when opened and while frames are read.
    """
    most = MAX_PHOTO_PIXELS if photo else MAX_PIXELS
    with conversation(
        path, {"what": "pictures"}, limits=limits, threads=threads, photo=photo, max_payload=_payloads(3 * most)
    ) as talk:
        max_frames = (limits or SandboxLimits()).video.max_frames
        yield ChildReader(talk, max_frames=max_frames, max_pixels=most)


def _payloads(most: int) -> Callable[[int], int]:
    return lambda kind: most if kind == Kind.FRAME else 0
