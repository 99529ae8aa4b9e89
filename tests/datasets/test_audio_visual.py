"""FakeAVCeleb and AV-Deepfake1M: real is what looks real, whatever it sounds like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vidfake.datasets import scan_dataset
from vidfake.errors import DatasetError

HEADER = "source,target1,target2,method,category,type,race,gender,path,\n"


@pytest.fixture
def fakeavceleb_tree(tmp_path: Path, touch) -> Path:
    root = tmp_path / "FakeAVCeleb_v1.2"
    rows = [
        ("id00076", "-", "real", "RealVideo-RealAudio", "African/men/id00076", "00109.mp4"),
        ("id00076", "-", "rtvc", "RealVideo-FakeAudio", "African/men/id00076", "00109_fake.mp4"),
        ("id00076", "id00476", "faceswap", "FakeVideo-RealAudio", "African/men/id00076",
         "00109_2_id00476_faceswap.mp4"),
        ("id00076", "id00476", "wav2lip", "FakeVideo-FakeAudio", "African/men/id00076",
         "00109_10_id00476_wavtolip.mp4"),
        ("id09999", "-", "real", "RealVideo-RealAudio", "Asian (East)/women/id09999", "00001.mp4"),
    ]  # fmt: skip
    text = HEADER
    for source, target, method, kind, folder, name in rows:
        race, gender, _ = folder.split("/")
        text += f"{source},{target},-,{method},A,{kind},{race},{gender},{name},FakeAVCeleb/{kind}/{folder}\n"
        if source != "id09999":
            touch(root, f"{kind}/{folder}/{name}")
    (root / "meta_data.csv").write_text(text)
    return root


def test_fakeavceleb_reads_the_column_without_a_name(fakeavceleb_tree: Path) -> None:
    result = scan_dataset("fakeavceleb", fakeavceleb_tree)
    rows = {Path(r.path).name: r for r in result.records}
    assert len(rows) == 4
    real, cloned = rows["00109.mp4"], rows["00109_fake.mp4"]
    swapped, synced = rows["00109_2_id00476_faceswap.mp4"], rows["00109_10_id00476_wavtolip.mp4"]
    assert (real.label, cloned.label, swapped.label, synced.label) == (0, 0, 1, 1)
    assert (cloned.manipulation, cloned.extra["category"]) == ("none", "RealVideo-FakeAudio")
    assert (swapped.manipulation, synced.manipulation) == ("faceswap", "wav2lip")
    assert swapped.identity == "voxceleb2/id00076;voxceleb2/id00476"
    assert real.identity == cloned.identity == "voxceleb2/id00076"
    assert real.pair_id == swapped.pair_id == synced.pair_id == "fakeavceleb/id00076/00109"
    assert result.missing == ["RealVideo-RealAudio/Asian (East)/women/id09999/00001.mp4"]


def test_fakeavceleb_without_its_table(fakeavceleb_tree: Path) -> None:
    (fakeavceleb_tree / "meta_data.csv").unlink()
    result = scan_dataset("fakeavceleb", fakeavceleb_tree)
    rows = {Path(r.path).name: r for r in result.records}
    assert rows["00109_10_id00476_wavtolip.mp4"].manipulation == "FakeVideo-FakeAudio"
    assert rows["00109_fake.mp4"].label == 0
    assert any("meta_data.csv is missing" in w for w in result.warnings)


def test_fakeavceleb_videos_that_the_table_does_not_know(fakeavceleb_tree: Path, touch) -> None:
    touch(fakeavceleb_tree, "FakeVideo-FakeAudio/African/men/id00076/other.mp4")
    result = scan_dataset("fakeavceleb", fakeavceleb_tree)
    assert result.extra == ["FakeVideo-FakeAudio/African/men/id00076/other.mp4 (not in meta_data.csv)"]


def av_entry(file: str, kind: str, **more: object) -> dict[str, object]:
    entry = {"file": file, "original": None, "split": "train", "modify_type": kind, "audio_model": "vits"}
    return entry | {"fake_segments": [], "visual_fake_segments": [], "video_frames": 250} | more


@pytest.fixture
def av_tree(tmp_path: Path, touch) -> Path:
    root = tmp_path / "AV-Deepfake1M"
    folder = "id00012/21Uxsk56VDQ/00001"
    entries = [
        av_entry(f"{folder}/real.mp4", "real"),
        av_entry(f"{folder}/fake_audio.mp4", "audio_modified", fake_segments=[[1.0, 1.5]]),
        av_entry(f"{folder}/fake_video.mp4", "visual_modified", fake_segments=[[2.0, 2.4]],
                 visual_fake_segments=[[2.0, 2.4]]),
        av_entry(f"{folder}/both.mp4", "both_modified"),
        av_entry(f"{folder}/typo.mp4", "both-modified"),
        av_entry(f"{folder}/gone.mp4", "real"),
    ]  # fmt: skip
    touch(root, *(f"train/{e['file']}" for e in entries if "gone" not in str(e["file"])), "train/x/unlisted.mp4")
    touch(root, "test/000001.mp4")
    (root / "train_metadata.json").write_text(json.dumps(entries))
    (root / "test_files.txt").write_text("000001.mp4\n\n../escape.mp4\n")
    return root


def test_av_deepfake1m_visual_labels_and_segments(av_tree: Path) -> None:
    result = scan_dataset("av-deepfake1m", av_tree)
    rows = {Path(r.path).stem: r for r in result.records}
    labels = {name: r.label for name, r in rows.items()}
    assert labels == {"real": 0, "fake_audio": 0, "fake_video": 1, "both": 1, "typo": 1}
    fake = rows["fake_video"]
    assert json.loads(fake.extra["visual_fake_segments_seconds"]) == [[2.0, 2.4]]
    assert json.loads(rows["fake_audio"].extra["fake_segments_seconds"]) == [[1.0, 1.5]]
    assert "visual_fake_segments_seconds" not in rows["fake_audio"].extra
    assert fake.identity == "voxceleb2/id00012"
    assert fake.pair_id == rows["real"].pair_id
    assert {r.source_id for r in result.records} == {"av-deepfake1m/id00012/21Uxsk56VDQ/00001"}
    assert result.variant == "AV-Deepfake1M"
    assert result.missing == ["train/id00012/21Uxsk56VDQ/00001/gone.mp4"]
    assert result.extra == ["train/x/unlisted.mp4 (not in train_metadata.json)"]


def test_av_deepfake1m_test_videos_are_unlabelled_and_asked_for(av_tree: Path) -> None:
    result = scan_dataset("av-deepfake1m", av_tree, unlabelled_test=True)
    assert [(r.video_id, r.label) for r in result.records if r.split == "test"] == [
        ("av-deepfake1m/test/000001", None)
    ]
    assert "test/../escape.mp4" in result.missing


def test_av_deepfake1m_plus_plus(tmp_path: Path, touch) -> None:
    entries = [
        av_entry("vox_celeb_2/id01358/_1nATum8x78/00030/real.mp4", "real", video_model=None),
        av_entry("vox_celeb_2/id01358/_1nATum8x78/00030/f.mp4", "visual_modified", video_model="diff2lip"),
        av_entry("lrs3/6jTjOdnfsjQ/00003/real.mp4", "real", video_model=None),
        av_entry("silent_videos/subject_3_ab12_vid_0_1/real.mp4", "real", video_model=None),
    ]
    touch(tmp_path, *(f"val/{e['file']}" for e in entries))
    (tmp_path / "val_metadata.json").write_text(json.dumps(entries))
    result = scan_dataset("av-deepfake1m", tmp_path)
    assert result.variant == "AV-Deepfake1M++"
    assert {r.identity for r in result.records} == {
        "voxceleb2/id01358", "lrs3/6jTjOdnfsjQ", "av-deepfake1m/subject_3",
    }  # fmt: skip
    assert [r.manipulation for r in result.records if r.label == 1] == ["diff2lip"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"file": "a.mp4", "modify_type": "fake"}]', "entry 1 has file 'a.mp4' and modify_type 'fake'"),
        ('[{"modify_type": "real"}]', "entry 1 has file None"),
        ("{}", "must be a JSON list of objects"),
        ("[1]", "entry 1 is int, not an object"),
        ('[{"file": "a.mp4", "modify_ty', "ends or breaks inside entry 1"),
        ("", "must be a JSON list"),
        ('[{"a": ' + "[" * 100_000, "nested too deep|ends or breaks"),
    ],
)
def test_av_deepfake1m_damaged_lists(av_tree: Path, text: str, message: str) -> None:
    (av_tree / "train_metadata.json").write_text(text)
    with pytest.raises(DatasetError, match=message):
        scan_dataset("av-deepfake1m", av_tree)
