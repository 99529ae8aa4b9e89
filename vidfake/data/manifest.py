"""Manifests: a CSV with one row per video (or region of one) to `VideoRecord`s and back.

Only `path` is required, and `label` where labels are. Everything that would make a result dishonest or a run fail
hours later is refused here, with file and line.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from vidfake.data.manifest_rows import COLUMNS, Row, check_rows, parse_row
from vidfake.errors import ManifestError
from vidfake.files import write_text
from vidfake.registry import nearest
from vidfake.types import VideoRecord

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts"}
    | {".m2ts", ".flv", ".3gp", ".3g2", ".ogv", ".wmv", ".asf"}
)

MAX_MANIFEST_BYTES = 512 * 2**20
"""Two million rows of 250 characters; the text, its fields and the records take several times as much memory."""


def read_manifest(
    path: Path | str,
    *,
    splits: Sequence[str] | None = None,
    require_labels: bool = True,
    check_files: bool = True,
    allow_split_overlap: bool = False,
) -> list[VideoRecord]:
    """Records of a manifest, in its order, with absolute `path`s. All rows are checked before any is returned.

    Args:
        path: CSV in UTF-8, with or without byte-order mark, any line ending.
        splits: keep only rows of these splits; None keeps all.
        require_labels: refuse a row without a label. Off for scoring.
        check_files: refuse rows whose file does not exist.
        allow_split_overlap: accept a source or identity in two splits (some corpora are published like that).

    Raises ManifestError, which names file and line.
    """
    name = str(path)
    header, lines = _read_csv(Path(path), name)
    folder = os.path.abspath(Path(path).parent)
    rows = [parse_row(name, number, dict(zip(header, fields, strict=True)), folder) for number, fields in lines]
    if require_labels and "label" not in header:
        raise ManifestError(f"{name}:1: no column 'label' among {', '.join(header)}.{nearest('label', header)}")
    if not rows:
        raise ManifestError(f"{name}: holds no rows. Write one row per video below the header.")
    check_rows(
        name,
        rows,
        require_labels=require_labels,
        check_files=check_files,
        allow_split_overlap=allow_split_overlap,
    )
    return [row.record for row in _in_splits(name, rows, splits)]


def _in_splits(name: str, rows: list[Row], splits: Sequence[str] | None) -> list[Row]:
    if splits is None:
        return rows
    known = sorted({row.record.split for row in rows})
    for split in splits:
        if split not in known:
            raise ManifestError(
                f"{name}: no row has split '{split}'. Splits there: {', '.join(map(repr, known))}."
                f"{nearest(split, known)}"
            )
    return [row for row in rows if row.record.split in set(splits)]


def _read_csv(path: Path, name: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header, and (line, fields) of each row that is not blank; every row as long as the header."""
    reader = csv.reader(io.StringIO(_read_text(path, name), newline=""), strict=True)
    header: list[str] = []
    lines: list[tuple[int, list[str]]] = []
    start = 1
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise ManifestError(
                f"{name}:{start}: not valid CSV ({error}). Check the quotes of this row."
            ) from error
        if fields is None:
            break
        if not header and any(field.strip() for field in fields):
            header = _header(name, start, fields)
        elif header and any(fields):
            if len(fields) != len(header):
                raise ManifestError(
                    f"{name}:{start}: {len(fields)} fields, but the header has {len(header)}. "
                    "Put a path that contains a comma in double quotes."
                )
            lines.append((start, fields))
        start = reader.line_num + 1
    if not header:
        raise ManifestError(f"{name}: is empty. A manifest starts with a header line: path,label")
    return header, lines


def _read_text(path: Path, name: str) -> str:
    try:
        with open(path, "rb") as handle:
            data = handle.read(MAX_MANIFEST_BYTES + 1)
    except FileNotFoundError as error:
        raise ManifestError(f"{name}: no such manifest. Name an existing CSV file.") from error
    except IsADirectoryError as error:
        raise ManifestError(f"{name}: is a folder. Name a CSV file.") from error
    except OSError as error:
        raise ManifestError(f"{name}: cannot be read ({error.strerror}).") from error
    if len(data) > MAX_MANIFEST_BYTES:
        raise ManifestError(f"{name}: over {MAX_MANIFEST_BYTES} bytes; no manifest is that large. Split it.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"{name}:{line}: not UTF-8 ({error.reason}). Save the file as UTF-8.") from error


def _header(name: str, line: int, fields: list[str]) -> list[str]:
    header = [field.strip() for field in fields]
    for column in header:
        if not column:
            raise ManifestError(f"{name}:{line}: a column has no name. Name every column in the header.")
        if header.count(column) > 1:
            raise ManifestError(f"{name}:{line}: column '{column}' appears twice. Keep one of them.")
    if "path" not in header:
        hint = nearest("path", header)
        if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
            hint = " Separate the columns by commas."
        raise ManifestError(f"{name}:{line}: no column 'path' among {', '.join(header)}.{hint}")
    return header


def write_manifest(path: Path | str, records: Iterable[VideoRecord]) -> None:
    """Write records as a manifest, atomically; `read_manifest` gives them back.

    A record's path is taken as it stands (relative to the current folder) and written relative to the manifest.
    """
    records = list(records)
    folder = os.path.abspath(Path(path).parent)
    extra = sorted({column for record in records for column in record.extra})
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, *extra])
    for record in records:
        values = {column: getattr(record, column) for column in COLUMNS}
        values["path"] = relative_path(record.path, folder)
        values["region"] = record.region.as_text() if record.region else ""
        values["label"] = "" if record.label is None else str(record.label)
        writer.writerow([*values.values(), *(record.extra.get(column, "") for column in extra)])
    write_text(path, out.getvalue())


def relative_path(path: str, folder: str) -> str:
    """`path` as seen from `folder`, with forward slashes; absolute where no relative path exists (other drive)."""
    absolute = os.path.abspath(path)
    try:
        return Path(os.path.relpath(absolute, folder)).as_posix()
    except ValueError:
        return Path(absolute).as_posix()


def load_records(path: Path | str) -> list[VideoRecord]:
    """What `prepare` is given: a manifest, labelled or not, or a folder of videos (without labels)."""
    return records_from_paths([path]) if Path(path).is_dir() else read_manifest(path, require_labels=False)


def records_from_paths(paths: Sequence[Path | str], *, label: int | None = None) -> list[VideoRecord]:
    """Records of files, and of every video file below folders (sorted by name), each file once.

    `video_id` is the path as written (a file below a folder: with the folder as written in front). A file named
    directly is taken whatever its suffix. Raises ManifestError when there is nothing or a path does not exist.
    """
    found: dict[str, str] = {}
    for given in paths:
        for path in _files_of(Path(given)):
            found.setdefault(os.path.abspath(path), path.as_posix())
    if not found:
        shown = ", ".join(map(str, paths)) or "nothing"
        raise ManifestError(f"No video file in: {shown}. Known suffixes: {' '.join(sorted(VIDEO_SUFFIXES))}.")
    return [
        VideoRecord(
            video_id=video_id,
            path=absolute,
            label=label,
            manipulation="none" if label == 0 else "",
            source_id=video_id,
        )
        for absolute, video_id in found.items()
    ]


def _files_of(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES and p.is_file())
    if not path.exists():
        raise ManifestError(f"{path}: no such file or folder.")
    return [path]
