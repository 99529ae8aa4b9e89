"""FaceForensics++, FaceShifter and DeepFakeDetection: names, pair splits, 70 sources in the test split."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from vidfake.datasets import scan_dataset
from vidfake.errors import ConfigError, DatasetError


def test_every_file_becomes_a_row_with_its_facts(ffpp_tree: Path) -> None:
    result = scan_dataset("ffpp", ffpp_tree)
    rows = {r.video_id: r for r in result.records}
    assert len(rows) == 12 + 12 + 6  # originals in two compressions; Deepfakes in two, FaceShifter in one
    assert len({r.path for r in result.records}) == len(rows)
    assert all(Path(r.path).is_file() for r in result.records)

    real, fake = rows["ffpp/youtube/c23/000"], rows["ffpp/Deepfakes/c23/000_003"]
    assert (real.label, real.manipulation, real.split, real.compression) == (0, "none", "test", "c23")
    assert (fake.label, fake.manipulation, fake.split, fake.compression) == (1, "Deepfakes", "test", "c23")
    assert real.source_id == fake.source_id == "ffpp/000-003"
    assert real.pair_id == fake.pair_id != rows["ffpp/Deepfakes/c23/003_000"].pair_id
    assert (real.identity, fake.identity) == ("ffpp/000", "ffpp/000;ffpp/003")
    assert fake.extra["mask"].endswith("manipulated_sequences/Deepfakes/masks/videos/000_003.mp4")
    assert "mask" not in rows["ffpp/Deepfakes/c23/003_000"].extra
    assert rows["ffpp/FaceShifter/c23/672_720"].split == "validation"
    assert Counter(r.split for r in result.records) == {"train": 10, "validation": 10, "test": 10}


def test_manipulations_with_the_same_file_name_stay_apart(ffpp_tree: Path) -> None:
    ids = [r.video_id for r in scan_dataset("ffpp", ffpp_tree).records if r.video_id.endswith("000_003")]
    assert sorted(ids) == [
        "ffpp/Deepfakes/c23/000_003",
        "ffpp/Deepfakes/c40/000_003",
        "ffpp/FaceShifter/c23/000_003",
    ]


def test_the_full_test_split_is_70_sources(tmp_path: Path, touch) -> None:
    root = tmp_path / "FaceForensics++"
    ids = [f"{i:03d}" for i in range(1000)]
    pairs = [ids[i : i + 2] for i in range(0, 1000, 2)]
    lists = {"train": pairs[:360], "val": pairs[360:430], "test": pairs[430:]}
    (root / "splits").mkdir(parents=True)
    for name, members in lists.items():
        (root / "splits" / f"{name}.json").write_text(json.dumps(members))
    touch(root, *(f"original_sequences/youtube/c23/videos/{i}.mp4" for i in ids))
    kinds = ("Deepfakes", "Face2Face", "FaceShifter", "FaceSwap", "NeuralTextures")
    for kind in kinds:
        folder = f"manipulated_sequences/{kind}/c23/videos"
        touch(root, *(f"{folder}/{x}_{y}.mp4" for a, b in pairs for x, y in ((a, b), (b, a))))
    result = scan_dataset("ffpp", root)
    test = [r for r in result.records if r.split == "test"]
    assert len(test) == 140 + 5 * 140
    assert len({r.source_id for r in test}) == 70
    assert all(n == 12 for n in Counter(r.source_id for r in test).values())
    assert not result.shortfalls()
    assert result.warnings == []
    assert not result.missing
    by_split = Counter((r.split, r.label) for r in result.records)
    assert by_split == {
        ("train", 0): 720, ("validation", 0): 140, ("test", 0): 140,
        ("train", 1): 3600, ("validation", 1): 700, ("test", 1): 700,
    }  # fmt: skip


def test_without_lists_fakes_still_join_their_originals(ffpp_tree: Path) -> None:
    for path in (ffpp_tree / "splits").iterdir():
        path.unlink()
    result = scan_dataset("ffpp", ffpp_tree)
    assert {r.split for r in result.records} == {""}
    assert {r.source_id for r in result.records} == {"ffpp/000-003", "ffpp/054-071", "ffpp/672-720"}
    assert any("No split lists" in w for w in result.warnings)


def test_half_downloaded(ffpp_tree: Path) -> None:
    (ffpp_tree / "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4").unlink()
    (ffpp_tree / "original_sequences/youtube/c23/videos/003.mp4").write_bytes(b"")
    (ffpp_tree / "original_sequences/youtube/c40/videos/003.mp4.part").write_bytes(b"x")
    result = scan_dataset("ffpp", ffpp_tree)
    assert "Deepfakes c23 000_003.mp4" in result.missing
    assert "original_sequences/youtube/c23/videos/003.mp4 (0 bytes)" in result.missing
    assert not any(r.video_id == "ffpp/youtube/c23/003" for r in result.records)
    assert any("1 unfinished downloads" in w for w in result.warnings)
    assert any("c23 real: 5 found, 1000 published" in w and "incomplete" in w for w in result.warnings)


def test_foreign_files_are_named_and_not_taken(ffpp_tree: Path, touch) -> None:
    touch(
        ffpp_tree,
        "original_sequences/youtube/c23/videos/000_003.mp4",
        "manipulated_sequences/Deepfakes/c23/videos/000.mp4",
        "manipulated_sequences/Deepfakes/c23/videos/._001_870.mp4",
        "manipulated_sequences/Deepfakes/c10/videos/001_870.mp4",
        "original_sequences/actors/c23/videos/01__exit.mp4",
    )
    result = scan_dataset("ffpp", ffpp_tree)
    assert len(result.records) == 30
    assert [e for e in result.extra if "_001" in e] == []
    assert len(result.extra) == 3
    assert any("scan it as 'dfd'" in w for w in result.warnings)


def test_options_choose_and_are_checked(ffpp_tree: Path) -> None:
    only = scan_dataset("ffpp", ffpp_tree, compressions=["c23"], manipulations=["Deepfakes"])
    assert {(r.compression, r.manipulation) for r in only.records} == {("c23", "none"), ("c23", "Deepfakes")}
    with pytest.raises(ConfigError, match=r"c32.*Did you mean 'c23'"):
        scan_dataset("ffpp", ffpp_tree, compressions=["c32"])
    with pytest.raises(ConfigError, match="Deepfake'.*Did you mean 'Deepfakes'"):
        scan_dataset("ffpp", ffpp_tree, manipulations=["Deepfake"])
    with pytest.raises(ConfigError, match="takes no option 'split'"):
        scan_dataset("ffpp", ffpp_tree, split="x")
    with pytest.raises(DatasetError, match=r"must hold train\.json"):
        scan_dataset("ffpp", ffpp_tree, splits=ffpp_tree)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "must be a JSON list"),
        ("[[1, 2]]", "pair of three-digit ids"),
        ('[["000"]]', "pair of three-digit ids"),
        ('[["000", "003"]]', "already in"),
        ("[[", r"test.json:1: not valid JSON"),
        ("[" * 100_000, "nested too deep"),
        ("\x00", "not valid JSON"),
    ],
)
def test_damaged_split_lists(ffpp_tree: Path, text: str, message: str) -> None:
    name = "test.json" if "already" not in message else "val.json"
    (ffpp_tree / "splits" / name).write_text(text)
    with pytest.raises(DatasetError, match=message):
        scan_dataset("ffpp", ffpp_tree)


def test_a_list_that_is_not_text(ffpp_tree: Path) -> None:
    (ffpp_tree / "splits" / "test.json").write_bytes(b"\xff\xfe\x00[")
    with pytest.raises(DatasetError, match="is not text in utf-8"):
        scan_dataset("ffpp", ffpp_tree)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("..", "one level too high.*use .*FaceForensics\\+\\+$"),
        ("original_sequences", "one level too deep.*use .*FaceForensics\\+\\+$"),
        ("original_sequences/youtube", "one level too deep"),
        ("splits/test.json", "is a file"),
        ("nowhere", "no such folder"),
    ],
)
def test_a_root_that_is_off(ffpp_tree: Path, wrong: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        scan_dataset("ffpp", ffpp_tree / wrong)


def test_a_folder_of_something_else(tmp_path: Path, touch) -> None:
    touch(tmp_path / "x", "Celeb-real/id0_0000.mp4")
    with pytest.raises(DatasetError, match="It holds Celeb-real, but a root of FaceForensics"):
        scan_dataset("ffpp", tmp_path / "x")


def test_an_empty_download(tmp_path: Path) -> None:
    (tmp_path / "f/original_sequences/youtube/c23/videos").mkdir(parents=True)
    with pytest.raises(DatasetError, match="no video of ffpp"):
        scan_dataset("ffpp", tmp_path / "f")


def test_faceshifter_is_ffpp_with_one_manipulation(ffpp_tree: Path) -> None:
    result = scan_dataset("faceshifter", ffpp_tree, compressions=["c23"])
    assert {r.manipulation for r in result.records} == {"none", "FaceShifter"}
    assert {r.dataset for r in result.records} == {"faceshifter"}
    assert {r.source_id for r in result.records} == {"ffpp/000-003", "ffpp/054-071", "ffpp/672-720"}


def test_dfd_pairs_scene_and_actor(tmp_path: Path, touch) -> None:
    touch(
        tmp_path,
        "original_sequences/actors/c23/videos/01__walking_outside_cafe_disgusted.mp4",
        "original_sequences/actors/c23/videos/02__exit_phone_room.mp4",
        "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__walking_outside_cafe_disgusted__YVGY8LOK.mp4",
        "manipulated_sequences/DeepFakeDetection/masks/videos/01_02__walking_outside_cafe_disgusted__YVGY8LOK.mp4",
        "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__nonsense.mp4",
    )
    result = scan_dataset("dfd", tmp_path)
    fake = next(r for r in result.records if r.label == 1)
    real = next(r for r in result.records if r.source_id == fake.source_id and r.label == 0)
    assert fake.identity == "dfd/01;dfd/02"
    assert fake.pair_id == real.pair_id == "dfd/c23/01__walking_outside_cafe_disgusted"
    assert fake.extra["mask"].endswith("YVGY8LOK.mp4")
    assert [r.pair_id for r in result.records if "exit" in r.video_id] == [""]  # no fake of it: no pair
    assert result.extra == ["manipulated_sequences/DeepFakeDetection/c23/videos/01_02__nonsense.mp4"]
    assert {row.published for row in result.shortfalls()} == {363, 3068}
