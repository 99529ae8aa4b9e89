"""DeeperForensics-1.0: its reals are FaceForensics++'s originals, never its own source videos."""

from __future__ import annotations

from pathlib import Path

import pytest

from vidfake.datasets import scan_dataset
from vidfake.errors import ConfigError, DatasetError


@pytest.fixture
def deeper_tree(tmp_path: Path, touch) -> Path:
    root = tmp_path / "DeeperForensics-1.0"
    stems = ["000_M101", "054_W004", "071_W004"]
    for version in ("end_to_end", "end_to_end_level_3", "reenact_postprocess"):
        touch(root, *(f"manipulated_videos/{version}/{stem}.mp4" for stem in stems))
    touch(root, "source_videos/M101/BlendShape/camera_front/M101_BlendShape_camera_front.mp4")
    (root / "lists/splits").mkdir(parents=True)
    for name, stem in (("train", "071_W004"), ("val", "054_W004"), ("test", "000_M101")):
        (root / f"lists/splits/{name}.txt").write_text(f"{stem}.mp4\n")
    meta = root / "lists/manipulated_videos_distortions_meta"
    meta.mkdir()
    (meta / "manipulated_videos_end_to_end_level_3_meta.txt").write_text(
        "end_to_end_level_3/000_M101.mp4 CS:3 GB:3\n071_W004.mp4 VC:3\n"
    )
    return root


def test_fakes_alone_say_where_the_reals_are(deeper_tree: Path) -> None:
    result = scan_dataset("deeperforensics", deeper_tree)
    assert {r.label for r in result.records} == {1}
    assert not any("source_videos" in r.path for r in result.records)
    assert any("No real videos" in w and "ffpp=FOLDER" in w for w in result.warnings)
    assert any("same label" in w for w in result.warnings)


def test_reals_come_from_ffpp_c23(deeper_tree: Path, ffpp_tree: Path) -> None:
    result = scan_dataset("deeperforensics", deeper_tree, ffpp=ffpp_tree)
    rows = {r.video_id.removeprefix("deeperforensics/"): r for r in result.records}
    fake, real = rows["end_to_end/000_M101"], rows["real/000"]
    assert real.path == str(ffpp_tree / "original_sequences/youtube/c23/videos/000.mp4")
    assert (real.label, real.split, fake.split) == (0, "test", "test")
    assert fake.source_id == real.source_id == "ffpp/000"  # 003 has no part in it
    assert fake.pair_id == real.pair_id
    assert fake.identity == "ffpp/000;deeperforensics/M101"
    assert (fake.extra["ffpp_split"], rows["end_to_end/054_W004"].extra["ffpp_split"]) == ("test", "train")
    assert rows["end_to_end/054_W004"].split == "validation"  # its own split is another one
    assert (fake.manipulation, fake.compression) == ("end_to_end", "standard")
    assert rows["end_to_end_level_3/000_M101"].compression == "level_3"
    assert rows["end_to_end_level_3/000_M101"].extra["distortions"] == "CS:3 GB:3"
    assert rows["end_to_end_level_3/071_W004"].extra["distortions"] == "VC:3"
    assert rows["reenact_postprocess/000_M101"].manipulation == "reenact_postprocess"


def test_missing_versions_and_files(deeper_tree: Path) -> None:
    (deeper_tree / "manipulated_videos/end_to_end/054_W004.mp4").unlink()
    result = scan_dataset("deeperforensics", deeper_tree, versions=["end_to_end"])
    assert result.missing == ["manipulated_videos/end_to_end/054_W004.mp4"]
    assert len(result.records) == 2
    with pytest.raises(ConfigError, match="versions has 'end2end'"):
        scan_dataset("deeperforensics", deeper_tree, versions=["end2end"])


@pytest.mark.parametrize("line", ["000_M101.mp4", "000.mp4", "real/000_X1.mp4"])
def test_damaged_splits(deeper_tree: Path, line: str) -> None:
    with open(deeper_tree / "lists/splits/train.txt", "a") as handle:
        handle.write(f"{line}\n")
    with pytest.raises(DatasetError, match=r"is not a new name such as 000_M101|is not a new name"):
        scan_dataset("deeperforensics", deeper_tree)


def test_a_split_list_that_is_gone(deeper_tree: Path) -> None:
    (deeper_tree / "lists/splits/val.txt").unlink()
    with pytest.raises(DatasetError, match=r"val\.txt: cannot be read"):
        scan_dataset("deeperforensics", deeper_tree)
