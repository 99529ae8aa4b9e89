"""Celeb-DF v1, v2 and ++: the list has no header and 1 is real; names give people, recordings and pairs."""

from __future__ import annotations

from pathlib import Path

import pytest

from vidfake.datasets import scan_dataset
from vidfake.datasets.celebdf import parse_fake
from vidfake.errors import DatasetError


def test_labels_splits_and_people(celeb_tree: Path) -> None:
    result = scan_dataset("celeb-df-v2", celeb_tree)
    rows = {r.video_id.removeprefix("celeb-df-v2/"): r for r in result.records}
    assert len(rows) == 12 + 3 + 3
    fake, real = rows["Celeb-synthesis/id0_id16_0003"], rows["Celeb-real/id0_0003"]
    assert (fake.label, fake.split, fake.identity) == (1, "test", "celeb-df/id0;celeb-df/id16")
    assert (real.label, real.split, real.identity) == (0, "test", "celeb-df/id0")
    assert fake.source_id == real.source_id == "celeb-df/id0_0003"
    assert fake.pair_id == real.pair_id == "celeb-df-v2/id0_0003"
    assert rows["YouTube-real/00170"].label == 0
    assert [name for name, r in rows.items() if r.split == "test"] == [
        "Celeb-real/id0_0003", "Celeb-synthesis/id0_id16_0003", "YouTube-real/00170",
    ]  # fmt: skip
    assert any("people or sources are in two splits, such as celeb-df/id0" in w for w in result.warnings)


def test_the_official_list_has_518_videos_all_of_them_read(tmp_path: Path, touch) -> None:
    root = tmp_path / "Celeb-DF-v2"
    reals = [f"Celeb-real/id{i}_0000.mp4" for i in range(108)] + [f"YouTube-real/{i:05d}.mp4" for i in range(70)]
    fakes = [f"Celeb-synthesis/id{i}_id{i + 1}_0000.mp4" for i in range(340)]
    touch(root, *reals, *fakes, "Celeb-real/id900_0000.mp4", "Celeb-synthesis/id900_id901_0000.mp4")
    lines = [f"1 {name}" for name in reals] + [f"0 {name}" for name in fakes]
    (root / "List_of_testing_videos.txt").write_text("\n".join(lines))
    result = scan_dataset("celeb-df-v2", root)
    test = [r for r in result.records if r.split == "test"]
    assert len(test) == 518
    assert sum(r.label == 0 for r in test) == 178
    counts = {row.what: (row.found, row.published) for row in result.counts() if row.published}
    assert counts["test real"] == (178, 178)
    assert counts["test fake"] == (340, 340)
    assert counts["real"] == (179, 890)


@pytest.mark.parametrize("reals", ["YouTube-real", "Youtube-real"])
def test_mirrors_with_videos_folders(tmp_path: Path, touch, reals: str) -> None:
    root = tmp_path / "Celeb-DF-v2"
    touch(root, "Celeb-real/videos/id0_0003.mp4", f"{reals}/videos/00170.mp4")
    touch(root, "Celeb-synthesis/videos/id0_id16_0003.mp4")
    (root / "List_of_testing_videos.txt").write_text("1 YouTube-real/00170.mp4\n")
    result = scan_dataset("celeb-df-v2", root)
    assert result.variant == "videos in sub-folders named videos"
    assert {r.video_id for r in result.records if r.split == "test"} == {"celeb-df-v2/YouTube-real/00170"}


