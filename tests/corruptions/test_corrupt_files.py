"""Corruption of files: the same pixels as the array functions, times kept, nothing half-written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from vidfake.corruptions import CORRUPTIONS, corrupt_clip, corrupt_video
from vidfake.corruptions.base import CodecCorruption
from vidfake.errors import ConfigError, UnreadableVideoError
from vidfake.video.reader import open_video
from vidfake.video.writer import write_video


def decoded(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    with open_video(path) as reader:
        frames = [(frame.pts_seconds, frame.rgb()) for frame in reader.frames()]
    return np.stack([picture for _, picture in frames]), np.array([t for t, _ in frames])


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """H.264 of 12 frames, 65 × 97 odd pixels in 4:4:4, of variable frame rate, not starting at 0."""
    path = tmp_path_factory.mktemp("video") / "in.mp4"
    rng = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(rng.normal(size=(12, 65, 97, 3)), (1, 3, 3, 0))
    frames = np.clip(128 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)
    times = np.cumsum([0.04, 0.04, 0.08] * 4)
    write_video(path, frames, pts_seconds=times.tolist(), crf=12, pixel_format="yuv444p")
    return path


STREAMED = sorted(n for n in CORRUPTIONS.names() if not isinstance(CORRUPTIONS.build(n), CodecCorruption))
CODECS = sorted(set(CORRUPTIONS.names()) - set(STREAMED))


@pytest.mark.parametrize("name", STREAMED)
def test_a_file_is_damaged_exactly_like_its_frames(name: str, video: Path, tmp_path: Path) -> None:
    frames, times = decoded(video)
    result = corrupt_video(video, tmp_path / "out.mkv", name, severity=3, seed=4)
    damaged, damaged_times = decoded(tmp_path / "out.mkv")
    np.testing.assert_array_equal(damaged, corrupt_clip(name, frames, severity=3, seed=4))
    if name != "frame_drop":
        np.testing.assert_allclose(damaged_times, times - times[0], atol=0.002)
    assert result.num_frames == len(damaged)
    assert result.value == CORRUPTIONS.row(name).details["levels"][2]


def test_dropped_frames_leave_gaps_in_time(video: Path, tmp_path: Path) -> None:
    corrupt_video(video, tmp_path / "out.mkv", "frame_drop", severity=5, seed=4)
    frames, times = decoded(video)
    damaged, damaged_times = decoded(tmp_path / "out.mkv")
    assert 1 <= len(damaged) < len(frames)
    for picture, t in zip(damaged, damaged_times, strict=True):
        index = int(np.argmin(np.abs(times - times[0] - t)))
        assert abs(times[index] - times[0] - t) < 0.002
        np.testing.assert_array_equal(picture, frames[index])


@pytest.mark.parametrize("name", CODECS)
def test_codecs_write_their_own_stream(name: str, video: Path, tmp_path: Path) -> None:
    frames, times = decoded(video)
    sizes = []
    for severity in (1, 5):
        out = tmp_path / f"{severity}.mkv"
        corrupt_video(video, out, name, severity=severity)
        sizes.append(out.stat().st_size)
        damaged, damaged_times = decoded(out)
        assert damaged.shape == (12, 66, 98, 3)  # odd sides became even
        np.testing.assert_allclose(damaged_times, times - times[0], atol=0.002)
        assert np.corrcoef(damaged[:, :65, :97].ravel(), frames.ravel())[0, 1] > (0.85 if severity == 1 else 0.5)
    assert sizes[1] < sizes[0]
    with open_video(out) as reader:
        assert reader.info.codec == {"VC": "h264", "x264": "h264", "x265": "hevc"}.get(name, name)


def test_outputs_that_cannot_be(video: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is an \.mkv file"):
        corrupt_video(video, tmp_path / "out.mp4", "CS", severity=1)
    copy = tmp_path / "in.mkv"
    copy.write_bytes(video.read_bytes())
    with pytest.raises(ConfigError, match="would replace the video itself"):
        corrupt_video(copy, copy, "CS", severity=1)
    with pytest.raises(ConfigError, match="severity is 9"):
        corrupt_video(video, tmp_path / "out.mkv", "CS", severity=9)


def test_a_damaged_input_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"not a video")
    with pytest.raises(UnreadableVideoError):
        corrupt_video(tmp_path / "bad.mp4", tmp_path / "out.mkv", "GB", severity=1)
    assert [p.name for p in tmp_path.iterdir()] == ["bad.mp4"]
