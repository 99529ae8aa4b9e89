"""Two people's faces morphed and drawn anew inside the mask, and nothing else changed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vidfake.errors import ConfigError
from vidfake.synth import MAKERS, MakerClip
from vidfake.synth.masks import OUTLINES
from vidfake.synth.morphed_face import PLAIN
from vidfake.synth.resynthesis import UPSAMPLINGS
from vidfake.synth.seams import BLENDS

FINE = {
    "blends": ("feather",), "outlines": ("inner",), "upsamplings": ("cubic",), "pixels": (224, 224),
    "least_detail": 1.0, "least_matching": 1.0, "jitter_share": 0.0,
}  # fmt: skip
"""A generator that loses next to nothing."""


@pytest.mark.parametrize("upsampling", [*PLAIN, *UPSAMPLINGS])
@pytest.mark.parametrize("way", BLENDS)
def test_promises(way: str, upsampling: str, clip: MakerClip, donor: MakerClip) -> None:
    make = MAKERS.build("morphed_face", blends=(way,), upsamplings=(upsampling,))
    for seed in range(3):
        made = make(clip, donor, np.random.default_rng(seed))
        outside = made.mask == 0
        assert outside.any()
        assert np.array_equal(made.faces[outside], clip.faces[outside])
        assert (made.faces != clip.faces).any(axis=(1, 2, 3)).all()
        assert np.array_equal(made.faces, make(clip, donor, np.random.default_rng(seed)).faces)
        assert (made.parameters["blend"], made.parameters["upsampling"]) == (way, upsampling)
        json.dumps(made.parameters, allow_nan=False)


def test_everything_is_drawn(clip: MakerClip, donor: MakerClip) -> None:
    make = MAKERS.build("morphed_face")
    records = [make(clip, donor, np.random.default_rng(seed)).parameters for seed in range(40)]
    assert {r["blend"] for r in records} == set(BLENDS)
    assert {r["outline"] for r in records} == set(OUTLINES)
    assert {r["upsampling"] for r in records} == {*PLAIN, *UPSAMPLINGS}
    for name, low, high in (("share", 0.3, 0.9), ("pixels", 64, 224), ("detail", 0.5, 1.0)):
        values = [r[name] for r in records]
        assert low <= min(values) < low + 0.2 * (high - low)
        assert high >= max(values) > high - 0.2 * (high - low)


def test_somebody_who_looks_the_same_changes_nothing(still: MakerClip) -> None:
    made = MAKERS.build("morphed_face", **FINE)(still, still, np.random.default_rng(0))
    inside = made.mask > 0.9
    assert inside.any()
    assert np.abs(made.faces.astype(int) - still.faces)[inside].mean() < 6


def test_the_morph_goes_from_the_clip_to_the_donor(still: MakerClip) -> None:
    """A birthmark that only the donor has is seen as strongly as the donor's share says, and in its place."""
    faces = still.faces.copy()
    faces[:, 62:68, 47:53] = (250, 250, 250)
    marked, seen = MakerClip(faces, still.landmarks), []
    for share in (0.1, 0.5, 1.0):
        make = MAKERS.build("morphed_face", share=(share, share), **FINE)
        made = make(still, marked, np.random.default_rng(0))
        assert made.mask[:, 62:68, 47:53].min() > 0.9
        seen.append((made.faces.astype(float) - still.faces)[:, 63:67, 48:52].mean())
    full = (faces.astype(float) - still.faces)[:, 63:67, 48:52].mean()
    assert seen[2] > 0.7 * full
    assert seen[1] == pytest.approx(0.5 * seen[2], rel=0.25)
    assert seen[0] < 0.3 * seen[2]


def test_fewer_pixels_are_softer(still: MakerClip) -> None:
    grain = np.random.default_rng(1).integers(-30, 31, still.faces.shape[1:])
    grainy = MakerClip((still.faces + grain).clip(0, 255).astype(np.uint8), still.landmarks)
    detail = []
    for pixels in (32, 64, 160):
        make = MAKERS.build("morphed_face", **{**FINE, "pixels": (pixels, pixels)})
        made = make(grainy, grainy, np.random.default_rng(0))
        inside = made.mask[0] > 0.9
        detail.append(np.abs(np.diff(made.faces[0].astype(float), axis=0, prepend=0))[inside].mean())
    assert detail[0] < detail[1] < detail[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blends": ("poison",)}, "Did you mean 'poisson'"),
        ({"outlines": ("fase",)}, "Did you mean 'face'"),
        ({"upsamplings": ("cubik",)}, "Did you mean 'cubic'"),
        ({"pixels": (200, 100)}, r"pixels is \(200, 100\)"),
        ({"share": (0.0, 0.5)}, r"share is \(0.0, 0.5\)"),
        ({"least_detail": 2}, "least_detail is 2"),
        ({"least_matching": -1}, "least_matching is -1"),
        ({"jitter_share": 1}, "jitter_share is 1"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MAKERS.build("morphed_face", **options)
