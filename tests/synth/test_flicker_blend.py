"""What is drawn to flicker does, the rest stays; all within bounds."""

from __future__ import annotations

import numpy as np
import pytest

from vidfake.errors import ConfigError
from vidfake.synth import MAKERS, MakerClip
from vidfake.synth.flicker_blend import KINDS

COLUMNS = {"opacity": ("opacity",), "colour": ("gain", "offset"), "sharpness": ("sharpness",), "drift": ("move",)}


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_drawn_kind_changes_with_time(kind: str, still: MakerClip) -> None:
    made = MAKERS.build("flicker_blend", kinds=(kind,))(still, np.random.default_rng(1))
    assert made.parameters["kinds"] == [kind]
    for name, columns in COLUMNS.items():
        for column in columns:
            spread = np.ptp(np.asarray(made.parameters[column]), axis=0).max()
            assert (spread > 0) == (name == kind), column
    assert np.ptp(made.faces.astype(int), axis=0).max() > 0, "a still clip must not stay still"


def test_opacity_is_the_masks_height(clip: MakerClip) -> None:
    made = MAKERS.build("flicker_blend", kinds=("opacity",), outlines=("face",))(clip, np.random.default_rng(0))
    assert made.mask.max(axis=(1, 2)) == pytest.approx(made.parameters["opacity"], abs=0.02)


def test_bounds_are_kept(clip: MakerClip) -> None:
    make = MAKERS.build("flicker_blend", colour=0.05, drift=0.01, sharpness=0.5, least_opacity=0.4)
    for seed in range(10):
        p = make(clip, np.random.default_rng(seed)).parameters
        assert np.abs(np.asarray(p["gain"]) - 1).max() <= 0.05 + 1e-5
        assert np.abs(p["offset"]).max() <= 0.05 * 255 / 2 + 1e-5
        assert np.abs(p["move"]).max() <= 0.01 * 128 + 1e-5
        assert np.abs(p["sharpness"]).max() <= 0.5 * 128 / 256 + 1e-5
        assert np.min(p["opacity"]) >= 0.4 - 1e-5
        assert np.max(p["opacity"]) <= 1


def test_colour_alone_is_what_the_record_says(still: MakerClip) -> None:
    """With nothing else altered, a fully covered pixel is gain · pixel + offset."""
    make = MAKERS.build("flicker_blend", kinds=("colour",), sharpness=0.0, drift=0.0)
    made = make(still, np.random.default_rng(2))
    p, pixel = made.parameters, np.s_[85, 64]
    for t in range(8):
        weight = made.mask[t][pixel]
        before = still.faces[t][pixel].astype(float)
        altered = before * p["gain"][t] + p["offset"][t]
        assert np.abs(made.faces[t][pixel] - (weight * altered + (1 - weight) * before).clip(0, 255)).max() <= 0.51


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ("color",)}, "Did you mean 'colour'"),
        ({"drift": 0.5}, "drift is 0.5"),
        ({"kinds": ()}, "kinds is"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MAKERS.build("flicker_blend", **options)
