"""The messages between parent and child: a kind, a short JSON header, and raw bytes. Nothing is ever unpickled.

The child may have been taken over by the file that it decodes, so whatever comes from it is checked: every length
before it is read, every number before it is used.
"""

from __future__ import annotations

import enum
import json
import math
import struct
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

MAX_HEADER_BYTES = 1 << 16
MAX_TEXT = 8000
_LAYOUT = struct.Struct(">BIQ")  # kind, bytes of header, bytes of payload
_CHUNK_BYTES = 1 << 20


class Kind(enum.IntEnum):
    """What a message of the child says."""

    READY = 1  # limits are in force, files may come
    PROGRESS = 2  # frames decoded so far
    CLIP = 3
    DONE = 4
    FAILED = 5
    OPENED = 6  # a file whose pictures follow
    FRAME = 7


class WireError(ValueError):
    """A message breaks the rules: its sender is broken or hostile."""


def write_message(
    write: Callable[[bytes | memoryview], Any],
    kind: int,
    header: dict[str, Any],
    payload: Sequence[bytes | memoryview] = (),
) -> None:
    """Send one message through `write`, which takes all of what it is given."""
    text = json.dumps(header, allow_nan=False).encode("ascii")
    write(_LAYOUT.pack(kind, len(text), sum(len(part) for part in payload)) + text)
    for part in payload:
        write(part)


def read_message(
    read: Callable[[int], bytes], *, max_payload: Callable[[int], int]
) -> tuple[int, dict[str, Any], bytearray] | None:
    """(kind, header, payload) of the next message, or None at the end of the stream.

    `read(n)` gives at most n bytes, none at the end; `max_payload(kind)` is the most that a message of that kind
    may carry. Memory grows with what has arrived, never with what is claimed. Raises WireError.
    """
    start = _read_exactly(read, _LAYOUT.size, may_end=True)
    if start is None:
        return None
    kind, header_bytes, payload_bytes = _LAYOUT.unpack(start)
    if header_bytes > MAX_HEADER_BYTES or payload_bytes > max_payload(kind):
        raise WireError(f"a message of kind {kind} claims {header_bytes} + {payload_bytes} bytes")
    header = parse_header(bytes(_read_exactly(read, header_bytes) or b""))
    return kind, header, _read_exactly(read, payload_bytes) or bytearray()


def _read_exactly(read: Callable[[int], bytes], count: int, *, may_end: bool = False) -> bytearray | None:
    data = bytearray()
    while len(data) < count:
        chunk = read(min(_CHUNK_BYTES, count - len(data)))
        if not chunk:
            if may_end and not data:
                return None
            raise WireError(f"the stream ends after {len(data)} of {count} bytes")
        data += chunk
    return data


def parse_header(data: bytes) -> dict[str, Any]:
    """A JSON object without NaN. Raises WireError."""

    def refuse(word: str) -> NoReturn:
        raise WireError(f"{word} is not JSON")

    try:
        value = json.loads(data.decode("ascii"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise WireError(f"a header is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise WireError(f"a header is {type(value).__name__}, not an object")
    return value


def whole(value: Any, low: int, high: int, name: str) -> int:
    """An int within [low, high], else WireError."""
    if type(value) is not int or not low <= value <= high:
        raise WireError(f"{name} is {value!r:.80}; a whole number from {low} to {high} was expected")
    return value


def number(value: Any, low: float, high: float, name: str) -> float:
    """A finite number within [low, high], else WireError."""
    if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:
        raise WireError(f"{name} is {value!r:.80}; a number from {low} to {high} was expected")
    return float(value)


def text(value: Any, name: str, *, longest: int = MAX_TEXT) -> str:
    """A string of at most `longest` characters, else WireError."""
    if not isinstance(value, str) or len(value) > longest:
        raise WireError(f"{name} is {value!r:.80}; text of at most {longest} characters was expected")
    return value


def flag(value: Any, name: str) -> bool:
    """True or False, else WireError."""
    if not isinstance(value, bool):
        raise WireError(f"{name} is {value!r:.80}; true or false was expected")
    return value


def items(value: Any, name: str, *, most: int) -> list[Any]:
    """A list of at most `most` entries, else WireError."""
    if not isinstance(value, list) or len(value) > most:
        raise WireError(f"{name} is not a list of at most {most}")
    return value
