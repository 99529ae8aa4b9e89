"""The animated portrait: repeatable, moving, still a face where it says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vidfake.demo.media import portrait
from vidfake.faces.detect import build_detector
from vidfake.settings import ExtractSettings
from vidfake.synth.animate import animate
from vidfake.types import ByteArray, Face


@pytest.fixture(scope="module")
def face() -> Face:
    return build_detector(ExtractSettings()).detect(portrait())[0]


def frames_of(face: Face, seed: int, count: int = 20) -> list[ByteArray]:
    return list(animate(portrait(), face, seed=seed, num_frames=count, frame_rate=25, side=240))


def test_scenes_repeat_differ_and_move(face: Face) -> None:
    first = frames_of(face, 0)
    assert all(np.array_equal(a, b) for a, b in zip(first, frames_of(face, 0), strict=True))
    assert not np.array_equal(first[0], frames_of(face, 1)[0])
    change = [np.abs(a.astype(int) - b).mean() for a, b in itertools.pairwise(first)]
    assert min(change) > 0.2, "noise and motion in every frame"
    found = build_detector(ExtractSettings()).detect(first[10])
    assert len(found) == 1
    assert found[0].confidence > 0.8
