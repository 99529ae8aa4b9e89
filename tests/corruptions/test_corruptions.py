"""Corruptions: the published tables to the number, the published formulas written out, and monotone damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from vidfake.corruptions import CORRUPTIONS, corrupt_clip, parse_corruption
from vidfake.corruptions.base import CodecCorruption, FrameCorruption
from vidfake.errors import ConfigError, UnknownNameError
from vidfake.seeding import generator

PUBLISHED = {
    "CS": (0.4, 0.3, 0.2, 0.1, 0.0),
    "CC": (0.85, 0.725, 0.6, 0.475, 0.35),
    "BW": (16, 32, 48, 64, 80),
    "GNC": (0.001, 0.002, 0.005, 0.01, 0.05),
    "GB": (7, 9, 13, 17, 21),
    "JPEG": (2, 3, 4, 5, 6),
    "VC": (30, 32, 35, 38, 40),
}
OWN = {
    "resize", "screenshot", "frame_drop", "frame_repeat", "black_frames", "x264", "x265", "vp9", "av1",
}  # fmt: skip
CODECS = {name for name in CORRUPTIONS.names() if isinstance(CORRUPTIONS.build(name), CodecCorruption)}


def natural(num_frames: int = 3, height: int = 96, width: int = 128, seed: int = 0) -> np.ndarray:
    """Moving pictures with colour and with detail at several scales, as natural ones have."""
    rng = np.random.default_rng(seed)
    base = np.full((height + 8, width + 8, 3), 128.0)
    for sigma, amplitude in ((8, 60), (4, 30), (2, 20), (1, 12)):
        detail = ndimage.gaussian_filter(rng.normal(size=base.shape), (sigma, sigma, 0))
        base += amplitude * detail / detail.std()
    moved = [base[t % 8 : t % 8 + height, t % 8 : t % 8 + width] for t in range(num_frames)]
    return np.clip(np.stack(moved), 0, 255).astype(np.uint8)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else np.inf


def test_the_published_table_is_exact() -> None:
    assert {name: tuple(CORRUPTIONS.row(name).details["levels"]) for name in PUBLISHED} == PUBLISHED
    published = {row.name for row in CORRUPTIONS if row.details["family"] == "DeeperForensics-1.0"}
    assert published == set(PUBLISHED)
    assert set(CORRUPTIONS.names()) == set(PUBLISHED) | OWN
    assert all(row.summary and row.details["parameter"] for row in CORRUPTIONS)


def test_the_documented_table_is_the_one_used() -> None:
    text = (Path(__file__).parents[2] / "docs" / "protocols.md").read_text(encoding="utf-8")
    documented = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 7 and cells[0].startswith("`"):
            documented[cells[0].strip("`")] = tuple(float(cell) for cell in cells[2:])
    assert documented == {row.name: row.details["levels"] for row in CORRUPTIONS}


# --- the published formulas, written out in numpy -----------------------------------------------------------------

TO_YCC = np.array([[0.299, 0.587, 0.114], [0.701 * 0.713, -0.587 * 0.713, -0.114 * 0.713],
                   [-0.299 * 0.564, -0.587 * 0.564, 0.886 * 0.564]])  # fmt: skip


def literal_to_studio(rgb: np.ndarray) -> np.ndarray:
    ycc = rgb.astype(np.float64) @ TO_YCC.T + [0, 0.5, 0.5]
    return (ycc * [219, 224, 224] + 16) / 255


def literal_from_studio(studio: np.ndarray) -> np.ndarray:
    y, cr, cb = np.moveaxis((studio * 255 - 16) / [219, 224, 224], -1, 0)
    cr, cb = cr - 0.5, cb - 0.5
    return np.stack([y + 1.403 * cr, y - 0.714 * cr - 0.344 * cb, y + 1.773 * cb], -1)


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_saturation_is_the_published_formula(severity: int) -> None:
    frames = natural(2)
    studio = literal_to_studio(frames)
    studio[..., 1:] = 0.5 + (studio[..., 1:] - 0.5) * PUBLISHED["CS"][severity - 1]
    expected = np.trunc(np.clip(literal_from_studio(studio), 0, 255))
    damaged = corrupt_clip("CS", frames, severity=severity)
    assert np.abs(damaged - expected).max() <= 1
    assert np.mean(damaged == expected) > 0.98


def test_saturation_5_leaves_grey() -> None:
    damaged = corrupt_clip("CS", natural(1), severity=5).astype(int)
    assert np.ptp(damaged, axis=-1).max() <= 1
    luma = natural(1) @ TO_YCC[0]
    assert np.abs(damaged[..., 0] - luma).max() <= 2


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_contrast_is_the_published_formula(severity: int) -> None:
    frames = natural(2)
    factor = PUBLISHED["CC"][severity - 1]
    expected = np.trunc(frames.astype(np.float32) * np.float32(factor))
    np.testing.assert_array_equal(corrupt_clip("CC", frames, severity=severity), expected)


@pytest.mark.parametrize("severity", [1, 4])
def test_noise_is_the_published_formula(severity: int) -> None:
    frames = np.full((2, 256, 256, 3), (90, 130, 110), np.uint8)
    damaged = corrupt_clip("GNC", frames, severity=severity, seed=3)
    expected = np.empty_like(frames)
    for index in range(2):
        noise = generator(3, "GNC", index).standard_normal((256, 256, 3))
        sigma = 255 * np.sqrt(PUBLISHED["GNC"][severity - 1])
        studio = literal_to_studio(frames[index]) + sigma * noise
        expected[index] = np.trunc(np.clip(literal_from_studio(studio), 0, 255))
    assert np.abs(damaged.astype(int) - expected).max() <= 1
    # luma: the deviation is 255 √v, stretched from the studio range; fractions are cut, which costs half a level
    luma = damaged @ TO_YCC[0]
    if severity == 1:  # no clipping there
        assert luma.std() == pytest.approx(255 * np.sqrt(0.001) * 255 / 219, rel=0.03)
    assert np.abs(damaged[0].astype(int) - damaged[1]).mean() > 1  # new in every frame


@pytest.mark.parametrize("severity", [1, 5])
def test_blur_is_a_gaussian_of_a_sixth_of_its_kernel(severity: int) -> None:
    frames = natural(1)
    side = PUBLISHED["GB"][severity - 1]
    x = np.arange(side) - side // 2
    kernel = np.exp(-(x**2) / (2 * (side / 6) ** 2))
    kernel /= kernel.sum()
    expected = ndimage.convolve1d(frames[0].astype(float), kernel, axis=0, mode="mirror")
    expected = ndimage.convolve1d(expected, kernel, axis=1, mode="mirror")
    damaged = corrupt_clip("GB", frames, severity=severity)[0]
    assert np.abs(damaged - expected).max() <= 1.5


def bilinear(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear with pixel centres at half positions, borders clamped."""

    def axis(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.floor(at).astype(int)
        return low, np.minimum(low + 1, old - 1), at - low

    y0, y1, fy = axis(picture.shape[0], height)
    x0, x1, fx = axis(picture.shape[1], width)
    rows = picture[y0] * (1 - fy)[:, None, None] + picture[y1] * fy[:, None, None]
    return rows[:, x0] * (1 - fx)[:, None] + rows[:, x1] * fx[:, None]


@pytest.mark.parametrize("severity", [1, 2, 5])
def test_jpeg_is_pixelation(severity: int) -> None:
    frames = natural(1, 96, 132)
    factor = PUBLISHED["JPEG"][severity - 1]
    small = np.round(bilinear(frames[0].astype(float), 96 // factor, 132 // factor))
    expected = bilinear(small, 96, 132)
    damaged = corrupt_clip("JPEG", frames, severity=severity)[0]
    assert np.abs(damaged - expected).max() <= 1.5


@pytest.mark.parametrize(("shape", "scale"), [((256, 320), 1), ((512, 512), 2), ((255, 400), 0), ((8, 8), 0)])
def test_blocks_are_grey_8_by_8_and_counted(shape: tuple[int, int], scale: int) -> None:
    frames = np.zeros((2, *shape, 3), np.uint8)
    damaged = corrupt_clip("BW", frames, severity=1, seed=1)
    count = 16 * scale
    for frame in damaged:
        assert set(np.unique(frame)) <= {0, 128}
        covered = (frame == 128).all(-1).sum()
        assert covered <= 64 * count
        assert covered >= 64 * count * 0.6  # some overlap
        _, parts = ndimage.label((frame == 128).all(-1))
        assert parts <= count
    if scale:
        assert (damaged[0] != damaged[1]).any()
    assert frames.max() == 0  # the input is not touched


def test_blocks_reach_both_corners_and_stay_inside() -> None:
    """Corner (x, y) runs from 0 to side - 9, as `randint(0, side - 1 - 8)` does, which includes its upper end."""
    frames = np.zeros((400, 256, 256, 3), np.uint8)
    covered = (corrupt_clip("BW", frames, severity=5) == 128).all(-1).any(0)
    assert covered[0].any()
    assert covered[254].any()
    assert not covered[255].any()
    assert not covered[:, 255].any()


# --- every corruption ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PUBLISHED, *sorted(OWN)])
def test_damage_grows_with_severity_and_is_seeded(name: str) -> None:
    frames = natural(24 if "frame" in name else 6, 256 if name == "BW" else 96, 256 if name == "BW" else 128)
    damaged = {s: corrupt_clip(name, frames, severity=s, seed=7) for s in range(1, 6)}
    if name == "frame_drop":
        lengths = [len(damaged[s]) for s in range(1, 6)]
        assert lengths == sorted(lengths, reverse=True)
        assert lengths[-1] < 20
    else:
        assert all(d.shape == frames.shape for d in damaged.values())
        values = [psnr(frames, damaged[s]) for s in range(1, 6)]
        assert values == sorted(values, reverse=True)
        assert values[-1] < values[0] - 1 or np.isinf(values[0])
    for d in damaged.values():
        assert d.dtype == np.uint8
        assert d.flags.c_contiguous or d.flags.f_contiguous or d.size
    np.testing.assert_array_equal(damaged[3], corrupt_clip(name, frames, severity=3, seed=7))


@pytest.mark.parametrize("name", ["GNC", "BW", "frame_repeat", "black_frames"])
def test_another_seed_gives_other_damage(name: str) -> None:
    frames = natural(24, 256, 256)
    a, b = (corrupt_clip(name, frames, severity=4, seed=seed) for seed in (0, 1))
    assert (a != b).any()


@pytest.mark.parametrize("name", ["CS", "GNC", "GB", "screenshot", "BW", "resize"])
def test_a_frame_is_damaged_the_same_alone_as_in_a_clip(name: str) -> None:
    frames = natural(4, 256, 256)
    corruption = CORRUPTIONS.build(name)
    assert isinstance(corruption, FrameCorruption)
    whole = corruption.apply(frames, severity=3, seed=5)
    alone = corruption.frame(frames[2], corruption.value(3), generator(5, name, 2))
    np.testing.assert_array_equal(whole[2], alone)


def test_timing() -> None:
    frames = np.stack([np.full((4, 4, 3), 10 + t, np.uint8) for t in range(200)])
    dropped = corrupt_clip("frame_drop", frames, severity=4)[:, 0, 0, 0]
    assert (np.diff(dropped.astype(int)) > 0).all()  # order kept
    assert dropped[0] == 10
    assert len(dropped) == pytest.approx(200 * 0.65, abs=25)
    repeated = corrupt_clip("frame_repeat", frames, severity=4)[:, 0, 0, 0].astype(int)
    steps = np.diff(repeated)
    assert (steps >= 0).all()
    assert (repeated <= np.arange(200) + 10).all()  # never from the future
    shown = repeated == np.arange(200) + 10
    assert shown[0]
    assert (~shown).sum() == pytest.approx(200 * 0.35, abs=25)
    black = corrupt_clip("black_frames", frames, severity=5)
    gone = (black == 0).all((1, 2, 3))
    assert gone.sum() == pytest.approx(60, abs=22)
    assert not gone[0]
    np.testing.assert_array_equal(black[~gone], frames[~gone])


@pytest.mark.parametrize("name", CORRUPTIONS.names())
def test_odd_small_and_single_frames(name: str) -> None:
    for shape in ((1, 65, 97), (2, 64, 64)):
        frames = natural(*shape)
        damaged = corrupt_clip(name, frames, severity=5)
        assert damaged.shape[1:] == frames.shape[1:]
        assert len(damaged) <= len(frames)


@pytest.mark.parametrize("severity", [0, 6, 2.5, True, "3"])
def test_severities_are_one_to_five(severity: object) -> None:
    with pytest.raises(ConfigError, match="whole number from 1 to 5"):
        corrupt_clip("CS", natural(1), severity=severity)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["CS", "x264", "frame_drop"])
def test_what_is_not_a_clip(name: str) -> None:
    with pytest.raises(ValueError, match=r"must be \(T, H, W, 3\) uint8"):
        corrupt_clip(name, natural(1)[0], severity=1)
    with pytest.raises(ValueError, match="float"):
        corrupt_clip(name, natural(1).astype(np.float32), severity=1)


def test_requests() -> None:
    assert parse_corruption("GB:3") == [("GB", 3)]
    assert parse_corruption("GB") == [("GB", s) for s in range(1, 6)]
    assert len(parse_corruption("all")) == 5 * len(CORRUPTIONS)
    assert len(parse_corruption("all:2")) == len(CORRUPTIONS)
    with pytest.raises(ConfigError, match="a number from 1 to 5"):
        parse_corruption("GB:6")
    with pytest.raises(ConfigError, match="a number from 1 to 5"):
        parse_corruption("GB:")
    with pytest.raises(UnknownNameError, match="Did you mean 'resize'"):
        parse_corruption("resise:1")
