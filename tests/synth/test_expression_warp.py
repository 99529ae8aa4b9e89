"""Warps are bounded, never fold, and move what they say."""

from __future__ import annotations

import numpy as np
import pytest

from vidfake.errors import ConfigError
from vidfake.synth import MAKERS, MakerClip
from vidfake.synth.expression_warp import ACTIONS, displacement, warp_face
from vidfake.synth.masks import clip_masks

SIZE = 128
POINTS = np.array([[45, 50], [83, 50], [64, 72], [48, 92], [80, 92]], float)
EYES = 38.0
FULL = np.ones((SIZE, SIZE), np.float32)


@pytest.mark.parametrize("signs", [(1, 1, 1), (1, -1, 1), (-1, -1, -1), (-1, 1, 1)])
@pytest.mark.parametrize("first", range(len(ACTIONS)))
def test_no_draw_folds_the_picture(first: int, signs: tuple[int, ...]) -> None:
    """The map from result to source keeps its orientation: a Jacobian above 0, at the largest amounts."""
    names = list(ACTIONS)
    chosen = [names[(first + k) % len(names)] for k in (0, 1, 2)]
    mask = clip_masks(POINTS[None], SIZE, outline="face", wobble=0.05, feather=0.015, rng=np.random.default_rng(0))
    amounts = {name: 0.12 * sign for name, sign in zip(chosen, signs, strict=True)}
    moved = displacement(POINTS, mask[0], amounts).astype(float)
    xy, xx = np.gradient(moved[..., 0])
    yy, yx = np.gradient(moved[..., 1])
    assert ((1 - xx) * (1 - yy) - xy * yx).min() > 0.1


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_moves_its_skin_by_its_amount(name: str) -> None:
    """Oracle: the Gaussian sum evaluated point by point, in face coordinates."""
    moved = displacement(POINTS, FULL, {name: 0.1})
    for point in ((64, 92), (50, 90), (45, 46), (83, 35), (64, 105)):
        u, v = (point[0] - 64) / 38, (point[1] - 50) / 42
        expected = np.zeros(2)
        for centre, direction, radius in ACTIONS[name]:
            bell = np.exp(-0.5 * (((u - centre[0]) / radius[0]) ** 2 + ((v - centre[1]) / radius[1]) ** 2))
            expected += 0.1 * EYES * bell * np.asarray(direction)
        assert np.abs(moved[point[1], point[0]] - expected).max() < 0.12
    longest = max(np.linalg.norm(push.direction) for push in ACTIONS[name])
    assert np.linalg.norm(moved, axis=-1).max() <= 0.1 * EYES * longest * 1.2


def test_warps_turn_with_the_face() -> None:
    """A face rotated by a quarter is moved along its own axes."""
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    turned = (POINTS - 64) @ quarter.T + 64
    upright, sideways = displacement(POINTS, FULL, {"jaw": 0.1}), displacement(turned, FULL, {"jaw": 0.1})
    target = np.round((np.array([64.0, 103.0]) - 64) @ quarter.T + 64).astype(int)
    assert np.abs(sideways[target[1], target[0]] - quarter @ upright[103, 64]).max() < 0.1


def test_nothing_asked_nothing_moved(clip: MakerClip) -> None:
    assert np.array_equal(warp_face(clip.faces[0], clip.landmarks[0], FULL, {"jaw": 0.0}), clip.faces[0])


def test_content_moves_the_way_the_skin_does() -> None:
    """The jaw goes down: a line drawn at the chin is found lower."""
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    picture[101:104] = 255
    lower = warp_face(picture, POINTS, FULL, {"jaw": 0.1})
    assert np.average(np.arange(SIZE), weights=lower[:, 64, 0]) == pytest.approx(102 + 0.1 * EYES, abs=0.6)


def test_movements_are_smooth_in_time(still: MakerClip) -> None:
    long = MakerClip(np.repeat(still.faces[:1], 40, 0), np.repeat(still.landmarks[:1], 40, 0))
    made = MAKERS.build("expression_warp", amplitude=0.1, frames_per_knot=(8.0, 8.0))(
        long, np.random.default_rng(5)
    )
    amounts = np.asarray(made.parameters["amounts"])
    assert np.abs(amounts).max() <= 0.1
    # between knots 8 frames apart a cosine rises by at most 2 · peak · π / 16 per frame
    assert np.abs(np.diff(amounts, axis=1)).max() <= 2 * 0.1 * np.pi / 16 + 1e-4
    assert np.ptp(amounts, axis=1).max() > 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"amplitude": 0.5}, "amplitude is 0.5; it must be from 0.005 to 0.12"),
        ({"actions": ("jawn",)}, "Did you mean 'jaw'"),
        ({"amplitude": 0.05, "least_amplitude": 0.06}, "least_amplitude"),
        ({"frames_per_knot": (9.0, 3.0)}, "frames_per_knot"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MAKERS.build("expression_warp", **options)
