from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from face_scenes import BLUE, GREEN, RED, Disc, DiscDetector

from vidfake.errors import UnreadableVideoError, UsageError
from vidfake.faces.align import crop_template
from vidfake.faces.extract import ExtractionResult, extract_clips
from vidfake.faces.quality import QUALITY_NAMES
from vidfake.settings import ExtractSettings
from vidfake.types import ByteArray, Face, FaceClip, FloatArray, Region, Track

MakeVideo = Callable[..., Path]


def run(
    path: Path, settings: ExtractSettings, *, detector: DiscDetector | None = None, region: Region | None = None
) -> tuple[ExtractionResult, list[FaceClip]]:
    clips: list[FaceClip] = []
    result = extract_clips(path, settings, region=region, detector=detector or DiscDetector(), on_clip=clips.append)
    return result, clips


def centres(boxes: FloatArray) -> FloatArray:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def colour_of(face: ByteArray) -> tuple[int, int, int]:
    """Which of the three colours the middle of a crop has."""
    middle = face[face.shape[0] // 2, face.shape[1] // 2].astype(int)
    return min((RED, GREEN, BLUE), key=lambda c: int(np.abs(middle - np.array(c)).sum()))


def colours(clip: FaceClip) -> set[tuple[int, int, int]]:
    return {colour_of(face) for face in clip.faces}


def moving(t: float) -> list[Disc]:
    return [Disc(80 + 30 * t, 120 - 20 * t, 30)]


def pair(t: float) -> list[Disc]:
    return [Disc(90 + 20 * t, 120, 30, RED), Disc(230, 100 + 15 * t, 24, GREEN)]


def test_a_moving_face_gives_one_track_on_its_path(make_video: MakeVideo, settings: ExtractSettings) -> None:
    result, clips = run(make_video(moving, seconds=2.4), settings)
    assert result.status == "ok"
    assert (result.num_frames_decoded, result.decode_errors, result.truncated) == (60, 0, False)
    assert result.shot_starts_seconds == [0.0]
    assert result.warnings == []
    assert result.num_clips == len(clips) == 3
    (track,) = result.tracks
    assert track.frame_indices.tolist() == list(range(60))
    t = track.pts_seconds
    np.testing.assert_allclose(centres(track.boxes), np.stack([80 + 30 * t, 120 - 20 * t], axis=1), atol=0.7)
    assert track.detected[[0, -1]].all()
    assert track.detected.sum() == result.num_detections < 25


def test_clips_are_whole_aligned_and_in_order(make_video: MakeVideo, settings: ExtractSettings) -> None:
    _, clips = run(make_video(moving, seconds=2.4), settings)
    assert [clip.clip_index for clip in clips] == [0, 1, 2]
    assert [clip.track_id for clip in clips] == [0, 0, 0]
    for clip in clips:
        assert clip.faces.shape == (8, 64, 64, 3)
        assert np.diff(clip.frame_indices).tolist() == [1] * 7
        assert set(clip.quality) == set(QUALITY_NAMES)
        assert len(clip.encoded) == 8
        expected = crop_template(crop_size=64, margin=settings.margin)
        np.testing.assert_allclose(clip.crop_landmarks, np.broadcast_to(expected, (8, 5, 2)), atol=1e-6)
        np.testing.assert_allclose(clip.quality["size_pixels"], 60, atol=1.5)
        # a disc of that side fills 1 / margin of the crop, in its middle
        for face in clip.faces:
            y, x = np.nonzero(np.abs(face.astype(int) - np.array(RED)).sum(axis=2) < 150)
            assert np.abs(np.array([x.mean(), y.mean()]) + 0.5 - 32).max() < 1.0
            assert 2 * np.sqrt(len(x) / np.pi) == pytest.approx(64 / settings.margin, abs=2)
    assert clips[0].frame_indices[0] == 0
    assert clips[-1].frame_indices[-1] == 59


def test_faces_are_what_their_bytes_decode_to(make_video: MakeVideo, settings: ExtractSettings) -> None:
    from vidfake.faces.codec import decode_crop

    for quality in (95, 0):
        _, clips = run(make_video(moving, seconds=0.6), replace(settings, jpeg_quality=quality))
        for face, data in zip(clips[0].faces, clips[0].encoded, strict=True):
            np.testing.assert_array_equal(face, decode_crop(data))


def test_clip_landmarks_equal_the_whole_track_to_the_last_bit(
    make_video: MakeVideo, settings: ExtractSettings
) -> None:
    def wobbling(t: float) -> list[Disc]:
        return [Disc(100 + 20 * np.sin(5 * t), 120 + 9 * np.cos(11 * t), 30), Disc(240, 90 + 25 * t, 22, BLUE)]

    result, clips = run(make_video(wobbling, seconds=3.0), settings)
    tracks = {track.track_id: track for track in result.tracks}
    assert len(clips) == 8
    for clip in clips:
        track = tracks[clip.track_id]
        rows = np.searchsorted(track.frame_indices, clip.frame_indices)
        assert clip.pts_seconds.tobytes() == track.pts_seconds[rows].tobytes()
        assert clip.landmarks.tobytes() == track.landmarks[rows].tobytes()
        assert clip.boxes.tobytes() == track.boxes[rows].tobytes()
        assert clip.quality["confidence"].tobytes() == track.confidences[rows].tobytes()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_same_file_same_clips_whatever_the_threads(
    make_video: MakeVideo, settings: ExtractSettings, threads: int
) -> None:
    path = make_video(pair, seconds=1.6)
    _, first = run(path, settings)
    again: list[FaceClip] = []
    extract_clips(path, settings, detector=DiscDetector(), on_clip=again.append, threads=threads)
    assert len(first) == len(again) == 4
    for a, b in zip(first, again, strict=True):
        assert (a.track_id, a.clip_index, a.encoded) == (b.track_id, b.clip_index, b.encoded)
        assert a.landmarks.tobytes() == b.landmarks.tobytes()


def test_two_faces_are_two_tracks_with_their_own_clips(make_video: MakeVideo, settings: ExtractSettings) -> None:
    result, clips = run(make_video(pair, seconds=1.6), settings)
    assert [track.track_id for track in result.tracks] == [0, 1]
    assert [(clip.track_id, clip.clip_index) for clip in clips] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert [colours(clip) for clip in clips] == [{RED}, {GREEN}] * 2
    assert [clip.pts_seconds[0] for clip in clips] == sorted(clip.pts_seconds[0] for clip in clips)


def test_two_faces_that_cross_keep_their_ids(make_video: MakeVideo, settings: ExtractSettings) -> None:
    def crossing(t: float) -> list[Disc]:
        return [Disc(60 + 80 * t, 120, 34, RED), Disc(260 - 80 * t, 112, 26, GREEN)]

    result, clips = run(make_video(crossing, seconds=2.4), replace(settings, clip_interval_seconds=0.4))
    assert len(result.tracks) == 2
    apart = [clip for clip in clips if clip.pts_seconds[-1] < 0.85 or clip.pts_seconds[0] > 1.65]
    assert len(apart) >= 4
    assert {bool(clip.pts_seconds[0] > 1.25) for clip in apart} == {False, True}
    assert all(colours(clip) == ({RED}, {GREEN})[clip.track_id] for clip in apart)


def test_a_cut_parts_tracks_and_clips(make_video: MakeVideo, settings: ExtractSettings) -> None:
    def cut(t: float) -> list[Disc]:
        return [Disc(100, 120, 30, RED if t < 1.0 else GREEN)]

    path = make_video(cut, seconds=2.0, ground_at=lambda t: 20 if t < 1.0 else 180)
    result, clips = run(path, replace(settings, clip_interval_seconds=0.2))
    assert result.shot_starts_seconds == [0.0, 1.0]
    assert [(t.shot_index, *t.frame_indices[[0, -1]]) for t in result.tracks] == [(0, 0, 24), (1, 25, 49)]
    assert all(track.detected[[0, -1]].all() for track in result.tracks)
    assert {clip.track_id: colours(clip) for clip in clips} == {0: {RED}, 1: {GREEN}}
    assert all(len(colours(clip)) == 1 for clip in clips)
    assert min(len(clip.faces) for clip in clips) >= settings.min_frames
    # a window with the cut in it gives a part to either side
    assert any(len(clip.faces) < settings.num_frames for clip in clips)


def test_a_hidden_face_is_filled_in_and_a_longer_absence_is_not(
    make_video: MakeVideo, settings: ExtractSettings
) -> None:
    def hidden_for(length: float) -> Callable[[float], list[Disc]]:
        return lambda t: [] if 1.0 <= t < 1.0 + length else [Disc(80 + 20 * t, 120, 30)]

    result, _ = run(make_video(hidden_for(0.5), seconds=2.8), settings)
    (track,) = result.tracks
    assert len(track.frame_indices) == 70
    gap = (track.pts_seconds > 0.99) & (track.pts_seconds < 1.5)
    assert not track.detected[gap].any()
    np.testing.assert_allclose(centres(track.boxes)[gap, 0], 80 + 20 * track.pts_seconds[gap], atol=1.0)

    result, clips = run(make_video(hidden_for(1.4), seconds=3.6, name="long.mp4"), settings)
    assert [track.pts_seconds[[0, -1]].round(2).tolist() for track in result.tracks] == [[0, 0.92], [2.4, 3.56]]
    assert not any(1.0 < pts < 2.4 for clip in clips for pts in clip.pts_seconds)


def test_uneven_frame_times(make_video: MakeVideo, settings: ExtractSettings) -> None:
    times = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.09, 50))
    times = np.round(times - times[0], 3)
    result, clips = run(make_video(moving, pts_seconds=times.tolist()), settings)
    (track,) = result.tracks
    np.testing.assert_allclose(track.pts_seconds, times, atol=1e-3)
    expected = np.stack([80 + 30 * times, 120 - 20 * times], axis=1)
    np.testing.assert_allclose(centres(track.boxes), expected, atol=0.7)
    assert len(clips) >= 2
    for clip in clips:
        np.testing.assert_allclose(clip.pts_seconds, times[clip.frame_indices], atol=1e-3)


