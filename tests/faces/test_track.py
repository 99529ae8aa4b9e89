from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from face_scenes import face_at
from hypothesis import given
from hypothesis import strategies as st

from vidfake.faces.track import FORBIDDEN, Tracker, iou, link_cost
from vidfake.faces.trajectory import Trajectory
from vidfake.settings import ExtractSettings
from vidfake.types import Face

SETTINGS = ExtractSettings()
STEP = 0.2


def follow(
    faces_at: Callable[[float], Sequence[Face]],
    *,
    seconds: float = 3.0,
    settings: ExtractSettings = SETTINGS,
    cut_at: float | None = None,
) -> Tracker:
    tracker = Tracker(settings)
    for t in (np.arange(round(seconds / STEP)) * STEP).tolist():
        if cut_at is not None and abs(t - cut_at) < 1e-9:
            tracker.cut()
        tracker.add(t, faces_at(t))
    tracker.finish()
    return tracker


def noses(trajectory: Trajectory) -> list[float]:
    return [round(float(row[8]), 3) for row in trajectory._rows]


def spans(tracker: Tracker) -> list[tuple[float, float]]:
    return [(round(t.first_seconds, 6), round(t.last_seconds, 6)) for t in tracker.confirmed]


def test_several_still_faces_are_several_tracks_in_order_from_the_left() -> None:
    tracker = follow(lambda t: [face_at(300, 100, 60), face_at(100, 100, 60), face_at(200, 100, 60)])
    assert [t.track_id for t in tracker.confirmed] == [0, 1, 2]
    assert [noses(t)[0] for t in tracker.confirmed] == [100, 200, 300]
    assert all(len(set(noses(t))) == 1 for t in tracker.confirmed)


@given(st.permutations(range(4)))
def test_the_order_of_detections_does_not_matter(order: list[int]) -> None:
    faces = [face_at(100 + 90 * i, 100 + 10 * i, 60) for i in range(4)]
    tracker = follow(lambda t: [faces[i] for i in order], seconds=1.0)
    assert [noses(t)[0] for t in tracker.confirmed] == [100, 190, 280, 370]


@pytest.mark.parametrize("speed", [60, 100, 140])
@pytest.mark.parametrize("lanes", [0, 12])
def test_two_equal_faces_that_cross_keep_their_ids_by_their_motion(speed: float, lanes: float) -> None:
    def crossing(t: float) -> list[Face]:
        return [face_at(300 + speed * (t - 1.5), 100, 80), face_at(310 - speed * (t - 1.5), 100 + lanes, 80)]

    tracker = follow(crossing)
    assert len(tracker.confirmed) == 2
    for trajectory in tracker.confirmed:
        steps = np.diff(noses(trajectory))
        assert (np.sign(steps) == np.sign(steps[0])).all()


@pytest.mark.parametrize("other", [{"side": 120.0}, {"side": 80.0, "nose_shift": 0.15}])
def test_faces_that_meet_and_turn_back_are_told_apart_by_size_or_landmarks(other: dict[str, float]) -> None:
    # motion alone would predict that they pass through each other
    def meeting(t: float) -> list[Face]:
        offset = 15 + 60 * abs(t - 1.5)
        return [face_at(300 - offset, 100, 80), face_at(300 + offset, 100, **other)]

    tracker = follow(meeting)
    assert len(tracker.confirmed) == 2
    for trajectory in tracker.confirmed:
        boxes = np.array([row[:4] for row in trajectory._rows])
        landmarks = np.array([row[4:14] for row in trajectory._rows]).reshape(-1, 5, 2)
        assert np.ptp(boxes[:, 3] - boxes[:, 1]) < 1e-6
        assert np.ptp(landmarks[:, 2, 0] - landmarks[:, :2, 0].mean(axis=1)) < 1e-6


def test_a_cut_ends_every_track_even_where_the_face_stays() -> None:
    tracker = follow(lambda t: [face_at(100, 100, 60)], cut_at=1.4)
    assert spans(tracker) == [(0.0, 1.2), (1.4, 2.8)]
    assert [t.shot_index for t in tracker.confirmed] == [0, 1]


