"""Where the files that fakes are made of are decoded: in a confined child process, or in this one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from vidfake.faces.extract import ExtractionResult, extract_clips
from vidfake.faces.limited import open_admitted
from vidfake.faces.photo import extract_photo_clips, is_photo, open_photo
from vidfake.sandbox import extract_in_child, open_in_child
from vidfake.settings import ExtractSettings
from vidfake.video.source import FrameSource


@dataclass(frozen=True)
class Decoding:
    """Finds tracks and reads pictures, of videos and of photographs (`faces.photo.is_photo`) alike.

    With `sandbox` in a confined child, else in this process; the result is the same.
    """

    sandbox: bool = True

    def tracks(self, path: Path | str, settings: ExtractSettings) -> ExtractionResult:
        """Tracks alone, no clips. Raises MediaError for a file that cannot be read."""
        photo = is_photo(path)
        if self.sandbox:
            return extract_in_child(path, settings, photo=photo)
        return extract_photo_clips(path, settings) if photo else extract_clips(path, settings)

    def open(self, path: Path | str) -> AbstractContextManager[FrameSource]:
        """The file's pictures, those that `tracks` has looked at. Raises MediaError."""
        photo = is_photo(path)
        if self.sandbox:
            return open_in_child(path, photo=photo)
        return open_photo(path) if photo else open_admitted(path)