def test_a_face_that_leaves_the_picture(make_video: MakeVideo, settings: ExtractSettings) -> None:
    def leaving(t: float) -> list[Disc]:
        return [Disc(250 + 60 * t, 120, 30)]

    result, clips = run(make_video(leaving, seconds=2.4), replace(settings, clip_interval_seconds=0.3))
    (track,) = result.tracks
    assert 1.17 < track.pts_seconds[-1] < 1.7  # the middle is at the edge after 1.17 s
    inside = np.concatenate([clip.quality["inside"] for clip in clips])
    assert inside.max() == 1.0
    assert 0.3 < inside.min() < 0.9
    overall = np.concatenate([clip.quality["overall"] for clip in clips])
    assert ((overall >= 0) & (overall <= 1)).all()


def test_a_region_is_all_that_is_seen(make_video: MakeVideo, settings: ExtractSettings) -> None:
    path = make_video(pair, seconds=1.2)
    for region, colour, x in ((Region(0, 0, 160, 240), RED, 90), (Region(160, 0, 160, 240), GREEN, 230)):
        result, clips = run(path, settings, region=region)
        (track,) = result.tracks
        assert centres(track.boxes)[0, 0] == pytest.approx(x, abs=1.5)  # in pixels of the full frame
        assert {c for clip in clips for c in colours(clip)} == {colour}
        whole = [clip for clip in run(path, settings)[1] if colours(clip) == {colour}]
        np.testing.assert_allclose(clips[0].landmarks, whole[0].landmarks, atol=0.7)


