"""Corpora of pictures: WildDeepfake's archives, numbered frames, and what a hostile archive may try."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from vidfake.datasets import scan_dataset
from vidfake.datasets.archives import DamagedArchiveError, tar_members
from vidfake.datasets.frames import MAX_SIDE, decode_picture, frame_number, images_in, write_sequence
from vidfake.errors import DatasetError
from vidfake.video.reader import open_video


def picture(value: int, size: int = 24) -> np.ndarray:
    image = np.random.default_rng(value).integers(0, 256, (size, size, 3), dtype=np.uint8)
    image[:4, :4] = value
    return image


def encoded(image: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, image[:, :, ::-1])[1].tobytes()


def write_tar(path: Path, members: list[tuple[str, bytes]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def frames_of(path: str) -> list[int]:
    """The value painted into the corner of each frame of a video."""
    with open_video(path) as reader:
        return [int(frame.rgb()[0, 0, 0]) for frame in reader.frames()]


@pytest.fixture
def wild_tree(tmp_path: Path) -> Path:
    """Frames are stored in no order, as in the release; shard 1 exists in two categories."""
    root = tmp_path / "deepfake_in_the_wild"
    shard = [(f"./1/fake/131/{n}.png", encoded(picture(n))) for n in (100, 9, 20)]
    shard += [(f"./1/fake/7/{n}.png", encoded(picture(n))) for n in (2, 1)]
    write_tar(root / "fake_train" / "1.tar.gz", shard)
    write_tar(root / "real_train" / "1.tar.gz", [("./1/real/131/5.png", encoded(picture(5)))])
    write_tar(root / "real_test" / "3.tar.gz", [("./3/real/0/5.png", encoded(picture(5)))])
    (root / "fake_test" / "2" / "fake" / "4").mkdir(parents=True)
    for n in (10, 2):
        (root / "fake_test" / "2" / "fake" / "4" / f"{n}.png").write_bytes(encoded(picture(n)))
    return root


def test_without_a_place_for_videos_sequences_are_only_counted(wild_tree: Path) -> None:
    result = scan_dataset("wilddeepfake", wild_tree)
    assert result.records == []
    assert {(r.video_id, r.label, r.split) for r in result.pending} == {
        ("wilddeepfake/fake_train/1_131", 1, "train"), ("wilddeepfake/fake_train/1_7", 1, "train"),
        ("wilddeepfake/real_train/1_131", 0, "train"), ("wilddeepfake/real_test/3_0", 0, "test"),
        ("wilddeepfake/fake_test/2_4", 1, "test"),
    }  # fmt: skip
    assert result.variant == "tar archives and unpacked frames"
    assert any("videos=FOLDER" in w for w in result.warnings)
    assert {(row.what, row.found) for row in result.counts() if row.published} == {
        ("train real", 1), ("train fake", 2), ("test real", 1), ("test fake", 1),
    }  # fmt: skip


def test_sequences_become_lossless_videos_with_frames_in_order(wild_tree: Path, tmp_path: Path) -> None:
    result = scan_dataset("wilddeepfake", wild_tree, videos=tmp_path / "videos")
    rows = {r.video_id: r for r in result.records}
    assert len(rows) == 5
    assert result.pending == []
    path = rows["wilddeepfake/fake_train/1_131"].path
    assert path == str(tmp_path / "videos/fake_train/1_131.mkv")
    assert frames_of(path) == [9, 20, 100]
    assert frames_of(rows["wilddeepfake/fake_test/2_4"].path) == [2, 10]
    with open_video(path) as reader:
        pictures = [frame.rgb() for frame in reader.frames()]
    for shown, n in zip(pictures, (9, 20, 100), strict=True):
        np.testing.assert_array_equal(shown, picture(n))
    assert rows["wilddeepfake/fake_train/1_131"].extra["num_frames"] == "3"


def test_a_second_scan_makes_nothing_again(wild_tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "videos"
    first = scan_dataset("wilddeepfake", wild_tree, videos=out)
    times = {p: p.stat().st_mtime_ns for p in out.rglob("*.mkv")}
    (wild_tree / "fake_train" / "1.tar.gz").write_bytes(
        b"\0" * (wild_tree / "fake_train" / "1.tar.gz").stat().st_size
    )  # is not read again: its size is the same
    second = scan_dataset("wilddeepfake", wild_tree, videos=out)
    assert second.records == first.records
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*.mkv")} == times


def test_a_video_that_is_gone_is_made_again(wild_tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "videos"
    scan_dataset("wilddeepfake", wild_tree, videos=out)
    (out / "fake_train" / "1_7.mkv").unlink()
    assert len(scan_dataset("wilddeepfake", wild_tree, videos=out).records) == 5
    assert frames_of(str(out / "fake_train" / "1_7.mkv")) == [1, 2]
    (out / "fake_train" / "1.json").write_text('{"sequences": 3}')
    with pytest.raises(DatasetError, match="damaged. Delete it"):
        scan_dataset("wilddeepfake", wild_tree, videos=out)


def test_the_converted_folder_is_a_root_itself(wild_tree: Path, tmp_path: Path) -> None:
    scan_dataset("wilddeepfake", wild_tree, videos=tmp_path / "videos")
    result = scan_dataset("wilddeepfake", tmp_path / "videos")
    assert result.variant == "converted videos"
    assert sorted((r.label, r.split) for r in result.records) == [
        (0, "test"), (0, "train"), (1, "test"), (1, "train"), (1, "train"),
    ]  # fmt: skip


def test_a_half_downloaded_archive_gives_what_is_whole(wild_tree: Path, tmp_path: Path) -> None:
    path = wild_tree / "fake_train" / "1.tar.gz"
    path.write_bytes(path.read_bytes()[:-200])
    result = scan_dataset("wilddeepfake", wild_tree, videos=tmp_path / "videos")
    assert "wilddeepfake/fake_train/1_131" in {r.video_id for r in result.records}
    assert "wilddeepfake/fake_train/1_7" not in {r.video_id for r in result.records}
    assert any(m.startswith("fake_train/1.tar.gz after 1 sequences") for m in result.missing)
    assert not (tmp_path / "videos/fake_train/1.json").exists()


def test_an_archive_in_the_wrong_category(wild_tree: Path) -> None:
    write_tar(wild_tree / "real_train" / "2.tar.gz", [("./2/fake/1/1.png", encoded(picture(1)))])
    with pytest.raises(DatasetError, match="real_train holds 'real' only"):
        scan_dataset("wilddeepfake", wild_tree)


def test_frames_of_a_sequence_in_two_places(wild_tree: Path) -> None:
    members = [(f"./2/real/{s}/{n}.png", encoded(picture(n))) for s, n in ((1, 1), (2, 1), (1, 2))]
    write_tar(wild_tree / "real_train" / "2.tar.gz", members)
    with pytest.raises(DatasetError, match="frames of sequence 1 are not together"):
        scan_dataset("wilddeepfake", wild_tree)


def test_a_damaged_picture_loses_its_sequence_only(wild_tree: Path, tmp_path: Path) -> None:
    members = [("./2/real/1/1.png", encoded(picture(1))[:40]), ("./2/real/2/1.png", encoded(picture(1)))]
    write_tar(wild_tree / "real_train" / "2.tar.gz", members)
    result = scan_dataset("wilddeepfake", wild_tree, videos=tmp_path / "videos")
    assert "wilddeepfake/real_train/2_2" in {r.video_id for r in result.records}
    assert [m for m in result.missing if "2_1.mkv, frame 0" in m]
    assert not (tmp_path / "videos/real_train/2_1.mkv").exists()


@pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", "1/../../x.png", "1\\..\\x.png"])
def test_names_that_lead_out_of_an_archive(tmp_path: Path, name: str) -> None:
    write_tar(tmp_path / "a.tar.gz", [(name, b"x")])
    with pytest.raises(DatasetError, match="leads out of the archive"):
        list(tar_members(tmp_path / "a.tar.gz"))


def test_links_and_devices_are_passed_over(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for kind, target in ((tarfile.SYMTYPE, "/etc/passwd"), (tarfile.LNKTYPE, "x"), (tarfile.CHRTYPE, "")):
            info = tarfile.TarInfo("1/real/1/1.png")
            info.type, info.linkname = kind, target
            archive.addfile(info)
    assert list(tar_members(tmp_path / "a.tar")) == []


def test_huge_members_are_refused_before_they_are_read(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("1/real/1/1.png")
        info.size = 2**40
        archive.addfile(info)  # only the header: the bytes are not there
    with pytest.raises(DatasetError, match="has 1099511627776 bytes; a frame has at most"):
        list(tar_members(tmp_path / "a.tar"))


def test_a_header_that_unpacks_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes of gzip can hold an extended header of gigabytes, which `tarfile` would read whole."""
    monkeypatch.setattr("vidfake.datasets.archives.MAX_MEMBER_BYTES", 2**16)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("1/real/1/1.png")
        info.pax_headers = {"comment": "x" * 2**23}
        archive.addfile(info)
    assert (tmp_path / "a.tar.gz").stat().st_size < 2**15
    with pytest.raises(DatasetError, match="a header of over 1048576 bytes"):
        list(tar_members(tmp_path / "a.tar.gz"))


