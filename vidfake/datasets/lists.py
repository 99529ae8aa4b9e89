"""Lists and tables that come with a corpus. They are hostile input: sized, decoded and checked before use."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vidfake.errors import DatasetError

MAX_BYTES = 512 * 2**20
"""Largest list that is read at once. Larger JSON lists are read object by object (`json_objects`)."""

MAX_OBJECT_CHARACTERS = 2**20
_CHUNK = 2**20
_ENCODINGS = ("utf-8-sig", "cp949")


def read_text(path: Path, *, encodings: tuple[str, ...] = ("utf-8-sig",)) -> str:
    """The text of a list in the first encoding that fits. Raises DatasetError."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DatasetError(f"{path}: {size} bytes is too large for a list; at most {MAX_BYTES} are read.")
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error.strerror}). Download this list again, or make it readable."
        ) from error
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DatasetError(f"{path}: is not text in {' or '.join(encodings)}. Download this list again.")


def read_lines(path: Path) -> list[tuple[int, str]]:
    """(line number, text) of every line that is not blank."""
    return [(n, line.strip()) for n, line in enumerate(read_text(path).splitlines(), start=1) if line.strip()]


def read_json(path: Path) -> Any:
    """Any JSON value. Raises DatasetError with the line."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}:{error.lineno}: not valid JSON ({error.msg}). Download it again.") from error
    except RecursionError as error:
        raise DatasetError(f"{path}: nested too deep to be a list of this corpus.") from error


def read_json_object(path: Path) -> dict[str, dict[str, Any]]:
    """A JSON object of objects, such as DFDC's metadata. Raises DatasetError."""
    value = read_json(path)
    if not isinstance(value, dict) or not all(isinstance(entry, dict) for entry in value.values()):
        raise DatasetError(f"{path}: must be a JSON object with one object per video.")
    return value


def json_objects(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON list, one at a time: such lists grow to a gigabyte. Raises DatasetError."""
    decoder = json.JSONDecoder()
    count = 0
    try:
        with open(path, encoding="utf-8-sig") as handle:
            buffer = handle.read(_CHUNK).lstrip()
            if not buffer.startswith("["):
                raise DatasetError(f"{path}: must be a JSON list of objects; it starts with {buffer[:20]!r}.")
            buffer = buffer[1:]
            while True:
                buffer = buffer.lstrip(" \t\r\n,")
                if buffer.startswith("]"):
                    return
                try:
                    value, end = decoder.raw_decode(buffer)
                except json.JSONDecodeError as error:
                    more = handle.read(_CHUNK)
                    if not more or len(buffer) > MAX_OBJECT_CHARACTERS + _CHUNK:
                        raise DatasetError(
                            f"{path}: ends or breaks inside entry {count + 1} ({error.msg}). Download it again."
                        ) from error
                    buffer += more
                    continue
                if not isinstance(value, dict):
                    raise DatasetError(f"{path}: entry {count + 1} is {type(value).__name__}, not an object.")
                count += 1
                yield value
                buffer = buffer[end:]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}). Download this list again.") from error
    except RecursionError as error:
        raise DatasetError(f"{path}: nested too deep to be a list of this corpus.") from error


def read_table(path: Path, *, required: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """(line number, row) of a CSV table with a header, in UTF-8 or cp949.

    A column without a name is given the name ``""`` (FakeAVCeleb's last one). Raises DatasetError with the line.
    """
    reader = csv.reader(io.StringIO(read_text(path, encodings=_ENCODINGS), newline=""))
    rows: list[tuple[int, dict[str, str]]] = []
    header: list[str] = []
    try:
        for fields in reader:
            if not header:
                header = [name.strip() for name in fields]
                absent = [name for name in required if name not in header]
                if absent:
                    present = ", ".join(filter(None, header)) or "none"
                    raise DatasetError(f"{path}: no column {', '.join(absent)}; it has {present}.")
            elif any(field.strip() for field in fields):
                if len(fields) < len([name for name in header if name]):
                    raise DatasetError(f"{path}:{reader.line_num}: {len(fields)} fields for {len(header)} columns.")
                rows.append((reader.line_num, {n: f.strip() for n, f in zip(header, fields, strict=False)}))
    except csv.Error as error:
        raise DatasetError(f"{path}:{reader.line_num}: not valid CSV ({error}).") from error
    if not header:
        raise DatasetError(f"{path}: is empty. Download this list again.")
    return rows


def text_of(value: object) -> str:
    """A scalar of a JSON list as text; anything else is nothing."""
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