def test_nothing_beyond_a_region_reaches_a_crop(make_video: MakeVideo, settings: ExtractSettings) -> None:
    def neighbours(t: float) -> list[Disc]:
        return [Disc(130, 120, 30, RED), Disc(190, 120, 30, BLUE)]

    path = make_video(neighbours, seconds=0.6)
    _, clips = run(path, replace(settings, margin=2.5), region=Region(0, 0, 160, 240))
    blue = np.abs(clips[0].faces.astype(int) - np.array(BLUE)).sum(axis=-1) < 150
    assert not blue.any()
    assert 0.5 < clips[0].quality["inside"].mean() < 1.0


def test_a_region_outside_of_the_picture_is_refused(make_video: MakeVideo, settings: ExtractSettings) -> None:
    with pytest.raises(UsageError, match="not inside"):
        run(make_video(moving, seconds=0.2), settings, region=Region(200, 0, 200, 100))


def test_pixels_that_are_not_square_give_round_discs(make_video: MakeVideo, settings: ExtractSettings) -> None:
    path = make_video(moving, seconds=0.6, options={"x264-params": "sar=4/3"})
    result, clips = run(path, settings)
    assert result.info.pixel_aspect_ratio == pytest.approx(4 / 3)
    red = np.abs(clips[0].faces[0].astype(int) - np.array(RED)).sum(axis=-1) < 150
    height, width = np.ptp(np.argwhere(red), axis=0) + 1
    assert width / height == pytest.approx(4 / 3, rel=0.08)  # drawn round in pixels that are 4/3 wide


