"""What is printed where nobody looks on: in a pipe."""

from __future__ import annotations

import pytest

from vidfake.cli import display


def test_a_long_name_is_not_folded_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    name = "folder/" * 60 + "video.mp4"
    display.print_table("Scores", ("video", "score>"), [(name, "0.5"), ("short", "1")])
    assert name in capsys.readouterr().out
