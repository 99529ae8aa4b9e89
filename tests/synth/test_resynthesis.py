"""Each way to up-sample leaves its own trace in the spectrum, and nothing else moves."""

from __future__ import annotations

import numpy as np
import pytest

from vidfake.errors import ConfigError
from vidfake.synth import MAKERS, MakerClip
from vidfake.synth.resynthesis import UPSAMPLINGS, _back, _balanced, _encode, _into_generator, upsample

POINTS = np.array([[45, 50], [83, 50], [64, 72], [48, 92], [80, 92]], float)
PHASES = 0.05 * np.array([[1.0, -0.4], [0.2, -0.8]])


def spectrum(picture: np.ndarray) -> np.ndarray:
    return np.abs(np.fft.fft2(picture[..., 0])) / picture[..., 0].size


def test_a_flat_picture_shows_the_checkerboard_of_the_phases() -> None:
    """On grey 100 the 2 × 2 pattern is all there is: the three Nyquist peaks are its Hadamard coefficients."""
    large = upsample(np.full((32, 32, 3), 100, np.float32), "transposed", strength=1.0, phases=PHASES)
    found = spectrum(large)
    signs = np.array([[1, -1], [1, -1]])
    assert found[0, 32] == pytest.approx(100 * abs((PHASES * signs).mean()), rel=1e-3)
    assert found[32, 0] == pytest.approx(100 * abs((PHASES * signs.T).mean()), rel=1e-3)
    assert found[32, 32] == pytest.approx(100 * abs((PHASES * [[1, -1], [-1, 1]]).mean()), rel=1e-3)
    assert large.mean() == pytest.approx(100, rel=1e-5)


@pytest.mark.parametrize("upsampling", ["nearest", "sharpened"])
def test_a_flat_picture_stays_flat(upsampling: str) -> None:
    large = upsample(np.full((32, 32, 3), 100, np.float32), upsampling, strength=1.0, phases=PHASES)
    assert np.abs(large - 100).max() < 1e-3


def test_nearest_keeps_images_of_the_spectrum() -> None:
    """A wave of low frequency comes back mirrored at the doubled rate; a smooth interpolation suppresses that."""
    x = np.arange(64)
    wave = np.repeat(np.repeat((128 + 50 * np.sin(2 * np.pi * 8 * x / 64))[None, :, None], 64, 0), 3, 2)
    image = 64 - 8  # in 128 output pixels
    nearest = spectrum(upsample(wave.astype(np.float32), "nearest", strength=1.0, phases=PHASES))[0, image]
    smooth = spectrum(upsample(wave.astype(np.float32), "sharpened", strength=0.0, phases=PHASES))[0, image]
    assert nearest > 3 * smooth


def test_sharpening_adds_high_frequencies() -> None:
    noise = np.random.default_rng(0).uniform(0, 255, (32, 32, 3)).astype(np.float32)
    soft, sharp = (upsample(noise, "sharpened", strength=s, phases=PHASES).std() for s in (0.0, 1.0))
    assert sharp > 1.2 * soft


def test_there_and_back_lies_where_it_lay() -> None:
    """A smooth face survives the generator's grid in place: no shift by parts of a pixel."""
    y, x = np.mgrid[:128, :128]
    face = np.repeat((128 + 60 * np.sin(x / 9.0) * np.cos(y / 11.0))[..., None], 3, 2).astype(np.uint8)
    into = _into_generator(POINTS, 110, np.zeros(2))
    small = _encode(face, into, 110, 1.0)
    again = _back(upsample(small, "sharpened", strength=0.0, phases=PHASES), into, 110, 128)
    inner = np.s_[30:100, 30:100]
    error = np.abs(again[inner] - face[inner]).mean()
    shifted = np.abs(np.roll(again, 1, 1)[inner] - face[inner]).mean()
    assert error < 1.0
    assert error < shifted / 3


def test_patterns_leave_the_brightness() -> None:
    pattern = _balanced(np.random.default_rng(0).uniform(-1, 1, (2, 2)))
    assert pattern.mean() == pytest.approx(0, abs=1e-12)
    assert np.abs(pattern).max() == pytest.approx(1)


def test_fewer_pixels_less_detail(clip: MakerClip) -> None:
    def detail(pixels: int) -> float:
        made = MAKERS.build(
            "resynthesis", pixels=(pixels, pixels), upsamplings=("nearest",), outlines=("face",), least_detail=1.0,
            colour=0.0,
        )(clip, np.random.default_rng(0))  # fmt: skip
        assert made.parameters["pixels"] == pixels
        return float(np.abs(np.diff(made.faces[:, 60:85, 45:83].astype(int), axis=2)).mean())

    assert detail(24) < 0.9 * detail(120)


def test_every_trace_is_drawn_and_stays_for_the_clip(clip: MakerClip) -> None:
    make = MAKERS.build("resynthesis")
    records = [make(clip, np.random.default_rng(s)).parameters for s in range(20)]
    assert {r["upsampling"] for r in records} == set(UPSAMPLINGS)
    assert all(64 <= r["pixels"] <= 160 for r in records)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"upsamplings": ("nearst",)}, "Did you mean 'nearest'"),
        ({"pixels": (160, 64)}, "pixels is \\(160, 64\\)"),
        ({"grid": 1.0}, "grid is 1.0"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MAKERS.build("resynthesis", **options)
