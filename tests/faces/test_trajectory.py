from __future__ import annotations

import numpy as np
import pytest
from face_scenes import face_at

from vidfake.faces.trajectory import FrameTimes, Trajectory
from vidfake.types import FloatArray

SIGMA = 0.08


def frame_times(seconds: FloatArray) -> FrameTimes:
    frames = FrameTimes()
    for index, t in enumerate(seconds.tolist()):
        frames.add(index, t)
    return frames


def seen_at(times: FloatArray, *, speed: float = 40.0, noise: float = 0.0) -> Trajectory:
    random = np.random.default_rng(0)
    trajectory = Trajectory(birth=0, shot_index=2)
    for t in times.tolist():
        trajectory.add(t, face_at(100 + speed * t + noise * random.normal(), 80, 50, confidence=0.5 + 0.1 * t))
    return trajectory


def test_frames_between_are_those_within_both_ends() -> None:
    indices, seconds = frame_times(np.arange(10) / 10).between(0.2, 0.5)
    assert indices.tolist() == [2, 3, 4, 5]
    np.testing.assert_allclose(seconds, [0.2, 0.3, 0.4, 0.5])


def test_steady_motion_is_filled_in_exactly_between_sparse_detections() -> None:
    seconds = np.sort(np.random.default_rng(1).uniform(0, 3, 90))  # uneven frames
    detections = seconds[[4, 20, 21, 50, 77]]
    trajectory = seen_at(detections)
    trajectory.track_id = 5
    track = trajectory.track(frame_times(seconds), sigma_seconds=SIGMA)
    assert (track.track_id, track.shot_index) == (5, 2)
    assert track.frame_indices.tolist() == list(range(4, 78))
    assert np.flatnonzero(track.detected).tolist() == [0, 16, 17, 46, 73]
    centres = (track.boxes[:, 0] + track.boxes[:, 2]) / 2
    np.testing.assert_allclose(centres, 100 + 40 * track.pts_seconds, atol=1e-6)
    np.testing.assert_allclose(track.landmarks[:, 2, 0], centres, atol=1e-6)  # the nose is in the middle
    np.testing.assert_allclose(track.confidences, 0.5 + 0.1 * track.pts_seconds, atol=1e-9)


def test_places_of_a_part_equal_the_whole_track_to_the_last_bit() -> None:
    seconds = np.arange(300) / 30
    frames = frame_times(seconds)
    trajectory = seen_at(seconds[::6], noise=3.0)
    trajectory.track_id = 0
    track = trajectory.track(frames, sigma_seconds=SIGMA)
    for start in (0, 7, 150, 280):
        rows = slice(start, start + 15, 2)
        places = trajectory.places(track.pts_seconds[rows], frames, sigma_seconds=SIGMA)
        assert places.landmarks.tobytes() == track.landmarks[rows].tobytes()
        assert places.boxes.tobytes() == track.boxes[rows].tobytes()
        assert places.confidences.tobytes() == track.confidences[rows].tobytes()


def test_prediction_continues_the_motion_up_to_the_horizon() -> None:
    trajectory = seen_at(np.array([0.0, 0.5]))
    box, landmarks = trajectory.predicted(0.75, horizon_seconds=0.4)
    assert (box[0] + box[2]) / 2 == pytest.approx(130)
    assert landmarks[2, 0] == pytest.approx(130)
    assert trajectory.predicted(9.0, horizon_seconds=0.4)[1][2, 0] == pytest.approx(136)
    assert trajectory.predicted(9.0, horizon_seconds=0.0)[1][2, 0] == pytest.approx(120)


def test_prediction_of_one_detection_is_where_it_was() -> None:
    assert seen_at(np.array([1.0])).predicted(1.4, horizon_seconds=0.4)[1][2, 0] == pytest.approx(140)


def test_one_detection_is_a_track_of_one_frame() -> None:
    trajectory = seen_at(np.array([0.2]))
    trajectory.track_id = 0
    track = trajectory.track(frame_times(np.arange(5) / 10), sigma_seconds=SIGMA)
    assert track.frame_indices.tolist() == [2]
    assert track.detected.tolist() == [True]


def test_only_a_track_has_an_id() -> None:
    with pytest.raises(ValueError, match="track_id"):
        seen_at(np.array([0.0])).track(frame_times(np.array([0.0])), sigma_seconds=SIGMA)
