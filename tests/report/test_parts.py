"""Cleaning of text, writing of numbers, and the geometry of the drawings."""

from __future__ import annotations

import re
import unicodedata
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidfake.metrics.bootstrap import Interval
from vidfake.metrics.comparison import Ranking
from vidfake.metrics.multiplicity import FriedmanResult
from vidfake.metrics.results import Figure, RocBand
from vidfake.report.charts import critical_difference, det, nice_ticks, roc
from vidfake.report.numbers import clock, decimal, p_text, percent, span, with_interval
from vidfake.report.svg import BOTTOM, LEFT, RIGHT, TOP, Plot, linear
from vidfake.report.text import clean, csv_cell, markdown


@given(st.text(st.characters(codec=None), max_size=60))
@settings(max_examples=300, deadline=None)
def test_clean_text_has_nothing_invisible(text: str) -> None:
    shown = clean(text, limit=None)
    assert len(shown) == len(text), "one sign for one sign: nothing vanishes"
    assert all(unicodedata.category(c) not in ("Cc", "Cf", "Cs") for c in shown)
    shown.encode("utf-8")
    assert clean(shown, limit=None) == shown


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_no_csv_cell_is_a_formula(text: str) -> None:
    assert not csv_cell(text).lstrip().startswith(("=", "+", "-", "@", "|", "%"))


def test_markdown_is_literal() -> None:
    assert markdown("a|b <i> [x](y) `c` *d*\n# e") == r"a\|b \<i\> \[x\]\(y\) \`c\` \*d\*" + "\ufffd" + r"\# e"
    assert clean("x" * 500) == "x" * 159 + "…"


@pytest.mark.parametrize(("value", "digits", "signed", "text"), [
    (0.9344, 3, False, "0.934"), (-0.02, 3, True, "−0.020"), (0.02, 3, True, "+0.020"), (None, 3, False, "–"),
    (-0.0001, 3, True, "+0.000"), (-0.0001, 3, False, "0.000"),
])  # fmt: skip
def test_decimals(value: float | None, digits: int, signed: bool, text: str) -> None:
    assert decimal(value, digits, signed=signed) == text


def test_other_numbers() -> None:
    band = Interval(0.9118, 0.9514, 0.95, 70, 2000)
    assert (span(band), span(None)) == ("[0.912, 0.951]", "")
    assert with_interval(Figure(0.93, band)) == "0.930 [0.912, 0.951]"
    assert with_interval(Figure(None, reason="x")) == with_interval(None) == "–"
    assert (percent(0.0344), percent(None)) == ("3.4 %", "–")
    assert (p_text(0.0004), p_text(0.0321), p_text(None)) == ("< 0.001", "0.032", "–")
    assert (clock(62.54), clock(0), clock(None)) == ("1:02.5", "0:00.0", "–")
    assert clock(59.99) == "1:00.0"


def test_points_lie_where_they_should() -> None:
    plot = Plot("t", linear(0, 2), linear(-1, 1), [], [], width=400, height=300)
    plot.line([0, 1, 2], [-1, 0, 5], 0)
    points = re.search(r'points="([^"]+)"', plot.svg()).group(1)
    found = [tuple(map(float, point.split(","))) for point in points.split()]
    middle = (LEFT + 400 - RIGHT) / 2, (TOP + 300 - BOTTOM) / 2
    assert found == [(LEFT, 300 - BOTTOM), middle, (400 - RIGHT, TOP)], "what is outside is held at the edge"


@pytest.mark.parametrize("draw", [roc, det])
def test_drawings_are_well_formed_with_hostile_titles(draw) -> None:
    grid = tuple(np.linspace(0, 1, 11))
    band = RocBand("video", 50, grid, grid, grid, grid)
    svg = draw([band], title='<script>"&\x00\u202e')
    root = ElementTree.fromstring(svg)
    assert root.tag == "figure"
    assert "script" not in {element.tag for element in root.iter()}


def test_det_puts_the_equal_error_rate_on_the_diagonal() -> None:
    """Misses 0.2 at 0.2 false alarms lies where both axes show 0.2."""
    band = RocBand("video", 1000, (0.1, 0.2, 0.3), (0.7, 0.8, 0.9))
    svg = det([band])
    line = re.search(r'class="line s3" points="([^"]+)"', svg).group(1).split()
    across, up = map(float, line[1].split(","))
    width, height = 430 - LEFT - RIGHT, 350 - TOP - BOTTOM
    assert (across - LEFT) / width == pytest.approx((350 - BOTTOM - up) / height, abs=1e-3)


def test_a_ranking_is_drawn_with_hostile_names() -> None:
    test = FriedmanResult((1.2, 1.8, 3.0), 5, 7.0, 0.03, 9.0, 0.01)
    names = {"<b>&": 1.2, "x" * 90: 1.8, "c": 3.0}
    svg = critical_difference(Ranking(("d",) * 5, names, test, 1.48, (("<b>&", "x" * 90), ("x" * 90, "c"))))
    root = ElementTree.fromstring(svg)
    assert len([e for e in root.iter() if e.get("class") == "bar"]) == 2
    assert "<b>&" in [e.text for e in root.iter()]
    assert max(len(e.text or "") for e in root.iter() if e.get("class") == "tick") <= 28


def test_ticks_are_round_and_inside() -> None:
    for low, high in ((-3.2, 4.7), (0.001, 0.0042), (-250, 1000), (0.2, 0.9)):
        values = [value for value, _ in nice_ticks(low, high)]
        assert 4 <= len(values) <= 9
        assert low <= values[0] <= values[-1] <= high
        assert np.allclose(np.diff(values), values[1] - values[0])
