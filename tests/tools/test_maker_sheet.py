"""The page on makers shows each of them, and its pictures stay small."""

from __future__ import annotations

import re
from pathlib import Path

from vidfake.synth import MAKERS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "synthesis.md").read_text("utf-8")


def test_every_maker_is_shown() -> None:
    shown = set(re.findall(r"\(images/maker_(\w+)\.jpg\)", PAGE))
    assert shown == {row.name for row in MAKERS if not row.details.get("needs_weights")}
    sizes = {name: (ROOT / "docs" / "images" / f"maker_{name}.jpg").stat().st_size for name in shown}
    assert sum(sizes.values()) < 300_000, sizes


def test_the_command_on_the_page_takes_these_options() -> None:
    (command,) = re.findall(r"tools/draw_makers 'docs/images/.*", PAGE)
    source = (ROOT / "tools" / "docs_parts" / "maker_sheet.py").read_text("utf-8")
    for option in re.findall(r"--\w+", command):
        assert f'"{option}"' in source
