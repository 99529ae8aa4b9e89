"""The demo's media follow their recordings: nothing old is taken for new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidfake.demo import media
from vidfake.errors import UsageError
from vidfake.video.writer import write_video


def test_other_recordings_in_the_same_folder_make_other_videos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(source: Path, out: Path, *_: Any, **__: Any) -> None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(source.read_bytes())

    monkeypatch.setattr(media, "render_fake", copy)
    monkeypatch.setattr(media, "render_copy", copy)
    made = {}
    for batch in ("portrait", "mine"):
        paths = []
        for i in range(5):
            paths.append(tmp_path / batch / f"{i}.mp4")
            paths[-1].parent.mkdir(exist_ok=True)
            paths[-1].write_bytes(f"{batch} {i}".encode())
        made[batch] = media.make_media(tmp_path / "out", paths, maker="self_blend", report=lambda *_: None)
    for batch, found in made.items():
        assert len(found.records) == 10
        assert {r.split for r in found.records} == {"train", "validation", "test"}
        assert all(Path(r.path).read_bytes().startswith(batch.encode()) for r in found.records)


def test_too_few_videos_of_the_user_are_refused(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", (np.full((64, 64, 3), 90, np.uint8) for _ in range(3)), frame_rate=25)
    with pytest.raises(UsageError, match="at least 5"):
        media.own_videos(tmp_path, most=10)
