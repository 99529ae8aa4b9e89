"""One file's messages from a child, and how long the parent waits for them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from vidfake import errors
from vidfake.errors import DecoderFailedError
from vidfake.sandbox.process import Child, Message
from vidfake.sandbox.wire import Kind, WireError, text, whole
from vidfake.video.opening import MAX_PIXELS

# what a child may raise here; anything else that it reports is a failure of its own
_RAISED = (
    "UnreadableVideoError",
    "NoVideoStreamError",
    "MediaError",
    "UsageError",
    "ConfigError",
    "MissingPackageError",
)


class Conversation:
    """One file's messages, and the patience with it. `is_over`: the child is done with the file, well or not."""

    def __init__(self, child: Child, num_bytes: int, path: str) -> None:
        self._child, self._path = child, path
        self._num_bytes = num_bytes
        self._frames = self._pixels = 0
        self.is_over = False

    def begin(self, job: dict[str, Any], max_payload: Callable[[int], int]) -> None:
        """Hand over the job; `max_payload(kind)` is the most that its answers may carry."""
        self._child.max_payload = max_payload
        if not self._child.send(job):
            self._fail(self._child.how_it_ended())

    def messages(self) -> Iterator[Message]:
        """What comes, signs of progress left out, up to the message that ends the file.

        Raises what the child raised, and DecoderFailedError where it has nothing to say or says nonsense.
        """
        limits = self._child.limits
        waited = 0.0
        while not self.is_over:
            patience = min(
                limits.stall_seconds_for(self._num_bytes, self._frames),
                limits.total_seconds_for(self._num_bytes, self._frames, self._pixels) - waited,
            )
            with self.checked():
                message, seconds = self._child.receive(max(patience, 0.0))
                waited += seconds
                if message is None or waited > limits.max_seconds:
                    self._fail(self._why_silent(waited))
                kind, header, _ = message
                if kind == Kind.PROGRESS:
                    self._note_progress(header)
                    continue
                if kind == Kind.FAILED:
                    self._raise(
                        text(header.get("type"), "type", longest=80), text(header.get("message"), "message")
                    )
            self.is_over = kind == Kind.DONE
            yield message

    @contextlib.contextmanager
    def checked(self) -> Iterator[None]:
        """For whoever reads messages: a WireError becomes the failure of this file."""
        try:
            yield
        except WireError as error:
            self._fail(f"answered with something that is no answer ({error})", error)

    def _note_progress(self, header: dict[str, Any]) -> None:
        limit = self._child.limits.video.max_frames
        self._frames = whole(header.get("frames"), self._frames, 2 * limit + 2, "frames")
        self._pixels = whole(header.get("pixels"), self._pixels, self._frames * MAX_PIXELS, "pixels")

    def _raise(self, name: str, message: str) -> NoReturn:
        if name in _RAISED:
            self.is_over = True
            raise getattr(errors, name)(message)
        if name == "MemoryError":
            self._fail(f"needed more memory than allowed ({message})")
        self._fail(f"failed unexpectedly ({message})")

    def _why_silent(self, waited: float) -> str:
        if not self._child.is_alive():
            return self._child.how_it_ended()
        return f"was ended after {waited:.0f} s of waiting and {self._frames} frames: it hangs or is far too slow"

    def _fail(self, how: str, cause: BaseException | None = None) -> NoReturn:
        self.is_over = False  # whatever it says: this child takes no other file
        raise DecoderFailedError(
            f"{self._path}: the process that decoded it {how}. Nothing of it was used; no other file is "
            "affected. Check that it plays, or convert it."
        ) from cause
