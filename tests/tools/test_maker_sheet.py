"""The page on makers shows each of them, and its pictures stay small."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

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


def test_the_drawn_face_has_its_eyes_and_mouth_where_its_landmarks_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools" / "docs_parts"))
    drawn = importlib.import_module("drawn_face")
    for person in drawn.PEOPLE:
        clip = drawn.drawn_clip(person, num_frames=4)
        assert np.ptp(clip.landmarks[:, :, 0], axis=0).min() > 1, "the head moves"
        face, points = clip.faces[0].astype(float), clip.landmarks[0]
        unit = points[1, 0] - points[0, 0]

        def seen(point: np.ndarray, face: np.ndarray = face) -> np.ndarray:
            x, y = np.rint(point).astype(int)
            return face[y, x]

        for eye in points[:2]:
            assert seen(eye).max() < 90, "a pupil"
            assert seen(eye + np.array([0.16 * unit, 0])).min() > 150, "the white beside it"
        middle = points[3:].mean(axis=0)
        assert abs(seen(middle + np.array([0, 0.11 * unit])) - person.lips).max() < 60, "the lower lip"