def test_a_copy_in_both_places_is_taken_once(celeb_tree: Path, touch) -> None:
    touch(celeb_tree, "Celeb-real/videos/id0_0003.mp4")
    result = scan_dataset("celeb-df-v2", celeb_tree)
    assert len(result.records) == 18
    assert result.extra == ["Celeb-real/videos/id0_0003.mp4 (a second copy of celeb-df-v2/Celeb-real/id0_0003)"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 Celeb-real/id0_0003.mp4\n", "listed as fake, but lies among the real"),
        ("1 Celeb-synthesis/id0_id16_0003.mp4\n", "listed as real, but lies among the fake"),
        ("label path\n1 YouTube-real/00170.mp4\n", ":1: 'label path' is not"),
        ("1 YouTube-real/00170.mp4\n1 YouTube-real/00170.mp4\n", ":2: .* listed twice"),
        ("1\n", ":1: '1' is not"),
    ],
)
def test_damaged_lists(celeb_tree: Path, text: str, message: str) -> None:
    (celeb_tree / "List_of_testing_videos.txt").write_text(text)
    with pytest.raises(DatasetError, match=message):
        scan_dataset("celeb-df-v2", celeb_tree)


def test_listed_but_not_there(celeb_tree: Path) -> None:
    with open(celeb_tree / "List_of_testing_videos.txt", "a") as handle:
        handle.write("0 Celeb-synthesis/id9_id8_0000.mp4\n1 ../../../etc/passwd\n")
    result = scan_dataset("celeb-df-v2", celeb_tree)
    assert len(result.missing) == 2
    assert "Celeb-synthesis/id9_id8_0000.mp4 (in List_of_testing_videos.txt)" in result.missing
    assert any("2 missing" in w for w in result.warnings)


def test_without_a_list_no_split_is_claimed(celeb_tree: Path) -> None:
    (celeb_tree / "List_of_testing_videos.txt").unlink()
    result = scan_dataset("celeb-df-v1", celeb_tree)
    assert {r.split for r in result.records} == {""}
    assert any("List_of_testing_videos.txt is missing" in w for w in result.warnings)


def test_plus_plus_has_methods_and_scenarios(tmp_path: Path, touch) -> None:
    root = tmp_path / "Celeb-DF++"
    touch(root, "Celeb-real/id0_0003.mp4", "YouTube-real/00170.mp4")
    touch(
        root,
        "Celeb-synthesis/FaceSwap/GHOST/id0_id16_0003.mp4",
        "Celeb-synthesis/FaceSwap/UniFace/id0_id16_0003.mp4",
    )
    touch(root, "Celeb-synthesis/TalkingFace/FLOAT/id0_0003_test_id16.mp4")
    (root / "List_of_testing_videos.txt").write_text("0 Celeb-synthesis/FaceSwap/GHOST/id0_id16_0003.mp4\n")
    result = scan_dataset("celeb-df-pp", root)
    rows = {r.video_id.removeprefix("celeb-df-pp/"): r for r in result.records}
    assert rows["GHOST/id0_id16_0003"].split == "test"
    assert rows["UniFace/id0_id16_0003"].split == "train"
    assert rows["FLOAT/id0_0003_test_id16"].identity == "celeb-df/id0"
    assert rows["FLOAT/id0_0003_test_id16"].extra["scenario"] == "TalkingFace"
    assert {r.source_id for r in result.records if r.label == 1} == {"celeb-df/id0_0003"}
    with pytest.raises(DatasetError, match="scan it as 'celeb-df-pp'"):
        scan_dataset("celeb-df-v2", root)


def test_v2_is_not_plus_plus(celeb_tree: Path) -> None:
    with pytest.raises(DatasetError, match="this is Celeb-DF v1 or v2"):
        scan_dataset("celeb-df-pp", celeb_tree)


@pytest.mark.parametrize(
    ("stem", "people", "recording"),
    [
        ("id0_id16_0003", ("id0", "id16"), "id0_0003"),
        ("id10_0001_test_id3_0002", ("id10",), "id10_0001"),
        ("id10_0001", None, None),
        ("real_id0", None, None),
    ],
)
def test_names_of_fakes(stem: str, people: tuple[str, ...] | None, recording: str | None) -> None:
    name = parse_fake(stem)
    assert (name.people if name else None) == people
    assert (name.recording if name else None) == recording
