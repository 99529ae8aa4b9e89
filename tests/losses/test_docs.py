"""docs/losses.md is what the code says now."""

from __future__ import annotations

import runpy
from pathlib import Path

from vidfake.losses import LOSSES

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_current_and_complete():
    module = runpy.run_path(str(ROOT / "tools" / "docs_parts" / "loss_page.py"))
    text = module["page"]()
    assert (ROOT / "docs" / "losses.md").read_text("utf-8") == text, "run tools/make_loss_docs"
    for row in LOSSES:
        assert f"### {row.name}\n" in text
    for line in text.splitlines():
        if line.startswith("!["):
            assert (ROOT / "docs" / line.split("(")[1].rstrip(")")).is_file()


def test_a_docstring_falls_into_its_parts():
    module = runpy.run_path(str(ROOT / "tools" / "docs_parts" / "loss_page.py"))
    doc = module["Doc"].of(LOSSES.row("cosface").factory)
    assert doc.summary.startswith("Cross-entropy on scaled cosines")
    assert doc.equation.startswith("L = -log(")
    assert set(doc.options()) == {"scale", "margin"}
    assert "Two classes" in doc.sections
    assert doc.starting("Differs")
