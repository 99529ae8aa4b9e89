from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from face_scenes import Disc, DiscDetector

from vidfake.errors import UnreadableVideoError
from vidfake.faces.extract import extract_clips
from vidfake.faces.overlay import TrackScores, draw_face, render_tracks, track_colour
from vidfake.settings import ExtractSettings
from vidfake.types import ByteArray, Track
from vidfake.video.reader import open_video

MakeVideo = Callable[..., Path]


def still_track(*, detected: bool = True) -> Track:
    return Track(
        track_id=3,
        shot_index=0,
        frame_indices=np.array([0]),
        pts_seconds=np.array([0.0]),
        boxes=np.array([[30.0, 40.0, 70.0, 90.0]]),
        landmarks=np.full((1, 5, 2), 60.0),
        confidences=np.array([0.9]),
        detected=np.array([detected]),
    )


def drawn(track: Track, *, score: float | None = None) -> ByteArray:
    picture = np.zeros((120, 160, 3), np.uint8)
    draw_face(picture, track, 0, score=score)
    return picture


def test_box_lies_on_its_edges_in_the_colour_of_the_track() -> None:
    picture = drawn(still_track(detected=False))
    colour = track_colour(3)
    for y, x in ((65, 30), (65, 69), (40, 50), (89, 50)):
        assert tuple(picture[y, x]) == colour
    assert not picture[65, 45].any()


def test_interpolated_boxes_are_thinner_and_scores_are_written() -> None:
    assert (drawn(still_track(detected=False)) > 0).sum() < (drawn(still_track()) > 0).sum()
    assert (drawn(still_track(), score=0.5) > 0).sum() > (drawn(still_track()) > 0).sum()


def test_score_nearest_in_time() -> None:
    scores = TrackScores(np.array([0.0, 1.0, 2.0]), np.array([0.1, 0.2, 0.3]))
    assert [scores.nearest(t) for t in (-5.0, 0.4, 1.2, 9.0)] == [0.1, 0.1, 0.2, 0.3]


def test_colours_of_neighbouring_tracks_differ() -> None:
    colours = [np.array(track_colour(i)) for i in range(8)]
    assert all(np.abs(a - b).sum() > 60 for a, b in pairwise(colours))


def test_rendered_video_has_the_same_times_and_boxes_that_follow(
    make_video: MakeVideo, settings: ExtractSettings, tmp_path: Path
) -> None:
    path = make_video(lambda t: [Disc(80 + 60 * t, 100, 30)], seconds=1.2, size=(321, 241), pixel_format="yuv444p")
    tracks = extract_clips(path, settings, detector=DiscDetector()).tracks
    scores = {0: TrackScores(np.array([0.5]), np.array([1.25]))}
    out = tmp_path / "folder" / "out.mp4"
    render_tracks(path, tracks, out, scores=scores, crf=5)
    with open_video(path) as source, open_video(out) as copy:
        assert (copy.info.width, copy.info.height) == (320, 240)
        pairs = list(zip(source.frames(), copy.frames(), strict=True))
    for before, after in pairs:
        assert after.pts_seconds == pytest.approx(before.pts_seconds, abs=1e-3)
        x = round(float(tracks[0].boxes[after.index, 0]))
        column = after.rgb()[74:84, x].astype(int)  # above the disc
        assert (column[:, 1] - column[:, [0, 2]].max(axis=1)).mean() > 40


def test_a_failed_rendering_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(UnreadableVideoError):
        render_tracks(tmp_path / "broken.mp4", [], tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.mp4"]
