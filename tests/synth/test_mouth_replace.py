"""The mouth comes from the frame that the record names, and nothing above it changes."""

from __future__ import annotations

import numpy as np
import pytest

from vidfake.errors import ConfigError, UsageError
from vidfake.synth import MAKERS, MakerClip
from vidfake.synth.blending import carry


def test_the_middle_of_the_mouth_is_that_of_the_named_frame(clip: MakerClip) -> None:
    """Without blur, jitter and brightness differences the centre of the mask holds the named frame's pixels."""
    even = MakerClip(np.repeat(clip.faces[:1], 8, 0).copy(), np.repeat(clip.landmarks[:1], 8, 0))
    for t in range(8):
        even.faces[t, 88 : 88 + t, 55:73] = (120, 30, 40)
    made = MAKERS.build("mouth_replace", soften=0.0, jitter_share=0.0, orders=("reverse",), outlines=("lower",))(
        even, np.random.default_rng(0)
    )
    assert made.parameters["frames"] == list(range(7, -1, -1))
    reddish = (np.abs(made.faces.astype(int) - (120, 30, 40)).max(-1) < 30)[:, 88:96, 60:68].sum(axis=(1, 2))
    assert np.all(np.diff(reddish) <= 0), "played backwards, the mouth closes"
    assert reddish[0] > reddish[-1]


def test_eyes_and_nose_are_untouched(clip: MakerClip) -> None:
    for seed in range(5):
        made = MAKERS.build("mouth_replace", outlines=("mouth",))(clip, np.random.default_rng(seed))
        assert np.array_equal(made.faces[:, :66], clip.faces[:, :66])


def test_frames_that_keep_their_mouth_are_the_originals(clip: MakerClip) -> None:
    make = MAKERS.build("mouth_replace", orders=("speed",))
    for seed in range(8):
        made = make(clip, np.random.default_rng(seed))
        for t, source in enumerate(made.parameters["frames"]):
            if source == t:
                assert made.mask[t].max() == 0
                assert np.array_equal(made.faces[t], clip.faces[t])


def test_colour_is_matched(clip: MakerClip) -> None:
    """Under the mask a frame keeps its brightness although its mouth comes from a darker one."""
    light = np.linspace(0.6, 1.0, 8)[:, None, None, None]
    fading = MakerClip((clip.faces * light).astype(np.uint8), clip.landmarks)
    made = MAKERS.build("mouth_replace", orders=("reverse",))(fading, np.random.default_rng(3))
    for t in range(8):
        inside = made.mask[t] > 0.9
        assert abs(float(made.faces[t][inside].mean()) - float(fading.faces[t][inside].mean())) < 8


def test_carry_brings_landmarks_onto_landmarks() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[28:33, 18:23] = 255
    points = np.array([[20, 20], [40, 20], [30, 30], [22, 40], [38, 40]], float)
    moved = carry(picture, points, points + np.array([7, 4]))
    assert np.array_equal(moved[10:50, 12:55], np.roll(picture, (4, 7), (0, 1))[10:50, 12:55])
    turned = (points - 30) @ np.array([[0.0, 1.0], [-1.0, 0.0]]) * 1.2 + 30
    y, x = np.nonzero(carry(picture, points, turned)[..., 0] > 127)
    expected = (np.array([20.0, 30.0]) - 30) @ np.array([[0.0, 1.0], [-1.0, 0.0]]) * 1.2 + 30
    assert np.abs(np.array([x.mean(), y.mean()]) - expected).max() < 0.5


def test_one_frame_has_no_other_moment(clip: MakerClip) -> None:
    with pytest.raises(UsageError, match="1 frame"):
        MAKERS.build("mouth_replace")(MakerClip(clip.faces[:1], clip.landmarks[:1]), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outlines": ("mouht",)}, "Did you mean 'mouth'"),
        ({"outlines": ()}, "outlines is"),
        ({"orders": "shift"}, "must be a list"),
        ({"soften": 1.5}, "soften is 1.5; it must be from 0 to 1"),
        ({"least_size": float("nan")}, "least_size is nan"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MAKERS.build("mouth_replace", **options)
