"""What every maker of fakes must keep: mask, untouched surroundings, repeatability, variety."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from vidfake.errors import ConfigError
from vidfake.synth import MAKERS, AnyMaker, MadeClip, Maker, MakerClip
from vidfake.synth.blending import shared_mask
from vidfake.synth.compose import apply_maker, maker_facts
from vidfake.synth.masks import OUTLINES, clip_masks, face_frame, outline_points

SIZE = 128
POINTS = np.array([[45, 50], [83, 50], [64, 72], [48, 92], [80, 92]], float)


@pytest.fixture
def build() -> Callable[[str], Maker]:
    """The row's maker; one that needs a donor gets the clip's negative with other landmarks."""
    return lambda name: _with_donor(name, MAKERS.build(name))


def _with_donor(name: str, maker: AnyMaker) -> Maker:
    def make(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
        landmarks = np.repeat((POINTS * (1.05, 0.98))[None], len(clip.faces), 0)
        donor = MakerClip(255 - clip.faces[::-1], landmarks) if maker_facts(name).needs_donor else None
        return apply_maker(maker, clip, donor, rng)

    return make


@pytest.mark.parametrize("name", MAKERS.names())
def test_a_made_clip_keeps_its_promises(name: str, clip: MakerClip, build: Callable[[str], Maker]) -> None:
    make = build(name)
    kept = clip.faces.copy()
    for seed in range(6):
        made = make(clip, np.random.default_rng(seed))
        assert made.faces.shape == clip.faces.shape
        assert made.faces.dtype == np.uint8
        assert made.mask.shape == clip.faces.shape[:3]
        assert made.mask.min() >= 0
        assert 0 < made.mask.max() <= 1
        outside = made.mask == 0
        assert outside.any()
        assert np.array_equal(made.faces[outside], clip.faces[outside])
        assert (made.faces != clip.faces).any(axis=(1, 2, 3)).mean() > 0.5, "most frames must be manipulated"
        again = make(clip, np.random.default_rng(seed))
        assert np.array_equal(made.faces, again.faces)
        json.dumps(made.parameters, allow_nan=False)
    assert np.array_equal(clip.faces, kept)
    different = [make(clip, np.random.default_rng(s)).faces for s in (10, 11)]
    assert not np.array_equal(*different)


def test_without_drift_a_still_clip_stays_still(still: MakerClip) -> None:
    made = MAKERS.build("self_blend", drift=0.0)(still, np.random.default_rng(1))
    assert np.ptp(made.faces.astype(int), axis=0).max() == 0
    drifting = MAKERS.build("self_blend", drift=1.0)(still, np.random.default_rng(1))
    assert np.ptp(drifting.faces.astype(int), axis=0).max() > 0


HARD = {
    "turned away": POINTS * (0.3, 1) + (45, 0),
    "upside down": 128 - POINTS,
    "over the border": POINTS + np.array([60, 45]),
    "out of the picture": POINTS + 400,
    "one point": np.full((5, 2), 64.0),
}


@pytest.mark.parametrize("size", [97, 128])
@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("name", MAKERS.names())
def test_faces_that_are_hard_to_place_break_nothing(
    name: str, case: str, size: int, clip: MakerClip, build: Callable[[str], Maker]
) -> None:
    hard = MakerClip(clip.faces[:, :size, :size].copy(), np.repeat(HARD[case][None], len(clip.faces), 0))
    for seed in range(2):
        made = build(name)(hard, np.random.default_rng(seed))
        assert made.faces.dtype == np.uint8
        assert np.isfinite(made.mask).all()
        outside = made.mask == 0
        assert np.array_equal(made.faces[outside], hard.faces[outside])


@pytest.mark.parametrize("name", MAKERS.names())
def test_grey_footage_stays_grey(name: str, clip: MakerClip, build: Callable[[str], Maker]) -> None:
    grey = MakerClip(np.repeat(clip.faces[..., 1:2], 3, axis=-1), clip.landmarks)
    for seed in range(3):
        made = build(name)(grey, np.random.default_rng(seed))
        assert np.ptp(made.faces.astype(int), axis=-1).max() <= 1
        assert (made.faces != grey.faces).any()


@pytest.mark.parametrize("name", [name for name in MAKERS.names() if maker_facts(name).needs_donor])
def test_a_donor_of_another_size_is_refused(name: str, clip: MakerClip, donor: MakerClip) -> None:
    small = MakerClip(donor.faces[:, :64, :64].copy(), donor.landmarks)
    with pytest.raises(ValueError, match="of one size"):
        apply_maker(MAKERS.build(name), clip, small, np.random.default_rng(0))


@pytest.mark.parametrize("name", MAKERS.names())
def test_rows_name_their_source(name: str) -> None:
    assert "http" in MAKERS.row(name).source


@pytest.mark.parametrize("name", MAKERS.names())
def test_masks_are_soft(name: str, clip: MakerClip, build: Callable[[str], Maker]) -> None:
    """No hard edge: next to the untouched surroundings the blend is faint."""
    made = build(name)(clip, np.random.default_rng(2))
    for mask in made.mask[made.mask.max(axis=(1, 2)) > 0]:
        inside = mask > 0
        rim = inside & ~(
            np.roll(inside, 1, 0) & np.roll(inside, -1, 0) & np.roll(inside, 1, 1) & np.roll(inside, -1, 1)
        )
        assert mask[rim].max() < 0.35 * mask.max()


def test_unknown_shape_is_refused() -> None:
    with pytest.raises(ConfigError, match="'nose' in shapes is unknown"):
        MAKERS.build("self_blend", shapes=("nose",))


@pytest.mark.parametrize("outline", OUTLINES)
def test_masks_follow_the_landmarks(outline: str) -> None:
    """Moving the landmarks moves the mask by as much."""
    options = {"outline": outline, "wobble": 0.1, "feather": 0.01}
    here = clip_masks(POINTS[None], SIZE, rng=np.random.default_rng(0), **options)[0]
    there = clip_masks(POINTS[None] + (5, -3), SIZE, rng=np.random.default_rng(0), **options)[0]
    assert np.abs(there[:-3, 5:] - here[3:, :-5]).max() < 1e-6
    assert 0.01 < here.mean() < 0.6


def test_outlines_stay_on_a_turned_head() -> None:
    """Oracle: a cylinder of radius 1, eyes at ±32°, a nose that stands out by a third, turned and seen from far."""
    eye = np.radians(32)

    def seen(turn: float) -> np.ndarray:
        """Landmarks of the head turned by `turn` radians; its edges lie at x = -1 and 1."""
        sides = [np.sin(turn - eye), np.sin(turn + eye)]
        mouth = [np.sin(turn - 0.42), np.sin(turn + 0.42)]
        nose = 1.33 * np.sin(turn)
        return np.array([[sides[0], 0], [sides[1], 0], [nose, 0.6], [mouth[0], 1.2], [mouth[1], 1.2]])

    frontal = outline_points("face", seen(0.0))[:, 0].max()
    for degrees in (10, 20, 30, 40, 50):
        edge = outline_points("face", seen(np.radians(degrees)))[:, 0].max()
        assert abs(edge - frontal) < 0.11, degrees
        mirrored = outline_points("face", seen(-np.radians(degrees)))[:, 0].min()
        assert mirrored == pytest.approx(-edge, abs=1e-9)


def test_a_carried_face_brings_no_ground_along() -> None:
    """Only where both masks are set: a source seen through half of the mask covers half of it."""
    mask, half = np.ones((64, 64), np.float32), np.ones((64, 64), np.float32)
    half[:, 32:] = 0
    points = POINTS / 2
    assert np.array_equal(shared_mask(mask, half, points, points), half)
    moved = shared_mask(mask, half, points, points + np.array([8, 0]))
    assert moved[20:40, 8:39].min() == 1
    assert moved[:, 41:].max() == 0


def test_face_coordinates_are_those_of_the_definition() -> None:
    origin, x_axis, y_axis = face_frame(POINTS)
    assert origin.tolist() == [64, 50]
    assert x_axis.tolist() == [38, 0]
    assert y_axis.tolist() == [0, 42]
    assert outline_points("mouth", POINTS)[:, 1].min() > 72, "the mouth lies below the nose"
