"""DFDC and its preview: labels come from their lists and from nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vidfake.datasets import scan_dataset
from vidfake.errors import DatasetError


@pytest.fixture
def dfdc_tree(tmp_path: Path, touch) -> Path:
    root = tmp_path / "DFDC"
    parts = {
        0: {"aaa.mp4": ("REAL", None), "bbb.mp4": ("FAKE", "aaa.mp4"), "ccc.mp4": ("FAKE", "zzz.mp4")},
        1: {"ddd.mp4": ("REAL", None), "real_looking.mp4": ("FAKE", "ddd.mp4")},
    }
    for number, videos in parts.items():
        folder = f"dfdc_train_part_{number}"
        touch(root, *(f"{folder}/{name}" for name in videos))
        entries = {
            name: {"label": label, "split": "train"} | ({"original": original} if original else {})
            for name, (label, original) in videos.items()
        }
        (root / folder / "metadata.json").write_text(json.dumps(entries))
    touch(root, "test/videos/eee.mp4", "test/videos/fff.mp4")
    (root / "test" / "labels.csv").write_text("filename,label\neee.mp4,0\nfff.mp4,1\nggg.mp4,1\n")
    return root


def test_parts_and_test_set(dfdc_tree: Path) -> None:
    result = scan_dataset("dfdc", dfdc_tree)
    rows = {r.video_id: r for r in result.records}
    assert result.variant == "training parts and test set"
    assert {v: (r.label, r.split) for v, r in rows.items()} == {
        "dfdc/train/aaa": (0, "train"), "dfdc/train/bbb": (1, "train"), "dfdc/train/ccc": (1, "train"),
        "dfdc/train/ddd": (0, "train"), "dfdc/train/real_looking": (1, "train"),
        "dfdc/test/eee": (0, "test"), "dfdc/test/fff": (1, "test"),
    }  # fmt: skip
    assert rows["dfdc/train/bbb"].source_id == rows["dfdc/train/aaa"].source_id == "dfdc/aaa"
    assert rows["dfdc/train/bbb"].pair_id == rows["dfdc/train/aaa"].pair_id == "dfdc/aaa"
    assert rows["dfdc/train/ccc"].pair_id == ""  # its original is not there
    assert rows["dfdc/train/ddd"].extra["part"] == "1"
    assert result.missing == ["test/ggg.mp4"]
    assert any("2 of the 50 training parts" in w for w in result.warnings)


def test_a_part_a_train_folder_and_a_bare_test_set_are_roots_too(dfdc_tree: Path) -> None:
    assert len(scan_dataset("dfdc", dfdc_tree / "dfdc_train_part_0").records) == 3
    test = scan_dataset("dfdc", dfdc_tree / "test")
    assert (test.variant, len(test.records)) == ("test set", 2)


def test_videos_without_a_label_and_parts_without_metadata(dfdc_tree: Path, touch) -> None:
    touch(dfdc_tree, "dfdc_train_part_1/extra_fake.mp4", "dfdc_train_part_2/hhh.mp4")
    result = scan_dataset("dfdc", dfdc_tree)
    assert "dfdc_train_part_1/extra_fake.mp4 (no label)" in result.extra
    assert "dfdc_train_part_2/metadata.json (the labels of part 2)" in result.missing
    assert len(result.records) == 7


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("dfdc_train_part_0/metadata.json", '{"aaa.mp4": {"label": "fake"}}', "must be REAL or FAKE"),
        ("dfdc_train_part_0/metadata.json", '{"aaa.mp4": "REAL"}', "one object per video"),
        ("dfdc_train_part_0/metadata.json", "{", "not valid JSON"),
        ("test/labels.csv", "filename,label\neee.mp4,REAL\n", ":2: label is 'REAL'"),
        ("test/labels.csv", "file,label\neee.mp4,0\n", "no column filename; it has file, label"),
        ("test/labels.csv", "filename,label\neee.mp4\n", ":2: 1 fields for 2 columns"),
        ("test/labels.csv", "", "is empty"),
    ],
)
def test_damaged_lists(dfdc_tree: Path, name: str, text: str, message: str) -> None:
    (dfdc_tree / name).write_text(text)
    with pytest.raises(DatasetError, match=message):
        scan_dataset("dfdc", dfdc_tree)


def test_a_test_set_with_metadata_only(dfdc_tree: Path) -> None:
    (dfdc_tree / "test" / "labels.csv").unlink()
    (dfdc_tree / "test" / "metadata.json").write_text(
        json.dumps({"eee.mp4": {"is_fake": 0}, "fff.mp4": {"is_fake": 1, "original": "eee.mp4"}})
    )
    rows = {r.video_id: r for r in scan_dataset("dfdc", dfdc_tree).records}
    assert rows["dfdc/test/fff"].label == 1
    assert rows["dfdc/test/fff"].pair_id == rows["dfdc/test/eee"].pair_id == "dfdc/eee"


@pytest.fixture
def preview_entries() -> dict[str, dict[str, object]]:
    return {
        "original_videos/643049/643049_A_001.mp4": {
            "label": "real", "set": "train", "target_id": "643049", "augmentations": [],
        },
        "method_A/643049/643049_A/1224068_643049_A_001.mp4": {
            "label": "fake", "set": "train", "target_id": "643049", "swapped_id": "1224068",
            "augmentations": ["fps"],
        },
        "method_B/1260311/1260311_C/1255229_1260311_C_001.mp4": {"label": "fake", "set": "test"},
    }  # fmt: skip


@pytest.mark.parametrize("nested", [False, True])
def test_preview(tmp_path: Path, touch, preview_entries, nested: bool) -> None:
    def place(name: str) -> str:
        first, _, rest = name.partition("/")
        return f"{first}/videos/{rest}" if nested else name

    touch(tmp_path, *map(place, preview_entries))
    (tmp_path / "dataset.json").write_text(json.dumps(preview_entries))
    result = scan_dataset("dfdc-preview", tmp_path)
    rows = {r.video_id: r for r in result.records}
    fake = rows["dfdc-preview/method_A/1224068_643049_A_001"]
    real = rows["dfdc-preview/original_videos/643049_A_001"]
    assert (fake.label, fake.manipulation, fake.split) == (1, "method_A", "train")
    assert fake.identity == "dfdc-preview/643049;dfdc-preview/1224068"
    assert fake.pair_id == real.pair_id == "dfdc-preview/643049_A_001"
    assert fake.extra["augmentations"] == '["fps"]'
    other = rows["dfdc-preview/method_B/1255229_1260311_C_001"]
    assert (other.split, other.identity) == ("test", "dfdc-preview/1260311;dfdc-preview/1255229")
    assert (result.variant == "with videos/ sub-folders") is nested


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"label": "real", "set": "train"}, "listed as real, but lies in method_A"),
        ({"label": "FAKE", "set": "train"}, "must be real or fake"),
        ({"label": "fake", "set": "val"}, "train or test"),
    ],
)
def test_preview_lists_that_do_not_fit(tmp_path: Path, touch, preview_entries, entry, message: str) -> None:
    touch(tmp_path, *preview_entries)
    preview_entries["method_A/643049/643049_A/1224068_643049_A_001.mp4"] = entry
    (tmp_path / "dataset.json").write_text(json.dumps(preview_entries))
    with pytest.raises(DatasetError, match=message):
        scan_dataset("dfdc-preview", tmp_path)


def test_preview_names_never_lead_outside(tmp_path: Path, touch, preview_entries) -> None:
    touch(tmp_path, "secret.mp4", *(f"p/{name}" for name in preview_entries))
    preview_entries["../secret.mp4"] = {"label": "real", "set": "train"}
    (tmp_path / "p" / "dataset.json").write_text(json.dumps(preview_entries))
    result = scan_dataset("dfdc-preview", tmp_path / "p")
    assert result.missing == ["../secret.mp4"]
    assert len(result.records) == 3
