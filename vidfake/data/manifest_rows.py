"""Manifest rows: one line to a `VideoRecord`, and the checks that need all rows at once."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass, fields
from pathlib import Path

from vidfake.errors import ManifestError
from vidfake.types import FAKE, NO_MANIPULATION, REAL, Region, VideoRecord

COLUMNS = tuple(field.name for field in fields(VideoRecord) if field.name != "extra")
IDENTITY_SEPARATOR = ";"  # between the people of one video, in the column `identity`
MAX_FIELD_CHARACTERS = 4096
_SHOWN = 5  # examples in a message about many rows
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.\-]*://")


@dataclass(frozen=True)
class Row:
    """A record and the line it came from."""

    line: int
    record: VideoRecord


def parse_row(name: str, line: int, values: dict[str, str], folder: str) -> Row:
    """One row of the manifest `name` in `folder` as a record. Raises ManifestError."""
    where = f"{name}:{line}"
    for column, value in values.items():
        _check_text(where, column, value)
    known = {column: values.get(column, "").strip() for column in COLUMNS if column != "path"}
    label = _label(where, known["label"])
    path = _path(where, values["path"], folder)
    video_id = known["video_id"] or values["path"].strip()
    record = VideoRecord(
        video_id=video_id,
        path=path,
        label=label,
        manipulation=_manipulation(where, label, known["manipulation"]),
        source_id=known["source_id"] or video_id,
        pair_id=known["pair_id"],
        region=_region(where, known["region"]),
        split=known["split"],
        dataset=known["dataset"],
        compression=known["compression"],
        identity=known["identity"],
        origin=known["origin"],
        license=known["license"],
        extra={column: value for column, value in values.items() if column not in COLUMNS},
    )
    return Row(line, record)


def identities_of(record: VideoRecord) -> list[str]:
    """The people of a record: the parts of `identity` between semicolons."""
    return [part.strip() for part in record.identity.split(IDENTITY_SEPARATOR) if part.strip()]


def _check_text(where: str, column: str, value: str) -> None:
    if len(value) > MAX_FIELD_CHARACTERS:
        raise ManifestError(
            f"{where}: {column} has {len(value)} characters; at most {MAX_FIELD_CHARACTERS} are taken."
        )
    for character in value:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise ManifestError(
                f"{where}: {column} holds the control character U+{ord(character):04X}. Remove it (an unclosed "
                "quote also looks like this)."
            )


def _label(where: str, text: str) -> int | None:
    if text == "":
        return None
    if text in ("0", "1"):
        return int(text)
    raise ManifestError(f"{where}: label is {text!r}. It takes 0 (real), 1 (fake) or nothing (unknown).")


def _manipulation(where: str, label: int | None, text: str) -> str:
    if label == REAL:
        if text not in ("", NO_MANIPULATION):
            raise ManifestError(
                f"{where}: label 0 (real), but manipulation is {text!r}. A real video has 'none' or nothing there."
            )
        return NO_MANIPULATION
    if label == FAKE and text == NO_MANIPULATION:
        raise ManifestError(f"{where}: label 1 (fake), but manipulation is 'none'. Name it, or leave it empty.")
    return text


def _path(where: str, text: str, folder: str) -> str:
    if not text.strip():
        raise ManifestError(f"{where}: path is empty. Name the video file, relative to the manifest.")
    if _URL.match(text.strip()):
        raise ManifestError(f"{where}: path {text!r} is a URL. Download the file and name it here.")
    # absolute from here on: a name such as "concat:a|b" is then a file name, never a protocol of the decoder
    exact = os.path.normpath(Path(folder) / text)
    return exact if os.path.lexists(exact) else os.path.normpath(Path(folder) / text.strip())


def _region(where: str, text: str) -> Region | None:
    if not text:
        return None
    parts = text.split()
    if len(parts) != 4 or not all(re.fullmatch(r"[0-9]{1,6}", part) for part in parts):
        raise ManifestError(
            f"{where}: region is {text!r}. It takes four whole numbers of pixels: x y width height."
        )
    try:
        return Region(*map(int, parts))
    except ValueError as error:
        raise ManifestError(f"{where}: {error}") from error


def check_rows(
    name: str, rows: list[Row], *, require_labels: bool, check_files: bool, allow_split_overlap: bool
) -> None:
    """What only all rows together can show: duplicates, missing files, splits that share people. ManifestError."""
    _check_unique(name, rows)
    if require_labels:
        unlabelled = [row for row in rows if row.record.label is None]
        if unlabelled:
            raise ManifestError(
                f"{_where(name, unlabelled)}: {len(unlabelled)} of {len(rows)} rows have no label "
                f"({_names(unlabelled)}). Write 0 (real) or 1 (fake) in the column label."
            )
    if not allow_split_overlap:
        _check_splits(name, rows, "source_id")
        _check_splits(name, rows, "identity")
    if check_files:
        missing = [row for row in rows if not Path(row.record.path).exists()]
        if missing:
            shown = ", ".join(f"line {row.line}: {row.record.path}" for row in missing[:_SHOWN])
            more = ", …" if len(missing) > _SHOWN else ""
            raise ManifestError(
                f"{_where(name, missing)}: {len(missing)} of {len(rows)} files do not exist ({shown}{more}). "
                "Paths are relative to the manifest's folder."
            )


def _check_unique(name: str, rows: list[Row]) -> None:
    ids: dict[str, int] = {}
    places: dict[tuple[str, Region | None], int] = {}
    for row in rows:
        record = row.record
        first = ids.setdefault(record.video_id, row.line)
        if first != row.line:
            raise ManifestError(
                f"{name}:{row.line}: video_id '{record.video_id}' is already on line {first}. Each row needs its "
                "own; two regions of one file too."
            )
        first = places.setdefault((unicodedata.normalize("NFC", record.path), record.region), row.line)
        if first != row.line:
            region = f"region '{record.region.as_text()}'" if record.region else "no region"
            raise ManifestError(
                f"{name}:{row.line}: the same path with {region} is already on line {first}: {record.path}. "
                "Remove one row, or give each its region."
            )


def _check_splits(name: str, rows: list[Row], column: str) -> None:
    first: dict[str, Row] = {}
    for row in rows:
        keys = [row.record.source_id] if column == "source_id" else identities_of(row.record)
        if not row.record.split:
            continue
        for key in keys:
            other = first.setdefault(key, row)
            if other.record.split != row.record.split:
                raise ManifestError(
                    f"{name}:{row.line}: {column} '{key}' is in split '{row.record.split}', but in split "
                    f"'{other.record.split}' on line {other.line}. Splits must not share sources or people: move "
                    "one of them."
                )


def _where(name: str, rows: list[Row]) -> str:
    return f"{name}:{rows[0].line}"


def _names(rows: list[Row]) -> str:
    shown = ", ".join(f"line {row.line}" for row in rows[:_SHOWN])
    return shown + (", …" if len(rows) > _SHOWN else "")
