"""Changes to files as somebody would make them who wants a reader to fail, or to reach beyond its folder."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

NASTY_TEXTS = [
    "", "..", "../../../../etc/passwd", "/etc/passwd", "/dev/zero", "a\x00b", "\x1b]0;x\x07\x1b[2J",
    "\u202egpj.exe", "=cmd|'/C calc'!A0", "<script>alert(1)</script>", "{{7*7}}", "${x}", "%n%s", "http://127.0.0.1:9/x",
    "file:///etc/passwd", "concat:a|b", "A" * 5000, "\ud800", "\u2028", "true", "nan", "1e999", "-0", "9" * 400,
]  # fmt: skip
NASTY_NUMBERS = [
    0, -1, 1, 2, 2**31, 2**53, 2**63, 2**64, 10**400, -(2**63), 0.5, -0.0, 1e308, -1e308, 5e-324, True, False, None,
]  # fmt: skip
NASTY_VALUES: list[Any] = [*NASTY_TEXTS, *NASTY_NUMBERS, [], {}, [[]], [{}], {"a": None}, [0] * 2000]


@st.composite
def changed_json(draw: st.DrawFn, value: Any) -> Any:
    """`value` with one to three of its parts, at any depth, replaced, removed, doubled or put elsewhere."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(value))
        if not places:
            return value
        holder, key = draw(st.sampled_from(places))
        kind = draw(st.sampled_from(["replace", "replace", "replace", "remove", "double", "swap"]))
        if kind == "replace":
            holder[key] = copy.deepcopy(draw(st.sampled_from(NASTY_VALUES)))
        elif kind == "remove":
            del holder[key]
        elif kind == "double" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif kind == "double":
            holder[draw(st.sampled_from(NASTY_TEXTS))] = copy.deepcopy(holder[key])
        else:
            other, there = draw(st.sampled_from(places))
            holder[key] = copy.deepcopy(other[there])
    return value


def _places(value: Any) -> Any:
    """(holder, key) of every part, at most the first eight of a list: the others are like them."""
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))[:8]
    else:
        return
    for key, item in pairs:
        yield value, key
        yield from _places(item)


@st.composite
def changed_bytes(draw: st.DrawFn, data: bytes) -> bytes:
    """`data` with up to four bytes flipped, cut off, put in, or exchanged for a piece from elsewhere."""
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.sampled_from(["flip", "cut", "insert", "splice", "text"]))
        if kind == "flip" and data:
            data = data[:place] + bytes([data[place] ^ (1 << draw(st.integers(0, 7)))]) + data[place + 1 :]
        elif kind == "cut":
            data = data[:place]
        elif kind == "insert":
            data = data[:place] + draw(st.binary(max_size=12)) + data[place:]
        elif kind == "splice":
            start = draw(st.integers(0, max(0, len(data) - 1)))
            data = data[:place] + data[start : start + draw(st.integers(1, 40))] + data[place:]
        else:
            words = draw(st.sampled_from(NASTY_TEXTS)).encode("utf-8", "surrogatepass")
            data = data[:place] + words + data[place:]
    return data
