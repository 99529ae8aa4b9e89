"""The clip store's files: names, JSON shapes and their checks. Every file read is taken as hostile."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import re
import stat
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from vidfake.config import from_dict, to_dict
from vidfake.data.manifest import relative_path
from vidfake.data.manifest_rows import COLUMNS
from vidfake.errors import ConfigError, StoreError
from vidfake.settings import ExtractSettings
from vidfake.types import Region, VideoRecord

FORMAT_VERSION = 1
STORE_FILE, INDEX_FILE, SHARDS = "store.json", "index.json", "shards"
MAX_STORE_BYTES, MAX_RECORD_BYTES, MAX_INDEX_BYTES = 2**20, 2**28, 2**33
MAX_FACE_BYTES = 2**24
MAX_FACES_PER_CLIP = 4096
MAX_NUMBER = 1e15
STATUSES = ("ok", "no_face", "unreadable")


def key_of(video_id: str) -> str:
    """Name of a video's files: the start of the SHA-256 of its id. No text of the id reaches a path."""
    return hashlib.sha256(video_id.encode("utf-8")).hexdigest()[:24]


def record_path(store: Path, key: str) -> Path:
    """The JSON record of a video; it is written last and marks the video as done."""
    return store / SHARDS / key[:2] / f"{key}.json"


def tar_path(store: Path, key: str) -> Path:
    """The tar of a video's faces. A video without clips has none."""
    return store / SHARDS / key[:2] / f"{key}.tar"


def row_of(record: VideoRecord, store: Path) -> dict[str, Any]:
    """A manifest row as stored; `path` is relative to the store, so that both can be moved together."""
    row: dict[str, Any] = {column: getattr(record, column) for column in COLUMNS}
    row["path"] = relative_path(record.path, os.path.abspath(store))
    row["region"] = record.region.as_text() if record.region else ""
    row["extra"] = dict(sorted(record.extra.items()))
    return row


def record_of(row: Any, store: Path, where: str) -> VideoRecord:
    """A stored manifest row as a record again, its path absolute."""
    known = {"label", "region", "extra", *COLUMNS}
    table = expect(row, dict, f"{where}: video")
    if set(table) != known:
        fail(f"{where}: video", f"has the keys {', '.join(sorted(map(str, table)))}")
    label = table["label"]
    if label not in (None, 0, 1) or isinstance(label, bool):
        fail(f"{where}: label", f"is {label!r}")
    extra = expect(table["extra"], dict, f"{where}: extra")
    texts = {c: expect(table[c], str, f"{where}: {c}") for c in COLUMNS if c not in ("label", "region")}
    texts["path"] = os.path.normpath(Path(os.path.abspath(store)) / texts["path"])
    return VideoRecord(
        **texts,
        label=label,
        region=_region(expect(table["region"], str, f"{where}: region"), where),
        extra={str(k): expect(v, str, f"{where}: {k}") for k, v in extra.items()},
    )


def _region(text: str, where: str) -> Region | None:
    if not text:
        return None
    parts = text.split()
    if len(parts) != 4 or not all(re.fullmatch(r"[0-9]{1,6}", part) for part in parts):
        fail(f"{where}: region", f"is {text!r}")
    try:
        return Region(*map(int, parts))
    except ValueError as error:
        raise StoreError(f"{where}: {error}") from error


def store_header(settings: ExtractSettings, tool: str) -> dict[str, Any]:
    """Contents of store.json."""
    return {
        "format": "vidfake clip store",
        "format_version": FORMAT_VERSION,
        "tool": tool,
        "extract": to_dict(settings),
    }


def read_header(store: Path) -> tuple[ExtractSettings, str]:
    """Settings and tool of a store. Raises StoreError when it is no store, or one of a newer format."""
    path = store / STORE_FILE
    if not store.is_dir():
        raise StoreError(f"{store}: no such clip store. Make one with: vidfake prepare MANIFEST {store}")
    if not path.exists():
        raise StoreError(f"{store}: is not a clip store (no {STORE_FILE}). Make one with: vidfake prepare")
    header = expect(read_json(path, store, MAX_STORE_BYTES), dict, str(path))
    version = header.get("format_version")
    if header.get("format") != "vidfake clip store" or not isinstance(version, int) or version < 1:
        fail(str(path), "is not a vidfake clip store's")
    if version > FORMAT_VERSION:
        raise StoreError(
            f"{store}: has store format {version}; this vidfake reads up to {FORMAT_VERSION}. Update vidfake."
        )
    try:
        settings = from_dict(ExtractSettings, expect(header.get("extract"), dict, f"{path}: extract"), "extract.")
    except ConfigError as error:
        raise StoreError(f"{path}: {error} Prepare the videos again with this version.") from error
    return settings, expect(header.get("tool"), str, f"{path}: tool")


