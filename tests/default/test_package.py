"""What the package really ships, and that a wheel carries it.

The detector that ships is looked at itself; the rest is tested on a toy.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from vidfake.default.card import read_card
from vidfake.default.render import markdown
from vidfake.default.ship import CardFields
from vidfake.default.shipped import MAX_BYTES, with_card

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "vidfake" / "default" / "detector.vidfake"
PAGE = ROOT / "docs" / "default_detector.md"


def test_the_shipped_detector_loads_and_is_complete() -> None:
    from vidfake.inference.load import load_detector

    detector = with_card(load_detector(SHIPPED))
    card = read_card(SHIPPED)
    assert card is not None
    assert detector.card == card.short()
    card = read_card(detector.checkpoint.path)
    assert card is not None
    assert detector.checkpoint.is_half == (card.weights.precision == "half")
    assert detector.thresholds is not None
    assert detector.calibration is not None
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= MAX_BYTES
    for part in (card.licence, card.date, card.summary, card.intended_use, card.not_for, card.fails, card.data,
                 card.measured, card.verdicts, card.training.command):  # fmt: skip
        assert part


@pytest.mark.parametrize("which", ["a toy", "the one that ships"])
def test_no_folder_of_a_machine_is_published(which: str, shipped: Path, trained: Path) -> None:
    folder = shipped if which == "a toy" else SHIPPED
    machine = re.compile(r'"(/|[A-Z]:\\\\)[A-Za-z]')
    assert machine.search((trained / "best.vidfake" / "checkpoint.json").read_text("utf-8")), "a run has some"
    for name in ("card.json", "checkpoint.json"):
        assert not machine.search((folder / name).read_text("utf-8")), name


def test_the_page_shows_the_card_that_ships_or_says_that_none_does() -> None:
    card = read_card(SHIPPED)
    _, between, _ = re.split(r"<!-- /?card -->", PAGE.read_text("utf-8"))
    assert between.strip() == (markdown(card).strip() if card else "No detector ships with this version.")


def test_the_hand_written_part_of_the_card_is_read() -> None:
    from vidfake.config import from_dict, read_toml

    fields = from_dict(CardFields, read_toml(ROOT / "tools" / "default_card.toml"))
    assert fields.licence
    assert fields.intended_use
    assert fields.not_for
    assert fields.fails


@pytest.mark.slow
def test_a_wheel_carries_the_weights(shipped: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "vidfake", source / "vidfake", ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    shutil.rmtree(source / "vidfake" / "default" / "detector.vidfake", ignore_errors=True)
    shutil.copytree(shipped, source / "vidfake" / "default" / "detector.vidfake")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(source)], check=True, timeout=240)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in ("model.safetensors", "checkpoint.json", "card.json"):
            inside = archive.read(f"vidfake/default/detector.vidfake/{name}")
            assert inside == (shipped / name).read_bytes()