def test_a_gap_up_to_the_limit_is_bridged_and_a_longer_one_is_not() -> None:
    def hidden(start: float, end: float) -> Callable[[float], list[Face]]:
        return lambda t: [] if start < t + 1e-9 and t - 1e-9 < end else [face_at(100, 100, 60)]

    settings = replace(SETTINGS, max_gap_seconds=1.01)
    assert spans(follow(hidden(1.2, 1.8), settings=settings)) == [(0.0, 2.8)]  # 1.0 to 2.0
    assert spans(follow(hidden(1.2, 2.0), settings=settings)) == [(0.0, 1.0), (2.2, 2.8)]


def test_a_gap_is_bridged_by_place_where_motion_would_lead_away() -> None:
    def stops_while_hidden(t: float) -> list[Face]:
        return [] if 1.1 < t < 1.7 else [face_at(100 + 100 * min(t, 1.0), 100, 80)]

    assert spans(follow(stops_while_hidden)) == [(0.0, 2.8)]


def test_short_tracks_are_dropped_and_ids_have_no_holes() -> None:
    def flicker(t: float) -> list[Face]:
        faces = [face_at(100, 100, 60)] if abs(t - 0.4) < 1e-9 else []
        return [*faces, face_at(300, 100, 60)] if t > 0.9 else faces

    tracker = follow(flicker)
    assert [t.track_id for t in tracker.confirmed] == [0]
    assert tracker.num_dropped == 1


def test_a_faint_face_goes_on_with_a_track_but_begins_none() -> None:
    faint_always = follow(lambda t: [face_at(100, 100, 60, confidence=0.7)])
    assert faint_always.confirmed == []
    sure_once = follow(lambda t: [face_at(100, 100, 60, confidence=0.95 if t == 0 else 0.7)])
    assert spans(sure_once) == [(0.0, 2.8)]


def test_a_settled_moment_is_never_changed_by_what_comes_later() -> None:
    tracker = Tracker(SETTINGS)
    tracker.add(0.0, [face_at(100, 100, 60)])
    assert not tracker.is_settled(0.0, reach_seconds=0.24)  # may yet turn out too short
    tracker.add(0.2, [face_at(100, 100, 60)])
    tracker.add(0.4, [face_at(100, 100, 60)])
    assert tracker.is_settled(0.15, reach_seconds=0.24)
    assert not tracker.is_settled(0.3, reach_seconds=0.24)  # the next detection still bends the path there
    tracker.add(0.6, [])
    assert not tracker.is_settled(0.5, reach_seconds=0.24)  # the gap may be bridged
    assert not tracker.is_settled(0.9, reach_seconds=0.24)  # nothing is known yet
    tracker.add(1.6, [])
    assert tracker.is_settled(1.6, reach_seconds=0.24)  # the track has ended


def test_strain_where_a_face_comes_goes_or_jumps() -> None:
    tracker = Tracker(SETTINGS)
    still = face_at(100, 100, 60)
    tracker.add(0.0, [still])
    assert not tracker.is_strained(0.2, [still])
    assert not tracker.is_strained(0.2, [face_at(104, 100, 60)])
    assert tracker.is_strained(0.2, [face_at(116, 100, 60)])
    assert tracker.is_strained(0.2, [])
    assert tracker.is_strained(0.2, [still, face_at(300, 100, 60)])
    assert not tracker.is_strained(0.2, [still, face_at(300, 100, 60, confidence=0.7)])
    tracker.add(0.2, [])
    assert not tracker.is_strained(0.4, [])  # gone already, and looked for


def test_link_cost_is_zero_for_the_same_and_forbids_another() -> None:
    face = face_at(100, 100, 60)
    box = np.asarray(face.box)
    assert link_cost(box, face.landmarks, face, link_iou=0.3) == pytest.approx(0.0)
    near = link_cost(box, face.landmarks, face_at(105, 100, 60), link_iou=0.3)
    far = link_cost(box, face.landmarks, face_at(115, 100, 60), link_iou=0.3)
    assert 0 < near < far < FORBIDDEN
    upside_down = Face(face.box, np.array([200.0, 200.0]) - face.landmarks, 0.9)
    for other in (face_at(300, 100, 60), face_at(100, 100, 150), upside_down):
        assert link_cost(box, face.landmarks, other, link_iou=0.01) == FORBIDDEN


def test_iou() -> None:
    unit = np.array([0.0, 0.0, 2.0, 2.0])
    assert iou(unit, unit) == 1.0
    assert iou(unit, unit + 1) == pytest.approx(1 / 7)
    assert iou(unit, unit + 2) == 0.0
    assert iou(unit * 0, unit * 0) == 0.0
