"""The donor's face arrives: landmark on landmark, alike in colour, without a seam."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.interpolate import RBFInterpolator

from vidfake.errors import ConfigError, UsageError
from vidfake.synth import MAKERS, MakerClip
from vidfake.synth.swap_warp import match_pose, swap_warp, thin_plate, warp_to

POINTS = np.array([[45, 50], [83, 50], [64, 72], [48, 92], [80, 92]], float)


@pytest.fixture
def donor(clip: MakerClip) -> MakerClip:
    """Somebody else: other colours, wider eyes, a longer clip."""
    other = np.array([[40, 52], [86, 51], [63, 74], [50, 95], [79, 94]], float)
    faces = np.concatenate([255 - clip.faces, 255 - clip.faces[::-1]])
    return MakerClip(faces, np.stack([other + 0.1 * t for t in range(16)]))


def test_promises(clip: MakerClip, donor: MakerClip) -> None:
    for seed in range(6):
        made = swap_warp(clip, donor, np.random.default_rng(seed))
        assert made.faces.dtype == np.uint8
        assert 0 < made.mask.max() <= 1
        outside = made.mask == 0
        assert outside.any()
        assert np.array_equal(made.faces[outside], clip.faces[outside])
        assert (made.faces != clip.faces).any(axis=(1, 2, 3)).all()
        assert np.array_equal(made.faces, swap_warp(clip, donor, np.random.default_rng(seed)).faces)
        json.dumps(made.parameters, allow_nan=False)


def test_spline_equals_an_independent_one() -> None:
    """Oracle: scipy's thin-plate RBF with a linear tail."""
    rng = np.random.default_rng(0)
    source, target, points = rng.uniform(0, 100, (9, 2)), rng.uniform(0, 100, (9, 2)), rng.uniform(0, 100, (40, 2))
    expected = RBFInterpolator(source, target, kernel="thin_plate_spline", degree=1)(points)
    assert np.abs(thin_plate(source, target, points) - expected).max() < 1e-6


def test_landmarks_land_on_landmarks(clip: MakerClip) -> None:
    """A dot on each of the donor's landmarks is found at the clip's."""
    source = np.array([[40, 52], [86, 51], [63, 74], [50, 95], [79, 94]], float)
    for index in range(5):
        picture = np.zeros((128, 128, 3), np.uint8)
        x, y = source[index].astype(int)
        picture[y - 2 : y + 3, x - 2 : x + 3] = 200
        found = np.argwhere(warp_to(picture, source, POINTS)[..., 0] > 100).mean(axis=0)[::-1]
        assert np.abs(found - POINTS[index]).max() < 1.0


def test_the_same_landmarks_leave_the_face_alone(clip: MakerClip) -> None:
    warped = warp_to(clip.faces[0], POINTS, POINTS)
    assert np.abs(warped.astype(int) - clip.faces[0]).mean() < 0.5


def test_poses_are_matched() -> None:
    """The donor turns its head the same way, five frames later."""
    nose = np.linspace(-8, 8, 12)

    def turning(offsets: np.ndarray) -> np.ndarray:
        landmarks = np.repeat(POINTS[None], len(offsets), 0)
        landmarks[:, 2, 0] += offsets
        return landmarks

    donor = turning(np.concatenate([np.full(5, 20.0), nose, np.full(3, 20.0)]))
    taken, distance = match_pose(turning(nose), donor * 1.3 + 4, np.random.default_rng(0))
    assert taken.tolist() == list(range(5, 17))
    assert distance == pytest.approx(0, abs=1e-9)


def test_colours_come_close(clip: MakerClip, donor: MakerClip) -> None:
    made = swap_warp(clip, donor, np.random.default_rng(1), least_matching=1.0, pyramid=0.0)
    for t in range(8):
        weight = made.mask[t][..., None]
        means = [(weight * picture[t]).sum((0, 1)) / weight.sum() for picture in (made.faces, clip.faces)]
        assert np.abs(means[0] - means[1]).max() < 8


def test_grey_footage_stays_grey(clip: MakerClip, donor: MakerClip) -> None:
    grey = MakerClip(np.repeat(clip.faces[..., 1:2], 3, axis=-1), clip.landmarks)
    assert np.ptp(donor.faces.astype(int), axis=-1).max() > 50
    assert np.ptp(swap_warp(grey, donor, np.random.default_rng(0)).faces.astype(int), axis=-1).max() <= 1


def test_what_cannot_be_swapped_is_refused(clip: MakerClip, donor: MakerClip) -> None:
    with pytest.raises(ValueError, match="of one size"):
        swap_warp(clip, MakerClip(donor.faces[:, :64, :64].copy(), donor.landmarks), np.random.default_rng(0))
    with pytest.raises(ConfigError, match="jitter_share is 0.5"):
        swap_warp(clip, donor, np.random.default_rng(0), jitter_share=0.5)
    turned = donor.landmarks.copy()
    turned[:, 2, 0] += 15
    with pytest.raises(UsageError, match="Choose a donor who looks the same way"):
        swap_warp(clip, MakerClip(donor.faces, turned), np.random.default_rng(0))


def test_the_row_is_the_function_and_takes_the_donor_it_gets(clip: MakerClip, donor: MakerClip) -> None:
    make = MAKERS.build("swap_warp", outlines=("inner",))
    expected = swap_warp(clip, donor, np.random.default_rng(1), outlines=("inner",))
    assert np.array_equal(make(clip, donor, np.random.default_rng(1)).faces, expected.faces)
    turned = donor.landmarks.copy()
    turned[:, 2, 0] += 15
    made = make(clip, MakerClip(donor.faces, turned), np.random.default_rng(0))
    assert made.parameters["pose_distance"] > 0.15
    with pytest.raises(ConfigError, match="pyramid is 2"):
        MAKERS.build("swap_warp", pyramid=2)
