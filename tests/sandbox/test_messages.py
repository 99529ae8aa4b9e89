"""What comes from a child is checked: a message is what the settings allow, or it is refused."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from made_clips import assert_same, clip, result

from vidfake.errors import DecoderFailedError
from vidfake.faces.codec import encode_crop
from vidfake.faces.extract import ExtractionResult
from vidfake.sandbox.conversation import Conversation
from vidfake.sandbox.extraction import take_clips
from vidfake.sandbox.limits import SandboxLimits
from vidfake.sandbox.messages import (
    max_clip_bytes,
    max_clips,
    pack_clip,
    pack_result,
    parse_clip,
    parse_result,
    payload_limits,
)
from vidfake.sandbox.wire import MAX_HEADER_BYTES, Kind, WireError, read_message, write_message
from vidfake.settings import ExtractSettings
from vidfake.types import FaceClip

SETTINGS = ExtractSettings(crop_size=32, num_frames=4, min_frames=2, max_clips=2, max_faces=1)


def sent(kind: int, header: dict[str, Any], payload: Any = ()) -> bytes:
    stream = io.BytesIO()
    write_message(stream.write, kind, header, payload)
    return stream.getvalue()


def received(data: bytes, most: int = 1 << 20) -> Any:
    return read_message(io.BytesIO(data).read, max_payload=lambda kind: most)


def test_a_message_arrives_in_small_pieces() -> None:
    data = sent(Kind.CLIP, {"a": "ü"}, [b"xyz", memoryview(b"12")])
    stream = io.BytesIO(data)
    kind, header, payload = read_message(lambda n: stream.read(min(n, 2)), max_payload=lambda kind: 5) or ()
    assert (kind, header, bytes(payload)) == (Kind.CLIP, {"a": "ü"}, b"xyz12")
    assert read_message(stream.read, max_payload=lambda kind: 0) is None


@pytest.mark.parametrize(
    "data",
    [
        b"\x03",
        struct.pack(">BIQ", 3, 2, 1 << 60) + b"{}",
        struct.pack(">BIQ", 3, MAX_HEADER_BYTES + 1, 0),
        struct.pack(">BIQ", 3, 10, 0) + b"{}",
        struct.pack(">BIQ", 3, 2, 0) + b"[]",
        struct.pack(">BIQ", 3, 8, 0) + b'{"a":NaN}'[:8],
        struct.pack(">BIQ", 3, 9, 0) + b'{"a":NaN}',
        struct.pack(">BIQ", 3, 31, 0) + b"cos\nsystem\n(S'touch hacked'\ntR.",
        struct.pack(">BIQ", 3, 60000, 0) + b"[" * 60000,
        struct.pack(">BIQ", 3, 2, 5) + b"{}abc",
    ],
)
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(WireError):
        received(data)


def test_a_claim_allocates_nothing() -> None:
    """A gigabyte is claimed and allowed, three bytes come: memory is that of what came."""
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(WireError, match="ends after 3 of"):
        received(struct.pack(">BIQ", 3, 2, 1 << 30) + b"{}abc", most=1 << 31)
    assert tracemalloc.get_traced_memory()[1] < 1 << 21
    tracemalloc.stop()


def parsed_clip(header: dict[str, Any], payload: Any) -> FaceClip:
    return parse_clip(header, bytearray(b"".join(bytes(p) for p in payload)), SETTINGS)


def test_a_clip_comes_back() -> None:
    header, payload = pack_clip(clip())
    found = parsed_clip(json.loads(json.dumps(header)), payload)
    assert_same(found, clip())
    assert sum(len(p) for p in payload) <= max_clip_bytes(SETTINGS)


@pytest.mark.parametrize(
    "change",
    [
        {"num_faces": 5}, {"num_faces": 0}, {"num_faces": 2}, {"num_faces": True}, {"num_faces": "3"},
        {"track_id": -1}, {"track_id": 1.5}, {"track_id": None}, {"clip_index": 1 << 60}, {"encoded": "abc"},
        {"encoded": [1, 2, 3]}, {"encoded": [1 << 40] * 3}, {"encoded": []}, {"encoded": [0, 0, 0]},
    ],
)  # fmt: skip
def test_a_clip_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    header, payload = pack_clip(clip())
    with pytest.raises(WireError):
        parsed_clip(header | change, payload)


@pytest.mark.parametrize(
    "changed",
    [
        {"pts_seconds": np.array([0.0, 0.0, 0.1])},
        {"pts_seconds": np.array([0.0, np.nan, 0.1])},
        {"boxes": np.full((3, 4), np.inf)},
        {"landmarks": np.full((3, 5, 2), -1e40)},
        {"frame_indices": np.array([-1, 2, 3])},
        {"encoded": (b"\xff\xd8\xff" + bytes(40),) * 3},
        {"encoded": (b"GIF89a" + bytes(40),) * 3},
        {"encoded": (encode_crop(np.zeros((48, 32, 3), np.uint8), quality=95),) * 3},
        {"quality": {**clip().quality, "pose": np.array([0.0, 1.5, 1.0])}},
    ],
)
def test_a_clip_of_impossible_numbers_is_refused(changed: dict[str, Any]) -> None:
    honest = clip()
    for name, value in changed.items():
        object.__setattr__(honest, name, value)
    with pytest.raises(WireError):
        parsed_clip(*pack_clip(honest))


def parsed_result(header: dict[str, Any], payload: Any) -> ExtractionResult:
    return parse_result(header, bytearray(b"".join(bytes(p) for p in payload)))


def test_a_result_comes_back() -> None:
    header, payload = pack_result(result())
    found = parsed_result(json.loads(json.dumps(header)), payload)
    assert_same(found, result())
    assert found.timings == {"decode": 0.1}


@pytest.mark.parametrize(
    "change",
    [
        {"status": "unreadable"}, {"status": None}, {"num_clips": -1}, {"num_tracks": 2}, {"num_tracks": 1 << 50},
        {"num_shots": 0}, {"truncated": 1}, {"timings": {"decode": -1}}, {"timings": {"\x1b[2J": 1.0}},
        {"timings": []}, {"warnings": ["x" * 9000]}, {"warnings": ["x"] * 65}, {"warnings": [1]},
        {"limits_hit": ["other"]}, {"info": None}, {"info": {"container": "mp4"}},
    ],
)  # fmt: skip
def test_a_result_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    header, payload = pack_result(result())
    with pytest.raises(WireError):
        parsed_result(header | change, payload)


@pytest.mark.parametrize(
    "change", [{"codec": "\x1b[31mh264"}, {"width": "64"}, {"hdr": 0}, {"start_seconds": None}, {"bytes": 1 << 80}]
)
def test_facts_of_another_type_are_refused(change: dict[str, Any]) -> None:
    header, payload = pack_result(result())
    with pytest.raises(WireError):
        parsed_result(header | {"info": header["info"] | change}, payload)


@given(st.binary(max_size=400))
@hypothesis_settings(max_examples=150, deadline=None)
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    try:
        message = received(data)
    except WireError:
        return
    assert message is None or (isinstance(message[1], dict) and len(message[2]) <= 1 << 20)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(st.data())
@hypothesis_settings(max_examples=80, deadline=None)
def test_any_header_and_payload_are_parsed_or_refused(data: st.DataObject) -> None:
    """Fields of honest messages are replaced, and bytes of their payload."""
    pack, parse = data.draw(
        st.sampled_from([(lambda: pack_clip(clip()), parsed_clip), (lambda: pack_result(result()), parsed_result)])
    )
    header, payload = pack()
    content = bytearray(b"".join(bytes(p) for p in payload))
    for name in data.draw(st.lists(st.sampled_from(sorted(header)), max_size=2)):
        header[name] = data.draw(_json)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.sampled_from([len(content), len(content) - 1, 0]))]
    try:
        parse(header, [content])
    except WireError:
        return


class FakeChild:
    """Answers with prepared messages, and is dead after them."""

    def __init__(self, data: bytes) -> None:
        self.limits = SandboxLimits(stall_seconds=0.1)
        self._stream = io.BytesIO(data)
        self.max_payload: Any = None

    def send(self, job: dict[str, Any]) -> bool:
        return True

    def receive(self, patience: float) -> Any:
        return read_message(self._stream.read, max_payload=self.max_payload), 0.0

    def is_alive(self) -> bool:
        return False

    def how_it_ended(self) -> str:
        return "ended"


def converse(data: bytes) -> list[FaceClip]:
    clips: list[FaceClip] = []
    child: Any = FakeChild(data)
    talk = Conversation(child, 100, "a.mp4")
    talk.begin({}, payload_limits(SETTINGS))
    take_clips(talk, SETTINGS, clips.append)
    return clips


def test_an_honest_conversation() -> None:
    data = sent(Kind.PROGRESS, {"frames": 5, "pixels": 5000}) + sent(Kind.CLIP, *pack_clip(clip()))
    assert len(converse(data + sent(Kind.DONE, *pack_result(result())))) == 1


CLIP = sent(Kind.CLIP, *pack_clip(clip()))
DONE = sent(Kind.DONE, *pack_result(result()))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "ended"),
        (CLIP, "ended"),
        (DONE, "0 clips came, and the result says 1"),
        (CLIP * 2 + DONE, "2 clips came"),
        (CLIP * (max_clips(SETTINGS) + 1), "more than 8 clips"),
        (sent(Kind.READY, {}), "out of turn"),
        (sent(77, {}), "out of turn"),
        (
            sent(Kind.PROGRESS, {"frames": 9, "pixels": 0}) + sent(Kind.PROGRESS, {"frames": 8, "pixels": 0}),
            "frames",
        ),
        (sent(Kind.PROGRESS, {"frames": 1 << 40, "pixels": 0}), "frames"),
        (sent(Kind.PROGRESS, {"frames": 1, "pixels": 1 << 60}), "pixels"),
        (sent(Kind.PROGRESS, {"frames": 1, "pixels": 1}, [bytes(10)]), "claims"),
        (sent(Kind.FAILED, {"type": "SystemExit", "message": "out"}), "failed unexpectedly .out"),
        (sent(Kind.FAILED, {"type": "StorageError", "message": "x"}), "failed unexpectedly"),
        (sent(Kind.FAILED, {"type": ["x"], "message": "x"}), "type is"),
        (sent(Kind.FAILED, {"type": "MemoryError", "message": "x"}), "more memory than allowed"),
    ],
)
def test_a_conversation_that_breaks_the_rules(data: bytes, words: str) -> None:
    with pytest.raises(DecoderFailedError, match=words):
        converse(data)


def test_nothing_is_unpickled() -> None:
    """No module of the package can even do it."""
    import vidfake.sandbox

    for path in Path(vidfake.sandbox.__file__).parent.glob("*.py"):
        for word in ("import pickle", "multiprocessing", "marshal", "eval(", "exec("):
            assert word not in path.read_text("utf-8"), path
