"""Encoding never leaves the process more important than it was."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from vidfake.video.encoding import available_encoders
from vidfake.video.reencode import reencode
from vidfake.video.scheduling import scheduling_kept
from vidfake.video.writer import write_video

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="scheduling policies are Linux's")


@pytest.mark.parametrize("codec", ["libx264", "libsvtav1"])
def test_policy_is_what_it_was(codec: str, tmp_path: Path) -> None:
    if codec not in available_encoders():
        pytest.skip(f"this PyAV has no {codec}")
    before = os.sched_getscheduler(0)
    pictures = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3)).astype(np.uint8)
    reencode(pictures, codec=codec, crf=40)
    assert os.sched_getscheduler(0) == before
    write_video(tmp_path / "x.mkv", pictures, frame_rate=25, codec=codec)
    assert os.sched_getscheduler(0) == before


def test_a_change_within_is_undone() -> None:
    before = os.sched_getscheduler(0)
    with scheduling_kept():
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        assert os.sched_getscheduler(0) == os.SCHED_BATCH
    assert os.sched_getscheduler(0) == before
