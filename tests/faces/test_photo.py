from __future__ import annotations

import numpy as np
import pytest
from face_scenes import GREEN, RED, Disc, DiscDetector, draw

from vidfake.faces.align import crop_template
from vidfake.faces.photo import extract_photo
from vidfake.settings import ExtractSettings

SETTINGS = ExtractSettings(crop_size=64, detect_max_side=200)


def test_faces_of_a_photograph_are_aligned_and_the_largest_comes_first() -> None:
    photo = draw([Disc(150, 200, 60, RED), Disc(600, 300, 110, GREEN)], width=800, height=500)
    found = extract_photo(photo, SETTINGS, detector=DiscDetector())
    assert len(found) == 2
    for item, (x, y, radius), colour in zip(found, [(600, 300, 110), (150, 200, 60)], [GREEN, RED], strict=True):
        np.testing.assert_allclose(np.reshape(item.face.box, (2, 2)).mean(axis=0), (x, y), atol=3)
        assert item.crop.quality["size_pixels"] == pytest.approx(2 * radius, rel=0.05)
        np.testing.assert_allclose(
            item.crop.landmarks, crop_template(crop_size=64, margin=SETTINGS.margin), atol=1e-6
        )
        np.testing.assert_allclose(item.crop.face[32, 32], colour, atol=12)


def test_no_face_and_faint_faces_give_an_empty_list() -> None:
    empty = draw([], width=300, height=200)
    assert extract_photo(empty, SETTINGS, detector=DiscDetector()) == []
    faint = draw([Disc(100, 100, 50)], width=300, height=200)
    assert extract_photo(faint, SETTINGS, detector=DiscDetector(confidence=0.7)) == []


def test_portrait_with_the_real_detector() -> None:
    from skimage import data

    (item,) = extract_photo(np.asarray(data.astronaut()), ExtractSettings())
    assert item.crop.face.shape == (256, 256, 3)
    assert item.crop.quality["pose"] > 0.7
    np.testing.assert_allclose(item.crop.landmarks, crop_template(crop_size=256, margin=1.3), atol=12)
