"""What is printed where nobody looks on: in a pipe."""

from __future__ import annotations

import pytest

from vidfake.cli import display


def test_a_long_name_is_not_folded_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    name = "folder/" * 60 + "video.mp4"
    display.print_table("Scores", ("video", "score>"), [(name, "0.5"), ("short", "1")])
    wide = capsys.readouterr().out
    assert name in wide
    display.print_table("Scores", ("video", "score>"), [("short", "1")])
    assert max(map(len, capsys.readouterr().out.splitlines())) < 40, (
        "and the next table is as wide as it needs to be"
    )
