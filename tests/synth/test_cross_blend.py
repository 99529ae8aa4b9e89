"""Another person's face inside the mask: aligned, recoloured, blended three ways, and nothing else changed."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from vidfake.errors import ConfigError
from vidfake.synth import MAKERS, MakerClip
from vidfake.synth.masks import OUTLINES
from vidfake.synth.seams import BLENDS


@pytest.mark.parametrize("way", BLENDS)
def test_promises(way: str, clip: MakerClip, donor: MakerClip) -> None:
    make = MAKERS.build("cross_blend", blends=(way,))
    for seed in range(4):
        made = make(clip, donor, np.random.default_rng(seed))
        outside = made.mask == 0
        assert outside.any()
        assert np.array_equal(made.faces[outside], clip.faces[outside])
        assert (made.faces != clip.faces).any(axis=(1, 2, 3)).all()
        assert np.array_equal(made.faces, make(clip, donor, np.random.default_rng(seed)).faces)
        assert made.parameters["blend"] == way
        json.dumps(made.parameters, allow_nan=False)


def test_everything_is_drawn(clip: MakerClip, donor: MakerClip) -> None:
    make = MAKERS.build("cross_blend")
    records = [make(clip, donor, np.random.default_rng(seed)).parameters for seed in range(24)]
    assert {r["blend"] for r in records} == set(BLENDS)
    assert {r["outline"] for r in records} == set(OUTLINES) - {"mouth"}


def test_the_donors_features_come_to_lie_on_the_clips(still: MakerClip) -> None:
    """A donor that is the clip moved, turned and enlarged gives the clip's own face back inside the mask."""
    matrix = cv2.getRotationMatrix2D((64, 64), 12, 1.1)
    faces = np.stack([cv2.warpAffine(f, matrix, (128, 128), flags=cv2.INTER_CUBIC) for f in still.faces])
    landmarks = still.landmarks @ matrix[:, :2].T + matrix[:, 2]
    make = MAKERS.build("cross_blend", blends=("feather",), outlines=("features",), jitter_share=0.0, wobble=0.0)
    made = make(still, MakerClip(faces, landmarks), np.random.default_rng(0))
    inside = made.mask > 0.9
    assert inside.any(axis=(1, 2)).all()
    error = np.abs(made.faces.astype(int) - still.faces)[inside].mean()
    shifted = np.abs(np.roll(still.faces, 3, axis=2).astype(int) - still.faces)[inside].mean()
    assert error < min(6, shifted / 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blends": ("poison",)}, "Did you mean 'poisson'"),
        ({"outlines": ("fase",)}, "Did you mean 'face'"),
        ({"wobble": 0.9}, "wobble is 0.9"),
        ({"least_matching": -1}, "least_matching is -1"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MAKERS.build("cross_blend", **options)
