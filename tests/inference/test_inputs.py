"""Files, folders, lists and stdin as inputs of `vidfake score`."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from vidfake.errors import UsageError
from vidfake.inference.inputs import expand_inputs


def test_folders_are_walked_lists_are_relative_and_doubles_go(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.MP4", "a.mkv", "sub/c.mov", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    listing = tmp_path / "list.txt"
    listing.write_text("\ufeff# a comment\r\nb.MP4\r\n\r\nmissing ü.mp4\r\n", encoding="utf-8")
    got = expand_inputs([str(tmp_path), f"@{listing}", str(tmp_path / "notes.txt")])
    assert [Path(p).relative_to(tmp_path).as_posix() for p in got] == [
        "a.mkv",
        "b.MP4",
        "sub/c.mov",
        "missing ü.mp4",
        "notes.txt",
    ]


def test_stdin_gives_paths() -> None:
    assert expand_inputs(["-"], stdin=io.StringIO("x.mp4\ny.mp4\n")) == ["x.mp4", "y.mp4"]


def test_an_empty_folder_and_a_missing_list_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No video found"):
        expand_inputs([str(tmp_path)])
    with pytest.raises(UsageError, match="cannot be read"):
        expand_inputs([f"@{tmp_path / 'no.txt'}"])
