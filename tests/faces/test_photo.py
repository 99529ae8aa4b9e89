from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from face_scenes import GREEN, RED, Disc, DiscDetector, draw
from PIL import Image
from skimage import data

from vidfake.errors import UnreadableVideoError, UsageError
from vidfake.faces.align import crop_template
from vidfake.faces.photo import extract_photo, extract_photo_clips
from vidfake.settings import ExtractSettings
from vidfake.types import FaceClip, Region

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


def write_png(path: Path, photo: np.ndarray) -> Path:
    Image.fromarray(photo).save(path)
    return path


def test_a_photograph_file_gives_clips_of_one_frame_with_the_boxes_of_the_whole_picture(tmp_path: Path) -> None:
    portrait = np.asarray(data.astronaut())
    path = write_png(tmp_path / "two.png", np.concatenate([portrait, portrait], axis=1))
    whole: list[FaceClip] = []
    result = extract_photo_clips(path, ExtractSettings(), on_clip=whole.append)
    assert (result.status, result.num_clips, len(result.tracks)) == ("ok", 2, 2)
    assert all(clip.faces.shape[0] == 1 for clip in whole)
    right: list[FaceClip] = []
    region = Region(512, 0, 512, 512)
    extract_photo_clips(path, ExtractSettings(), region=region, on_clip=right.append)
    assert len(right) == 1
    nearest = min(whole, key=lambda clip: abs(clip.boxes[0, 0] - right[0].boxes[0, 0]))
    np.testing.assert_allclose(right[0].boxes, nearest.boxes, atol=6)


def test_a_photograph_without_a_face_a_broken_one_and_a_region_outside_are_said_apart(tmp_path: Path) -> None:
    empty = write_png(tmp_path / "empty.png", np.full((80, 90, 3), 128, np.uint8))
    assert extract_photo_clips(empty, ExtractSettings()).status == "no_face"
    discs = write_png(tmp_path / "discs.png", draw([Disc(150, 200, 60, RED)], width=400, height=400))
    assert extract_photo_clips(discs, SETTINGS, detector=DiscDetector()).num_clips == 1, "the caller's detector"
    assert extract_photo_clips(discs, SETTINGS).status == "no_face"
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff" + bytes(50))
    with pytest.raises(UnreadableVideoError, match=r"broken\.jpg cannot be read as a photograph"):
        extract_photo_clips(broken, ExtractSettings())
    with pytest.raises(UnreadableVideoError, match="does not exist"):
        extract_photo_clips(tmp_path / "none.png", ExtractSettings())
    with pytest.raises(UsageError, match="90x80 pixels"):
        extract_photo_clips(empty, ExtractSettings(), region=Region(50, 0, 50, 80))