def settings_difference(made_with: ExtractSettings, wanted: ExtractSettings) -> list[str]:
    """``name: old -> new`` for each setting that differs."""
    old, new = to_dict(made_with), to_dict(wanted)
    return [f"extract.{name}: {old[name]!r} -> {new[name]!r}" for name in old if old[name] != new[name]]


def check_settings(store: Path, made_with: ExtractSettings, wanted: ExtractSettings) -> None:
    """Refuse clips that were extracted otherwise than `wanted`. StoreError names each setting, old -> new."""
    differences = settings_difference(made_with, wanted)
    if differences:
        raise StoreError(
            f"{store}: was made with other settings ({'; '.join(differences)}). Use the store's settings, or "
            "prepare the videos into another folder."
        )


def read_json(path: Path, store: Path, limit: int) -> Any:
    """JSON of a file inside the store, at most `limit` bytes, without NaN or Infinity."""
    return parse_json(read_inside(path, store, limit), str(path))


def parse_json(data: bytes, where: str) -> Any:
    """Strict JSON, or StoreError."""

    def refuse(word: str) -> NoReturn:
        raise ValueError(f"{word} is not JSON")

    try:
        return json.loads(data.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{where}: is damaged ({error}). Prepare the store again.") from error


def open_inside(path: Path, store: Path) -> int:
    """A descriptor of a regular file that really lies inside `store`, links resolved."""
    try:
        root = os.path.realpath(store)
        real = os.path.realpath(path)
        if os.path.commonpath([root, real]) != root:
            raise StoreError(f"{path}: leads out of the store, to {real}. A store is one folder without links.")
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}). Run `vidfake prepare` again.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StoreError(f"{path}: is not a regular file. Remove it and run `vidfake prepare` again.")
    return descriptor


def read_inside(path: Path, store: Path, limit: int) -> bytes:
    """A file's bytes, refused above `limit` before anything is allocated."""
    with os.fdopen(open_inside(path, store), "rb") as handle:
        size = os.fstat(handle.fileno()).st_size
        if size > limit:
            raise StoreError(f"{path}: has {size} bytes; at most {limit} are read. It is not this store's file.")
        return handle.read(size)


def expect(value: Any, kind: type | tuple[type, ...], where: str) -> Any:
    """`value` if it is of `kind` (bool is no int), else StoreError."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        names = kind.__name__ if isinstance(kind, type) else " or ".join(k.__name__ for k in kind)
        fail(where, f"is {type(value).__name__}, expected {names}")
    return value


def expect_int(value: Any, low: int, high: int, where: str) -> int:
    """An integer in [low, high], else StoreError."""
    number: int = expect(value, int, where)
    if not low <= number <= high:
        fail(where, f"is {number}, expected {low} to {high}")
    return number


def expect_ints(value: Any, low: int, high: int, where: str) -> list[int]:
    """A list of integers in [low, high], else StoreError."""
    items: list[int] = expect(value, list, where)
    if items and (set(map(type, items)) != {int} or min(items) < low or max(items) > high):
        fail(where, f"holds other values than whole numbers from {low} to {high}")
    return items


def expect_floats(value: Any, where: str) -> npt.NDArray[np.float64]:
    """A list of finite numbers as an array, else StoreError."""
    items = expect(value, list, where)
    # compared as Python numbers: an int of any size is no trouble, and NaN and infinity fail
    if not set(map(type, items)) <= {int, float} or not all(-MAX_NUMBER < item < MAX_NUMBER for item in items):
        fail(where, "holds other values than finite numbers")
    return np.array(items, dtype=np.float64)


def fail(where: str, what: str) -> NoReturn:
    """Raise the StoreError of a damaged file."""
    raise StoreError(f"{where} {what}. The store is damaged: run `vidfake prepare` again.")


def plain_facts(value: Any) -> dict[str, Any]:
    """Scalars of a dataclass (JSON-ready, paths left out, since equal inputs must give equal bytes)."""
    facts: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if isinstance(item, str | int | float | bool | None) and field.name != "path":
            facts[field.name] = None if isinstance(item, float) and not math.isfinite(item) else item
    return facts
