"""What a reader of videos is to those who only want its pictures, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from vidfake.types import ByteArray
from vidfake.video.info import VideoInfo


class Picture(Protocol):
    """One picture: `index` in the whole video, `pts_seconds` on the stream's own timeline."""

    @property
    def index(self) -> int: ...
    @property
    def pts_seconds(self) -> float: ...
    def rgb(self) -> ByteArray:
        """Upright (H, W, 3) uint8 RGB in full range."""
        ...


class FrameSource(Protocol):
    """An open video: its facts, and its frames in one pass."""

    @property
    def info(self) -> VideoInfo: ...
    def frames(self) -> Iterator[Picture]:
        """Frames in presentation order. One pass: open the video again for another."""
        ...


Opener = Callable[[Path | str], AbstractContextManager[FrameSource]]
"""`video.reader.open_video`, which decodes in this process, or `sandbox.open_in_child`, which does not."""