def test_many_small_members_are_no_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidfake.datasets.archives.MAX_MEMBER_BYTES", 2**12)
    monkeypatch.setattr("vidfake.datasets.archives._HEADER_BYTES", 2**16)
    write_tar(tmp_path / "a.tar.gz", [(f"1/real/1/{n}.png", b"x" * 4000) for n in range(200)])
    for contents in (True, False):
        assert len(list(tar_members(tmp_path / "a.tar.gz", contents=contents))) == 200


@pytest.mark.parametrize("data", [b"", b"not an archive", b"\x1f\x8b\x08\x00 cut"])
def test_what_is_not_an_archive(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(data)
    with pytest.raises(DamagedArchiveError, match="damaged or cut off"):
        list(tar_members(tmp_path / "a.tar.gz"))


def test_frames_are_ordered_by_number(tmp_path: Path) -> None:
    for name in ("10.png", "9.png", "frame_100.jpg", "cover.png", "8.txt", "007"):
        (tmp_path / name).write_bytes(b"x")
    assert [p.name for p in images_in(tmp_path)] == ["9.png", "10.png", "frame_100.jpg"]
    assert [p.name for p in images_in(tmp_path, bare_names=True)] == ["007", "9.png", "10.png", "frame_100.jpg"]
    assert frame_number("9" * 30) is None


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_pictures_decode_to_rgb(suffix: str) -> None:
    red = np.zeros((16, 24, 3), np.uint8)
    red[..., 0] = 200
    shown = decode_picture(encoded(red, suffix), "x")
    assert shown.shape == (16, 24, 3)
    np.testing.assert_allclose(shown.mean((0, 1)), [200, 0, 0], atol=2)


def test_pictures_that_claim_to_be_huge_are_refused_unread() -> None:
    png = bytearray(encoded(picture(1)))
    png[16:20] = (MAX_SIDE + 1).to_bytes(4, "big")
    with pytest.raises(DatasetError, match="a frame has at most 4096 per side"):
        decode_picture(bytes(png), "x")
    jpeg = bytearray(encoded(picture(1), ".jpg"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 7] = (60_000).to_bytes(2, "big")
    with pytest.raises(DatasetError, match="60000 pixels"):
        decode_picture(bytes(jpeg), "x")


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_what_is_not_a_picture(data: bytes) -> None:
    with pytest.raises(DatasetError, match="neither a PNG nor a JPEG"):
        decode_picture(data, "x")


def test_frames_of_two_sizes_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"frame 1: \(32, 32, 3\) pixels, the first one has \(24, 24, 3\)"):
        write_sequence(tmp_path / "a.mkv", [encoded(picture(1)), encoded(picture(2, 32))], frame_rate=25)
    assert list(tmp_path.iterdir()) == []


def test_vidtimits_numbered_jpegs(tmp_path: Path, touch) -> None:
    root, real = tmp_path / "DeepfakeTIMIT", tmp_path / "VidTIMIT"
    touch(root, "lower_quality/fadg0/sa1-video-fram1.avi", "lower_quality/fadg0/sa2-video-fram1.avi")
    folder = real / "fadg0" / "video" / "sa1"
    folder.mkdir(parents=True)
    for n in range(1, 12):
        (folder / f"{n:03d}").write_bytes(encoded(np.full((16, 16, 3), 20 * n, np.uint8), ".jpg"))
    counted = scan_dataset("dftimit", root, vidtimit=real)
    assert [r.video_id for r in counted.pending] == ["dftimit/vidtimit/fadg0/sa1"]
    assert counted.missing == ["VidTIMIT fadg0/sa2"]
    result = scan_dataset("dftimit", root, vidtimit=real, videos=tmp_path / "out")
    real_row = next(r for r in result.records if r.label == 0)
    np.testing.assert_allclose(frames_of(real_row.path), [20 * n for n in range(1, 12)], atol=2)


def test_df40_frames(tmp_path: Path) -> None:
    for place in ("simswap/ff/frames/000_003", "fomm/cdf/id0_id16_0003"):
        (tmp_path / "DF40" / place).mkdir(parents=True)
        for n in (3, 20):
            (tmp_path / "DF40" / place / f"{n:03d}.png").write_bytes(encoded(picture(n)))
    assert len(scan_dataset("df40", tmp_path / "DF40").pending) == 2
    result = scan_dataset("df40", tmp_path / "DF40", videos=tmp_path / "out")
    assert {r.video_id for r in result.records} == {"df40/simswap/ff/000_003", "df40/fomm/cdf/id0_id16_0003"}
    assert all(frames_of(r.path) == [3, 20] for r in result.records)
