"""UADFV, FFIW-10K, KoDF, ForgeryNet, DeepfakeTIMIT, Deepfake-Eval-2024, DF40 and plain folders."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from vidfake.datasets import scan_dataset
from vidfake.errors import DatasetError


def test_uadfv(tmp_path: Path, touch) -> None:
    root = tmp_path / "fake_or_real"
    touch(root, "real/0000.mp4", "real/0001.mp4", "fake/0000_fake.mp4", "fake/0001_fake.mp4", "fake/0002.mp4")
    result = scan_dataset("uadfv", root)
    rows = {r.video_id: r for r in result.records}
    assert {v: r.label for v, r in rows.items()} == {
        "uadfv/real/0000": 0, "uadfv/real/0001": 0, "uadfv/fake/0000_fake": 1, "uadfv/fake/0001_fake": 1,
    }  # fmt: skip
    assert rows["uadfv/fake/0001_fake"].pair_id == rows["uadfv/real/0001"].pair_id == "uadfv/0001"
    assert result.extra == ["fake/0002.mp4"]
    assert [(row.found, row.published) for row in result.shortfalls()] == [(2, 49), (2, 49)]


@pytest.mark.parametrize(
    ("places", "variant"),
    [
        (["train/videos/00000000", "val/videos/00000000"], "splits as folders"),
        (["train/00000000", "val/00000000"], "splits as folders"),
        (["videos/train_00000000", "videos/val_00000000"], "splits in file names"),
        (["train_00000000", "val_00000000"], "splits in file names"),
    ],
)
def test_ffiw_variants(tmp_path: Path, touch, places: list[str], variant: str) -> None:
    root = tmp_path / "FFIW10K-v1-release-test"  # "test" in the root's name must not become a split
    for place in places:
        touch(root, f"source/{place}.mp4", f"target/{place}.mp4", f"target_mask/{place}.mp4")
    result = scan_dataset("ffiw10k", root)
    assert result.variant == variant
    assert sorted((r.label, r.split) for r in result.records) == [
        (0, "train"), (0, "validation"), (1, "train"), (1, "validation"),
    ]  # fmt: skip
    assert len({r.pair_id for r in result.records}) == 2
    assert all(("mask" in r.extra) == (r.label == 1) for r in result.records)


def test_ffiw_without_splits(tmp_path: Path, touch) -> None:
    touch(tmp_path, "source/a.mp4", "target/a.mp4")
    result = scan_dataset("ffiw10k", tmp_path)
    assert result.variant == "no splits"
    assert {r.split for r in result.records} == {""}


A, B = "0e23d546a5f952542a00", "e37c8c26b0c1c0714c74"


@pytest.mark.parametrize("encoding", ["cp949", "utf-8-sig"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_kodf_by_ai_hubs_tables(tmp_path: Path, touch, encoding: str, form: str) -> None:
    touch(tmp_path, f"1.Training/원본1/200715/{A}_001.mp4", f"dfl/{A}/{A}_{B}_1_0490.mp4", "dfl/unlisted.mp4")

    def write(name: str, text: str) -> None:
        path = tmp_path / "meta" / unicodedata.normalize(form, name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode(encoding))

    write("원본영상_training_메타데이터.csv", f"영상ID,UUID,인물성별\n{A}_001.mp4,{A},남\n{A}_002.mp4,{A},남\n")
    write(
        "변조영상_training_메타데이터.csv",
        f"영상ID,타겟영상,타겟UUID,소스UUID,변조모델\n{A}_{B}_1_0490.mp4,{A}_001.mp4,{A},{B},dfl\n",
    )
    result = scan_dataset("kodf", tmp_path)
    real, fake = (next(r for r in result.records if r.label == label) for label in (0, 1))
    assert result.variant == "AI-Hub tables"
    assert (fake.manipulation, fake.split, fake.identity) == ("dfl", "train", f"kodf/{A};kodf/{B}")
    assert fake.pair_id == real.pair_id == f"kodf/{A}_001"
    assert fake.source_id == real.source_id
    assert result.missing == [f"{A}_002.mp4"]
    assert result.extra == ["dfl/unlisted.mp4"]


def test_kodf_by_names(tmp_path: Path, touch) -> None:
    touch(tmp_path, f"fake_things/{A}/{A}_001.mp4", f"fo/videos/2020/{A}/{A}_{B}_4_12.mp4", "123456/123456_7.mp4")
    touch(tmp_path, f"x/{A}_{B}_9_12.mp4")
    result = scan_dataset("kodf", tmp_path)
    rows = {Path(r.path).stem: r for r in result.records}
    assert (rows[f"{A}_001"].label, rows["123456_7"].label) == (0, 0)  # whatever the folder is called
    assert (rows[f"{A}_{B}_4_12"].label, rows[f"{A}_{B}_4_12"].manipulation) == (1, "fo")
    assert rows[f"{A}_{B}_4_12"].source_id == rows[f"{A}_001"].source_id == f"kodf/{A}"
    assert rows[f"{A}_{B}_4_12"].pair_id == ""
    assert result.extra == [f"x/{A}_{B}_9_12.mp4"]


def test_kodf_table_without_its_columns(tmp_path: Path) -> None:
    (tmp_path / "변조영상_validation_메타데이터.csv").write_text("영상ID,x\n1,2\n", encoding="cp949")
    with pytest.raises(DatasetError, match="no column 타겟UUID, 소스UUID, 변조모델"):
        scan_dataset("kodf", tmp_path)


def test_an_empty_kodf(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no video of kodf"):
        scan_dataset("kodf", tmp_path)


@pytest.fixture
def forgerynet_tree(tmp_path: Path, touch) -> Path:
    root = tmp_path / "ForgeryNet"
    touch(root, "Training/video/train_video_release/3/real_x/a.mp4", "Training/video/train_video_release/19/b.mp4")
    touch(root, "Validation/video/val_video_release/3/c.mp4", "Validation/video/val_video_release/4/c.mp4")
    touch(root, "Test/video/test_video_release/d.mp4")
    (root / "Training/video_list.txt").write_text(
        "2 train_video_release/3/real_x/a.mp4 0 40 0 40 25 1 1 2 3\n1 train_video_release/19/b.mp4 0 90 0 0 0 0\n"
    )
    (root / "Validation/video_list.txt").write_text("0 val_video_release/4/c.mp4 1 1 4\n")
    return root


def test_forgerynet(forgerynet_tree: Path) -> None:
    result = scan_dataset("forgerynet", forgerynet_tree)
    rows = {r.video_id: r for r in result.records}
    fake = rows["forgerynet/train/video/train_video_release/3/real_x/a"]
    assert (fake.label, fake.manipulation, fake.split) == (1, "class_03", "train")
    assert json.loads(fake.extra["fake_segments_frames"]) == [[40, 25]]
    assert rows["forgerynet/train/video/train_video_release/19/b"].label == 0
    assert rows["forgerynet/validation/video/val_video_release/4/c"].manipulation == "class_04"
    assert result.extra == ["Validation/video/val_video_release/3/c.mp4 (in no list)"]
    assert any("Test/ has no video_list.txt" in w for w in result.warnings)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 a.mp4 0 40 0", "is not|not '<n>"),
        ("x a.mp4 0 0 0", "not '<n>"),
        ("1 a.mp4 0 40 x 0 0 0", "not '<n>"),
        ("-1 a.mp4 0 0", "not '<n>"),
        ("0 a.mp4 0 0 3", "binary label 0 and class 3 disagree"),
        ("0 a.mp4 1 1 0", "disagree"),
    ],
)
def test_forgerynet_damaged_lists(forgerynet_tree: Path, line: str, message: str) -> None:
    (forgerynet_tree / "Training/video_list.txt").write_text(f"\n{line}\n")
    with pytest.raises(DatasetError, match=f"video_list.txt:2: .*({message})"):
        scan_dataset("forgerynet", forgerynet_tree)


def test_forgerynet_names_that_fit_two_files(forgerynet_tree: Path) -> None:
    (forgerynet_tree / "Validation/video_list.txt").write_text("0 c.mp4 1 1 4\n0 gone.mp4 1 1 4\n")
    result = scan_dataset("forgerynet", forgerynet_tree)
    assert result.missing == ["Validation: c.mp4 (fits several files)", "Validation: gone.mp4 (not there)"]


def test_dftimit_with_converted_vidtimit(tmp_path: Path, touch) -> None:
    root, real = tmp_path / "DeepfakeTIMIT", tmp_path / "VidTIMIT"
    for quality in ("higher_quality", "lower_quality"):
        touch(root, f"{quality}/fadg0/sa1-video-fram1.avi", f"{quality}/fadg0/sa1-video-fram1.wav")
    touch(real, "fadg0/sa1.avi", "fadg0/head.avi", "mabc0/sa1.avi")
    result = scan_dataset("dftimit", root, vidtimit=real)
    rows = {r.video_id: r for r in result.records}
    assert set(rows) == {
        "dftimit/higher_quality/fadg0/sa1-video-fram1", "dftimit/lower_quality/fadg0/sa1-video-fram1",
        "dftimit/vidtimit/fadg0/sa1",
    }  # fmt: skip
    fake = rows["dftimit/lower_quality/fadg0/sa1-video-fram1"]
    assert (fake.label, fake.compression, fake.identity) == (1, "lower_quality", "vidtimit/fadg0;vidtimit/fram1")
    assert {r.pair_id for r in result.records} == {"dftimit/fadg0/sa1"}
    assert any("No real videos" in w for w in scan_dataset("dftimit", root).warnings)
    with pytest.raises(DatasetError, match="no such folder"):
        scan_dataset("dftimit", root, vidtimit=tmp_path / "nowhere")


def test_deepfake_eval_2024(tmp_path: Path, touch) -> None:
    touch(tmp_path, *(f"video-data/{n}.mp4" for n in ("a", "b", "c", "stray")))
    table = tmp_path / "video-metadata-publish.csv"
    table.write_text(
        "Filename,Date,Video Ground Truth,Audio Ground Truth,Public Comments,Finetuning Set\n"
        'a.mp4,2024-11-14,Fake,Unknown,"real voice, fake lips\\",train\n'
        "b.mp4,2024-11-13,Real,Fake,,test\nc.mp4,2024-11-12,Unknown,Unknown,,test\nd.mp4,2024-11-12,Real,Real,,test\n"
    )
    result = scan_dataset("deepfake-eval-2024", tmp_path)
    assert {(r.video_id, r.label, r.split) for r in result.records} == {
        ("deepfake-eval-2024/a", 1, "train"), ("deepfake-eval-2024/b", 0, "test"),
    }  # fmt: skip
    assert result.missing == ["video-data/d.mp4"]
    assert result.extra == ["video-data/stray.mp4 (not in the table)"]
    assert any("1 videos whose truth is neither Real nor Fake" in w for w in result.warnings)
    table.write_text("Filename,Video Ground Truth,Finetuning Set\n../../x.mp4,Real,test\n")
    with pytest.raises(DatasetError, match=r":2: Filename is '../../x.mp4'"):
        scan_dataset("deepfake-eval-2024", tmp_path)


def test_df40_names_know_their_corpora(tmp_path: Path, touch, ffpp_tree: Path) -> None:
    root = tmp_path / "DF40"
    touch(root, "simswap/ff/000_003.mp4", "simswap/cdf/id0_id16_0003.mp4", "fomm/ff/054_071.mp4")
    touch(root, "heygen/fake/x.mp4", "heygen/real/y.mp4", "StyleGAN2/ff/000.png", "MRAA/ff/odd name.mp4")
    result = scan_dataset("df40", root, part="test", splits=ffpp_tree / "splits")
    rows = {r.video_id.removeprefix("df40/"): r for r in result.records}
    assert rows["simswap/ff/000_003"].identity == "ffpp/000;ffpp/003"
    assert rows["simswap/ff/000_003"].source_id == "ffpp/000-003"
    assert (rows["simswap/ff/000_003"].extra["ffpp_split"], rows["fomm/ff/054_071"].extra["ffpp_split"]) == (
        "test", "train",
    )  # fmt: skip
    assert rows["simswap/cdf/id0_id16_0003"].source_id == "celeb-df/id0_0003"
    assert (rows["heygen/fake/x"].label, rows["heygen/real/y"].label) == (1, 0)
    assert rows["mraa/ff/odd name"].identity == ""
    assert {r.split for r in result.records} == {"test"}
    assert any("StyleGAN2" in w for w in result.warnings)


def test_folder_without_splits(tmp_path: Path, touch) -> None:
    root = tmp_path / "my_fake_and_real_videos"
    touch(root, "real/fake_looking.mp4", "fake/Methode Ü/a.MP4", "fake/b.avi", "fake/b.mp4", "real/notes.txt")
    result = scan_dataset("folder", root, dataset="mine")
    rows = {r.video_id: r for r in result.records}
    assert {v: (r.label, r.manipulation) for v, r in rows.items()} == {
        "mine/real/fake_looking.mp4": (0, "none"), "mine/fake/Methode Ü/a.MP4": (1, "Methode Ü"),
        "mine/fake/b.avi": (1, ""), "mine/fake/b.mp4": (1, ""),
    }  # fmt: skip


def test_folder_with_splits(tmp_path: Path, touch) -> None:
    touch(tmp_path, *(f"{s}/{c}/x.mp4" for s in ("train", "val", "test") for c in ("real", "fake")))
    result = scan_dataset("folder", tmp_path)
    assert sorted({r.split for r in result.records}) == ["test", "train", "validation"]
    assert result.variant == "with splits"


def test_folder_needs_both_classes_by_name(tmp_path: Path, touch) -> None:
    touch(tmp_path, "unreal/x.mp4", "fakes/y.mp4")
    with pytest.raises(DatasetError, match="holds real/ and fake/"):
        scan_dataset("folder", tmp_path)
