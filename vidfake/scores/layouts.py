"""Reading rows out of CSV and JSON files of any of the layouts that people use (docs/metrics.md lists them)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vidfake.errors import ScoreFileError
from vidfake.scores.jsonl import parse_json, read_lines
from vidfake.scores.rows import ALIASES, Rows, known_columns

MAX_JSON_BYTES = 2 * 2**30


def read_csv_rows(path: Path | str, rows: Rows) -> None:
    """Rows of a file separated by commas, semicolons, tabs or spaces; without a header it is ``name,score``."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as handle:
            _read_csv(_delimited(handle), path, rows)
    except OSError as error:
        raise ScoreFileError(f"{path}: cannot be read ({error.strerror}). Name a score file.") from error
    except UnicodeDecodeError as error:
        raise ScoreFileError(
            f"{path}: is not UTF-8 text ({error.reason}). Save it as UTF-8 CSV or JSON."
        ) from error


def _delimited(handle: Any) -> Any:
    first = handle.readline(2**20)
    handle.seek(0)
    delimiter = next((d for d in ("\t", ";", ",") if d in first), " ")
    return csv.reader(handle, delimiter=delimiter, skipinitialspace=True, strict=True)


def _read_csv(lines: Any, path: Path | str, rows: Rows) -> None:
    meanings: list[str] | None = None
    try:
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            if meanings is None:
                meanings = _csv_header(cells, path, lines.line_num)
                if meanings is not None:
                    continue
                meanings = ["video", "score"]
            if len(cells) != len(meanings):
                raise ScoreFileError(
                    f"{path}:{lines.line_num}: {len(cells)} columns where the first line has {len(meanings)}. "
                    "Quote names that hold the separator."
                )
            rows.add({m: c for m, c in zip(meanings, cells, strict=True) if m}, lines.line_num)
    except csv.Error as error:
        raise ScoreFileError(f"{path}:{lines.line_num}: not valid CSV ({error}).") from error


def _csv_header(cells: list[str], path: Path | str, line: int) -> list[str] | None:
    """What each column means ("" for unused), or None where the first line is already ``name,score``."""
    found = known_columns(cells)
    if "score" not in found and len(cells) == 2 and _is_number(cells[1]):
        return None
    column_of = _one_column_each(found, cells, f"{path}:{line}")
    return [column_of.get(cell, "") for cell in cells]


def _one_column_each(found: dict[str, list[str]], names: list[str], where: str) -> dict[str, str]:
    """Column name -> meaning. Raises ScoreFileError where name or score is missing or claimed by two columns."""
    shown = ", ".join(map(repr, names[:12]))
    for meaning in ("score",) if "video" in found else ("image", "score"):
        if meaning not in found:
            accepted = ", ".join(ALIASES["video" if meaning == "image" else meaning])
            raise ScoreFileError(
                f"{where}: no column of a known name among {shown}. One must be one of: {accepted}."
            )
    for meaning, columns in found.items():
        if len(columns) > 1:
            raise ScoreFileError(
                f"{where}: columns {', '.join(map(repr, columns))} could each be the {meaning}. Keep one of them."
            )
    return {columns[0]: meaning for meaning, columns in found.items()}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def json_values(path: Path | str) -> Iterator[tuple[int, Any]]:
    """The values of a JSON or JSON lines file with the line where each begins."""
    lines = read_lines(path)
    number, first = next(lines, (1, b""))
    second = next(lines, None)
    if second is None or _is_json_object_line(first):
        yield number, parse_json(first, path, number)
        if second is not None:
            yield second[0], parse_json(second[1], path, second[0])
        for number, line in lines:
            yield number, parse_json(line, path, number)
        return
    if Path(path).stat().st_size > MAX_JSON_BYTES:
        raise ScoreFileError(f"{path}: a JSON value of over {MAX_JSON_BYTES // 2**30} GiB. Use JSON lines or CSV.")
    yield 1, parse_json(Path(path).read_bytes(), path, 1)


def _is_json_object_line(line: bytes) -> bool:
    """True where a first line is a whole object by itself, as in JSON lines."""
    text = line.strip().removeprefix(b"\xef\xbb\xbf")
    return text.startswith(b"{") and text.endswith(b"}")


def add_json(value: Any, path: Path | str, line: int, rows: Rows) -> None:
    """Rows of one JSON value: an object per row, a list of them, lists by column, or a table name -> scores."""
    if isinstance(value, list):
        for number, item in enumerate(value, start=1):
            _add_object(item, f"{path}: entry {number}", number, rows)
    elif isinstance(value, dict) and _is_columns(value):
        _add_columns(value, path, rows)
    elif isinstance(value, dict) and "score" in known_columns(list(value)):
        _add_object(value, f"{path}:{line}", line, rows)
    elif isinstance(value, dict):
        for number, (name, item) in enumerate(value.items(), start=1):
            _add_named(name, item, f"{path}: entry {number}", number, rows)
    else:
        raise ScoreFileError(f"{path}:{line}: {type(value).__name__} where rows of scores were expected.")


def _add_object(item: Any, where: str, number: int, rows: Rows) -> None:
    if not isinstance(item, dict):
        raise ScoreFileError(
            f"{where}: {type(item).__name__} where an object with a name and a score was expected."
        )
    column_of = _one_column_each(known_columns(list(item)), list(item), where)
    rows.add({meaning: item[column] for column, meaning in column_of.items()}, number)


def _is_columns(value: Mapping[str, Any]) -> bool:
    found = known_columns(list(value))
    return "score" in found and all(isinstance(value[name], list) for name in found["score"])


def _add_columns(value: Mapping[str, Any], path: Path | str, rows: Rows) -> None:
    column_of = _one_column_each(known_columns(list(value)), list(value), str(path))
    lists = {meaning: value[column] for column, meaning in column_of.items()}
    lengths = {meaning: len(items) if isinstance(items, list) else -1 for meaning, items in lists.items()}
    if len(set(lengths.values())) > 1:
        raise ScoreFileError(f"{path}: its lists have different lengths: {lengths}. They are columns of one table.")
    for number, cells in enumerate(zip(*lists.values(), strict=True), start=1):
        rows.add(dict(zip(lists, cells, strict=True)), number)


def _add_named(name: str, item: Any, where: str, number: int, rows: Rows) -> None:
    if isinstance(item, list):
        for position, score in enumerate(item):
            rows.add({"video": name, "score": score, "frame": position}, number)
    elif isinstance(item, dict):
        _add_object({"video_id": name, **item}, where, number, rows)
    else:
        rows.add({"video": name, "score": item}, number)