def test_no_face(make_video: MakeVideo, settings: ExtractSettings) -> None:
    result, clips = run(make_video(lambda t: [], seconds=0.8), settings)
    assert (result.status, result.num_clips, result.tracks, clips) == ("no_face", 0, [], [])
    assert result.warnings == ["no face was found"]


def test_a_face_for_an_instant_is_no_face_and_says_so(make_video: MakeVideo, settings: ExtractSettings) -> None:
    def blink(t: float) -> list[Disc]:
        return [Disc(100, 100, 30)] if 0.3 < t < 0.5 else []

    result, _ = run(make_video(blink, seconds=1.0), settings)
    assert (result.status, result.tracks) == ("no_face", [])
    assert "min_track_seconds" in result.warnings[0]


def test_a_track_too_short_for_a_clip_is_no_face_and_says_so(
    make_video: MakeVideo, settings: ExtractSettings
) -> None:
    result, clips = run(
        make_video(lambda t: [Disc(100, 100, 30)] if t > 0.5 else [], seconds=1.0),
        replace(settings, min_frames=8, clip_interval_seconds=9.0),
    )
    assert (result.status, len(result.tracks), clips) == ("no_face", 1, [])
    assert "min_frames" in result.warnings[0]


def test_one_frame(make_video: MakeVideo, settings: ExtractSettings) -> None:
    path = make_video(moving, seconds=0.04)
    assert run(path, settings)[0].status == "no_face"
    result, clips = run(path, replace(settings, min_frames=1, min_track_seconds=0.0))
    assert (result.status, result.num_frames_decoded, len(result.tracks)) == ("ok", 1, 1)
    assert clips[0].faces.shape == (1, 64, 64, 3)


def test_sixteen_by_sixteen_pixels(make_video: MakeVideo, settings: ExtractSettings) -> None:
    path = make_video(lambda t: [Disc(8, 8, 6)], seconds=0.6, size=(16, 16))
    result, clips = run(path, replace(settings, min_face_pixels=8))
    assert result.status == "ok"
    assert clips[0].quality["size_pixels"][0] == pytest.approx(12, abs=2)
    assert run(path, replace(settings, min_face_pixels=14))[0].status == "no_face"


def test_clips_are_spread_over_a_long_video_and_frames_are_let_go(
    make_video: MakeVideo, settings: ExtractSettings
) -> None:
    few = replace(settings, max_clips=4, clip_interval_seconds=0.5)
    held = []
    for seconds in (4.0, 16.0):
        path = make_video(lambda t: [Disc(64, 64, 30)], seconds=seconds, size=(128, 128))
        result, clips = run(path, few)
        assert [clip.clip_index for clip in clips] == [0, 1, 2, 3]
        starts = np.array([clip.pts_seconds[0] for clip in clips])
        np.testing.assert_allclose(np.diff(starts), (seconds - 0.32) / 3, atol=0.05)
        held.append(result.max_frames_held)
    assert held == [settings.num_frames] * 2


def test_clips_come_as_soon_as_they_are_settled(make_video: MakeVideo, settings: ExtractSettings) -> None:
    detector = DiscDetector()
    calls: list[int] = []
    extract_clips(
        make_video(moving, seconds=3.0), settings, detector=detector, on_clip=lambda _: calls.append(detector.calls)
    )
    assert len(calls) == 4
    assert calls[0] < 0.35 * detector.calls


def test_without_a_callback_tracks_and_counts_are_the_same(
    make_video: MakeVideo, settings: ExtractSettings
) -> None:
    path = make_video(pair, seconds=1.6)
    silent = extract_clips(path, settings, detector=DiscDetector())
    result, clips = run(path, settings)
    assert (silent.status, silent.num_clips) == (result.status, len(clips))
    assert all_equal(silent.tracks, result.tracks)
    assert "codec" not in silent.timings


def all_equal(a: list[Track], b: list[Track]) -> bool:
    return [t.landmarks.tobytes() for t in a] == [t.landmarks.tobytes() for t in b]


