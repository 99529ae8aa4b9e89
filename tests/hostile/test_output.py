"""Text from outside, in everything that is shown or opened: terminal, JSON, CSV, Markdown, HTML, SVG."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import NASTY_TEXTS

from vidfake.cli import display
from vidfake.data.manifest import read_manifest, write_manifest
from vidfake.files import dump_json, write_json
from vidfake.report import text
from vidfake.types import VideoRecord

Capture = pytest.CaptureFixture[str]
# for a terminal: whatever moves the cursor, turns text round, hides it, or begins a command
HARMFUL = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
EVIL = st.one_of(
    st.sampled_from(
        [*NASTY_TEXTS, "[red]x[/red]", "[link=http://x]y[/link]", "[/]", "\x9b31m", "\u2066x\u2069", "a\rb"]
    ),
    st.text(max_size=30),
    st.text(
        alphabet=[chr(c) for c in (*range(32), *range(0x7F, 0xA0), *range(0x2028, 0x2030), 0xFEFF)], max_size=9
    ),
)


def harmful(shown: str, *, allowed: str = "\n") -> list[str]:
    return [c for c in shown if unicodedata.category(c) in HARMFUL and c not in allowed]


@settings(max_examples=150, deadline=None)
@given(words=EVIL)
def test_a_line_for_people_holds_nothing_that_acts(words: str) -> None:
    out = io.StringIO()
    console, display.stderr = display.stderr, display.Console(file=out, highlight=False, width=200)
    try:
        display.say(words)
    finally:
        display.stderr = console
    assert not harmful(out.getvalue())
    if words.startswith("["):
        assert out.getvalue().startswith("["), "markup is shown, not obeyed"


@settings(max_examples=80, deadline=None)
@given(words=EVIL, title=EVIL)
def test_a_table_holds_nothing_that_acts(words: str, title: str) -> None:
    out = io.StringIO()
    console, display.stdout = display.stdout, display.Console(file=out, highlight=False, width=200)
    try:
        display.print_table(title, (words, "n>"), [(words, 1)])
    finally:
        display.stdout = console
    assert not harmful(out.getvalue())


@settings(max_examples=80, deadline=None)
@given(words=EVIL)
def test_a_stage_of_progress_holds_nothing_that_acts(words: str) -> None:
    out = io.StringIO()
    bars = display.Progress(display.TextColumn("{task.description}"), console=display.Console(file=out, width=200))
    display.Reporter(bars)(words, 1, 2)
    bars.console.print(bars.make_tasks_table(bars.tasks))
    assert not harmful(out.getvalue())


@pytest.mark.parametrize("words", NASTY_TEXTS)
def test_json_for_programs_is_one_line_of_utf8(capsys: Capture, words: str) -> None:
    display.print_json({"path": words})
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert printed.encode("utf-8"), "no lone surrogate, which no file can hold"
    assert not harmful(printed)
    found = json.loads(printed)["path"]
    assert found == words


@settings(max_examples=150, deadline=None)
@given(words=EVIL)
def test_no_cell_of_a_csv_is_a_formula(words: str) -> None:
    cell = text.csv_cell(words)
    assert not cell.lstrip(" \u00a0'").startswith(("=", "+", "-", "@", "|", "%")) or cell.startswith("'")
    assert not harmful(cell, allowed="")
    out = io.StringIO()
    csv.writer(out).writerow([cell, 1.5])
    assert next(csv.reader(io.StringIO(out.getvalue()))) == [cell, "1.5"]


@settings(max_examples=150, deadline=None)
@given(words=EVIL)
def test_markdown_shows_the_words_and_does_nothing_else(words: str) -> None:
    shown = text.markdown(words)
    assert not harmful(shown, allowed="")
    for active in ("<", "[", "`", "|"):
        assert not re.search(rf"(?<!\\){re.escape(active)}", shown.replace("\\\\", ""))


def test_json_files_hold_any_name(tmp_path: Path) -> None:
    """A file name on Linux is any bytes; Python shows what is no UTF-8 as a lone surrogate."""
    for words in NASTY_TEXTS:
        write_json(tmp_path / "r.json", {words: words})
        assert json.loads((tmp_path / "r.json").read_bytes()) == {words: words}
    assert dump_json({"b": "\ud800", "a": "\U0001f600"}, indent=None) == '{"a": "\U0001f600", "b": "\\ud800"}'


def test_a_manifest_that_was_written_holds_what_was_given(tmp_path: Path) -> None:
    """A manifest is data for programs: nothing is added to a value, however it looks in a spreadsheet."""
    record = VideoRecord("=cmd()", str(tmp_path / "=1+1.mp4"), label=0, manipulation="none", source_id="@x")
    write_manifest(tmp_path / "m.csv", [record])
    assert read_manifest(tmp_path / "m.csv", check_files=False) == [record]
