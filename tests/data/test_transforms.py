"""Augmentation: alike in every frame, repeatable, and each one does something."""

from __future__ import annotations

import numpy as np
import pytest

from vidfake.data.transforms import AUGMENTATIONS, CODEC_QUALITIES, KERNELS, Augment
from vidfake.errors import ConfigError

TEMPORAL = ("noise", "h264", "video_codec", "time_mask")
ALWAYS = {name: {"probability": 1.0} for name in AUGMENTATIONS.names() if name != "crop_jitter"}


def still_clip(frames: int = 6, size: int = 64) -> np.ndarray:
    """The same textured picture in every frame."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    picture = np.stack([y, x, (x + y) / 2], -1) * 200 + rng.uniform(0, 55, (size, size, 1))
    return np.repeat(picture[None].astype(np.uint8), frames, axis=0)


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_keeps_shape_and_input_changes_pixels_and_repeats(name: str) -> None:
    faces = still_clip()
    kept = faces.copy()
    augment = Augment([name], {name: ALWAYS[name]} if name in ALWAYS else {})
    out = augment(faces, np.random.default_rng(3))
    assert out.shape == faces.shape
    assert out.dtype == np.uint8
    assert np.array_equal(faces, kept)
    assert not np.array_equal(out, faces)
    assert np.array_equal(out, augment(faces, np.random.default_rng(3)))


@pytest.mark.parametrize("name", [n for n in AUGMENTATIONS.names() if n not in TEMPORAL])
def test_a_still_clip_stays_still(name: str) -> None:
    augment = Augment([name], {name: ALWAYS[name]} if name in ALWAYS else {})
    for seed in range(5):
        out = augment(still_clip(), np.random.default_rng(seed)).astype(int)
        assert np.abs(out - out[:1]).max() == 0, "a change between frames would look like a temporal artefact"


@pytest.mark.parametrize("codec", CODEC_QUALITIES)
def test_every_codec_codes_at_every_subsampling(codec: str) -> None:
    augment = Augment(["video_codec"], {"video_codec": {"codecs": (codec,), "probability": 1.0}})
    for seed in range(6):
        out = augment(still_clip(), np.random.default_rng(seed)).astype(int)
        difference = np.abs(out - still_clip().astype(int)).mean()
        assert 0 < difference < 25, f"{codec} gives another picture"


def test_probability_zero_is_the_identity() -> None:
    names = [n for n in AUGMENTATIONS.names() if n != "crop_jitter"]
    augment = Augment(names, {n: {"probability": 0.0} for n in names})
    assert np.array_equal(augment(still_clip(), np.random.default_rng(0)), still_clip())


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_a_mask_follows_its_pictures(name: str) -> None:
    """A white patch and its mask go the same way; steps that move nothing leave the mask alone."""
    faces = np.zeros((2, 64, 64, 3), np.uint8)
    faces[:, 10:30, 5:20] = 255
    mask = (faces[..., 0] / 255).astype(np.float32)
    augment = Augment([name], {name: ALWAYS[name]} if name in ALWAYS else {})
    for seed in range(4):
        out, moved = augment.with_mask(faces, mask, np.random.default_rng(seed))
        assert np.array_equal(out, augment(faces, np.random.default_rng(seed))), "the mask changes no picture"
        assert moved is not None
        if AUGMENTATIONS.row(name).details.get("moves"):
            assert not np.array_equal(moved, mask)
            assert np.array_equal(moved, out[..., 0].astype(np.float32) / 255)
        else:
            assert np.array_equal(moved, mask)


def test_each_step_has_its_own_stream() -> None:
    """Leaving one step out does not change what the others draw for the steps before it."""
    faces = still_clip()
    alone = Augment(["flip"])(faces, np.random.default_rng(5))
    both = Augment(["flip", "time_mask"], {"time_mask": {"probability": 0.0}})(faces, np.random.default_rng(5))
    assert np.array_equal(alone, both)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="probability is 2"):
        Augment(["flip"], {"flip": {"probability": 2}})
    with pytest.raises(ConfigError, match="not in data.augment"):
        Augment(["flip"], {"blur": {}})
    with pytest.raises(ConfigError, match="'libx266' in codecs is unknown.*Did you mean 'libx26"):
        Augment(["video_codec"], {"video_codec": {"codecs": ("libx266",)}})
    with pytest.raises(ConfigError, match="one or more of libx264"):
        Augment(["video_codec"], {"video_codec": {"codecs": ()}})
    with pytest.raises(ConfigError, match="Did you mean 'sigma'"):
        Augment(["blur"], {"blur": {"sigm": 2}})


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_shrinks_and_enlarges_in_place(kernel: str) -> None:
    """A disc stays where it is and as large as it is, whichever kernel took it down and up."""
    y, x = np.mgrid[:96, :96] + 0.5
    disc = 200.0 * (np.hypot(x - 48, y - 48) < 24)
    faces = np.repeat(disc[None, ..., None], 3, axis=-1).astype(np.uint8)
    augment = Augment(["downscale"], {"downscale": {"kernels": (kernel,), "least": 0.35, "probability": 1.0}})
    for seed in range(5):
        out = augment(faces, np.random.default_rng(seed))[0, ..., 0].astype(float)
        assert out.sum() == pytest.approx(disc.sum(), rel=0.06)
        assert (out * x).sum() / out.sum() == pytest.approx(48, abs=0.75)
        assert (out * y).sum() / out.sum() == pytest.approx(48, abs=0.75)


def test_kernels_are_drawn_and_checked() -> None:
    """Both kernels come up, for shrinking and for enlarging: only `nearest` twice invents no colour."""
    faces = still_clip()
    known = set(map(bytes, faces[0].reshape(-1, 3)))

    def all_known(kernels: tuple[str, ...]) -> list[bool]:
        augment = Augment(["downscale"], {"downscale": {"kernels": kernels, "probability": 1.0}})
        clips = (augment(faces, np.random.default_rng(seed)) for seed in range(24))
        return [set(map(bytes, clip[0].reshape(-1, 3))) <= known for clip in clips]

    assert all(all_known(("nearest",)))
    assert not any(all_known(("smooth",)))
    assert 2 <= sum(all_known(("smooth", "nearest"))) <= 12
    with pytest.raises(ConfigError, match="Did you mean 'nearest'"):
        Augment(["downscale"], {"downscale": {"kernels": ("neerest",)}})


def detail(faces: np.ndarray) -> float:
    """Mean difference between neighbouring pixels."""
    return float(np.abs(np.diff(faces.astype(float), axis=2)).mean())


def test_sharpening_adds_detail_and_smoothing_takes_it_but_for_edges() -> None:
    faces = still_clip()
    faces[:, :, 32:] //= 4
    sharp = Augment(["sharpen"], {"sharpen": ALWAYS["sharpen"]})
    smooth = Augment(["smooth_skin"], {"smooth_skin": ALWAYS["smooth_skin"]})
    for seed in range(4):
        assert detail(sharp(faces, np.random.default_rng(seed))) > 1.02 * detail(faces)
        smoothed = smooth(faces, np.random.default_rng(seed))
        assert detail(smoothed) < 0.95 * detail(faces)
        edge = np.abs(np.diff(faces[0, 40:, 30:34].astype(float), axis=1)).max(axis=1).mean()
        kept = np.abs(np.diff(smoothed[0, 40:, 30:34].astype(float), axis=1)).max(axis=1).mean()
        assert kept > 0.8 * edge