def test_detection_is_on_the_shrunk_frame_and_crops_from_the_full_one(
    make_video: MakeVideo, settings: ExtractSettings
) -> None:
    seen: set[tuple[int, ...]] = set()

    class Sizes(DiscDetector):
        def detect(self, rgb: ByteArray) -> list[Face]:
            seen.add(rgb.shape)
            return super().detect(rgb)

    path = make_video(lambda t: [Disc(320, 240, 120)], seconds=0.4, size=(640, 480))
    result, clips = run(path, replace(settings, detect_max_side=160), detector=Sizes())
    assert seen == {(120, 160, 3)}
    np.testing.assert_allclose(centres(result.tracks[0].boxes), [[320, 240]] * 10, atol=2)
    assert clips[0].quality["size_pixels"].mean() == pytest.approx(240, rel=0.03)


def test_a_leap_is_followed_by_a_closer_look(make_video: MakeVideo, settings: ExtractSettings) -> None:
    # 70 pixels within 0.2 s, from between two detections on: more than the face is wide
    def leaping(t: float) -> list[Disc]:
        return [Disc(80 + 70 * min(max(t - 0.88, 0.0) / 0.2, 1.0), 120, 26)]

    path = make_video(leaping, seconds=2.0)
    (track,) = run(path, settings)[0].tracks
    (dense,) = run(path, replace(settings, detect_interval_seconds=0.04))[0].tracks
    assert np.abs(track.boxes - dense.boxes).max() < 3
    assert track.detected.sum() < 0.5 * len(dense.detected)


def test_faces_are_looked_for_densely_in_windows_and_sparsely_between(
    make_video: MakeVideo, settings: ExtractSettings
) -> None:
    path = make_video(lambda t: [Disc(100, 100, 30)], seconds=4.0)
    dense = replace(settings, detect_interval_seconds=0.08, scan_interval_seconds=0.6, clip_interval_seconds=1.8)
    result, clips = run(path, dense)
    seen = result.tracks[0].pts_seconds[result.tracks[0].detected]
    spans = [(clip.pts_seconds[0], clip.pts_seconds[-1]) for clip in clips]
    assert len(spans) == 3
    for first, last in spans:
        within = seen[(seen >= first) & (seen <= last)]
        assert (within[0], within[-1]) == (first, last)
        assert np.diff(within).max() < 0.081
    between = [np.diff(seen[(seen >= a[1]) & (seen <= b[0])]) for a, b in pairwise(spans)]
    assert all(steps.mean() > 0.3 and steps.max() < 0.601 for steps in between)


def test_timings_name_every_stage(make_video: MakeVideo, settings: ExtractSettings) -> None:
    result, _ = run(make_video(moving, seconds=0.6), settings)
    assert set(result.timings) == {
        "open", "decode", "shots", "convert", "detect", "track", "align", "codec", "quality",
    }  # fmt: skip
    assert all(seconds >= 0 for seconds in result.timings.values())


def test_a_file_that_is_no_video_raises(tmp_path: Path, settings: ExtractSettings) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("no video")
    with pytest.raises(UnreadableVideoError):
        run(path, settings)


def test_a_file_that_was_cut_off_gives_what_is_there(make_video: MakeVideo, settings: ExtractSettings) -> None:
    path = make_video(moving, seconds=3.0, name="video.mkv")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * 0.6)])
    result, clips = run(path, settings)
    assert result.status == "ok"
    assert result.truncated
    assert any("ends before" in warning for warning in result.warnings)
    assert 20 < result.num_frames_decoded < 74
    assert len(clips) >= 1


def test_joined_recordings_are_seen_to_their_end(make_video: MakeVideo, settings: ExtractSettings) -> None:
    # the second half's timestamps begin anew, so packet times do not say when its frames are shown
    first = make_video(lambda t: [Disc(100, 100, 30, RED)], seconds=1.2, name="first.ts")
    second = make_video(
        lambda t: [Disc(220, 150, 30, GREEN)], seconds=1.2, ground_at=lambda t: 200, name="second.ts"
    )
    joined = first.with_name("joined.ts")
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    result, clips = run(joined, replace(settings, clip_interval_seconds=0.4))
    assert result.num_frames_decoded >= 58
    assert [colours(clip) for clip in clips if clip.clip_index == 0] == [{RED}, {GREEN}]
    assert len(clips) >= 4
