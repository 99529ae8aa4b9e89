"""Manifests: what is read is what was written, and every trap is refused with file and line."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vidfake.data.manifest import load_records, read_manifest, records_from_paths, write_manifest
from vidfake.data.manifest_rows import COLUMNS
from vidfake.data.samplers import SAMPLERS
from vidfake.errors import ManifestError, StorageError
from vidfake.types import Region, VideoRecord

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes manifest text, and the files a..d.mp4 beside it."""
    for name in ("a.mp4", "b.mp4", "c.mp4", "d.mp4"):
        (tmp_path / name).write_bytes(b"video")

    def to_file(text: str | bytes, name: str = "m.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return to_file


def test_path_and_label_suffice(write: Write, tmp_path: Path) -> None:
    a, b = read_manifest(write("path,label\na.mp4,0\nb.mp4,1\n"))
    assert a == VideoRecord("a.mp4", str(tmp_path / "a.mp4"), 0, "none", source_id="a.mp4")
    assert (b.video_id, b.label, b.manipulation, b.source_id) == ("b.mp4", 1, "", "b.mp4")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("last", [True, False])
def test_byte_order_mark_and_line_endings(write: Write, ending: str, mark: bytes, last: bool) -> None:
    text = ending.join(["path,label", "a.mp4,0", "", "b.mp4,1"]) + (ending if last else "")
    assert [r.label for r in read_manifest(write(mark + text.encode()))] == [0, 1]


def test_quoted_and_non_ascii_paths(write: Write, tmp_path: Path) -> None:
    names = ["büro, 1.mp4", 'a "quoted" one.mp4', "日本語 .mp4", "with space.mp4", "'single'.mp4"]
    for name in names:
        (tmp_path / name).touch()
    rows = "".join('"{}",0\n'.format(name.replace('"', '""')) for name in names)
    assert [Path(r.path).name for r in read_manifest(write("path,label\n" + rows))] == names


def test_paths_are_relative_to_the_manifest_and_absolute_when_read(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lists").mkdir()
    write(f"path,label\n../a.mp4,0\n{tmp_path / 'b.mp4'},0\n", "lists/m.csv")
    monkeypatch.chdir(tmp_path / "lists")
    paths = [r.path for r in read_manifest("m.csv")]
    assert paths == [str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")]


def test_a_name_that_looks_like_a_protocol_stays_a_file(write: Write, tmp_path: Path) -> None:
    (tmp_path / "concat:a|b").touch()
    (record,) = read_manifest(write("path,label\nconcat:a|b,0\n"))
    assert record.path == str(tmp_path / "concat:a|b")


def test_other_columns_are_kept(write: Write, tmp_path: Path) -> None:
    records = read_manifest(write("path,camera,label,note\na.mp4,x , 0 ,hello\n"))
    assert records[0].extra == {"camera": "x ", "note": "hello"}
    write_manifest(tmp_path / "again.csv", records)
    assert read_manifest(tmp_path / "again.csv") == records


def test_region_and_splits(write: Write) -> None:
    text = (
        "video_id,path,label,region,split\nl,a.mp4,0,0 0 10 20,test\nr,a.mp4,1,10 0 10 20,test\nb,b.mp4,0,,train\n"
    )
    records = read_manifest(write(text))
    assert [r.region for r in records] == [Region(0, 0, 10, 20), Region(10, 0, 10, 20), None]
    assert [r.video_id for r in read_manifest(write(text), splits=["test"])] == ["l", "r"]
    with pytest.raises(ManifestError, match="no row has split 'tset'.*'test', 'train'.*Did you mean 'test'"):
        read_manifest(write(text), splits=["tset"])


REFUSED = {
    "no_label_column": ("path,lable\na.mp4,0\n", r":1: no column 'label'.*Did you mean 'lable'"),
    "no_path_column": ("file,label\na.mp4,0\n", r":1: no column 'path' among file, label"),
    "semicolons": ("path;label\na.mp4;0\n", r":1: no column 'path'.*Separate the columns by commas"),
    "empty": ("", r"is empty.*path,label"),
    "only_header": ("path,label\n", r"holds no rows"),
    "column_twice": ("path,label,label\na.mp4,0,1\n", r":1: column 'label' appears twice"),
    "column_without_name": ("path,label,\na.mp4,0,\n", r":1: a column has no name"),
    "too_many_fields": ("path,label\na.mp4,0\nb,c.mp4,0\n", r":3: 3 fields, but the header has 2.*double quotes"),
    "too_few_fields": ("path,label\na.mp4\n", r":2: 1 fields, but the header has 2"),
    "open_quote": ('path,label\n"a.mp4,0\nb.mp4,0\n', r":2: not valid CSV"),
    "label_word": ("path,label\na.mp4,fake\n", r":2: label is 'fake'.*0 \(real\), 1 \(fake\)"),
    "label_float": ("path,label\na.mp4,1.0\n", r":2: label is '1.0'"),
    "label_missing": ("path,label\na.mp4,0\nb.mp4,\n", r":3: 1 of 2 rows have no label \(line 3\)"),
    "path_empty": ("path,label\n,0\n", r":2: path is empty"),
    "url": ("path,label\nhttps://x.org/a.mp4,0\n", r":2: path 'https://x.org/a.mp4' is a URL.*Download"),
    "rtsp": ("path,label\nRTSP://x/a,0\n", r":2: path 'RTSP://x/a' is a URL"),
    "missing_files": (
        "path,label\na.mp4,0\n" + "".join(f"no{i}.mp4,0\n" for i in range(9)),
        r":3: 9 of 10 files do not exist \(line 3: .*no0.mp4, .*no4.mp4, …\)",
    ),
    "id_twice": ("video_id,path,label\nx,a.mp4,0\nx,b.mp4,0\n", r":3: video_id 'x' is already on line 2"),
    "path_twice": (
        "video_id,path,label\nx,a.mp4,0\ny,./b/../a.mp4,0\n",
        r":3: the same path with no region.*line 2",
    ),
    "region_twice": (
        "video_id,path,label,region\nx,a.mp4,0,0 0 1 1\ny,a.mp4,1,0 0 1 1\n",
        r":3: the same path with region '0 0 1 1' is already on line 2",
    ),
    "two_regions_without_ids": (
        "path,label,region\na.mp4,0,0 0 1 1\na.mp4,1,1 0 1 1\n",
        r":3: video_id 'a.mp4' is already on line 2.*two regions",
    ),
    "region_words": ("path,label,region\na.mp4,0,left\n", r":2: region is 'left'.*x y width height"),
    "region_three": ("path,label,region\na.mp4,0,1 2 3\n", r":2: region is '1 2 3'"),
    "region_negative": ("path,label,region\na.mp4,0,-1 2 3 4\n", r":2: region is '-1 2 3 4'"),
    "region_empty": ("path,label,region\na.mp4,0,1 2 0 4\n", r":2: region '1 2 0 4'.*width and height > 0"),
    "real_manipulated": ("path,label,manipulation\na.mp4,0,Deepfakes\n", r":2: label 0 \(real\), but manipulation"),
    "fake_none": ("path,label,manipulation\na.mp4,1,none\n", r":2: label 1 \(fake\), but manipulation is 'none'"),
    "source_in_two_splits": (
        "path,label,source_id,split\na.mp4,0,s,train\nb.mp4,1,s,test\n",
        r":3: source_id 's' is in split 'test', but in split 'train' on line 2",
    ),
    "person_in_two_splits": (
        "path,label,identity,split\na.mp4,0,p;q,train\nb.mp4,1,r; q,test\n",
        r":3: identity 'q' is in split 'test', but in split 'train' on line 2",
    ),
    "control_character": ("path,label,source_id\na.mp4,0,x\x1b[2J\n", r":2: source_id holds.*U\+001B"),
    "nul": ("path,label\na\x00.mp4,0\n", r":2: (path holds the control character U\+0000|not valid CSV)"),
    "newline_in_id": ('video_id,path,label\nx,a.mp4,0\n"y\nz",b.mp4,0\n', r":3: video_id holds.*U\+000A.*unclosed"),
    "long_field": ("path,label,note\na.mp4,0," + "n" * 5000 + "\n", r":2: note has 5000 characters"),
    "huge_field": ("path,label,note\na.mp4,0," + "n" * 200_000 + "\n", r":2: (note has|not valid CSV)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_file_and_line(write: Write, name: str) -> None:
    text, message = REFUSED[name]
    path = write(text)
    with pytest.raises(ManifestError, match=message) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_line_numbers_count_lines_of_the_file_not_rows(write: Write) -> None:
    with pytest.raises(ManifestError, match=r"m\.csv:6: label is 'x'"):
        read_manifest(write('\npath,label,note\n\na.mp4,0,"one, two"\n\nb.mp4,x,\n'))


@pytest.mark.parametrize("data", ["path,label\nb\xfcro.mp4,0\n".encode("latin-1"), "path,label\n".encode("utf-16")])
def test_other_encodings_are_refused(write: Write, data: bytes) -> None:
    with pytest.raises(ManifestError, match=r"not UTF-8.*Save the file as UTF-8"):
        read_manifest(write(data))


def test_a_missing_manifest_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such manifest"):
        read_manifest(tmp_path / "none.csv")
    with pytest.raises(ManifestError, match="is a folder"):
        read_manifest(tmp_path)


def test_what_may_be_switched_off(write: Write) -> None:
    text = "path,label,source_id,split\na.mp4,,s,train\nnone.mp4,1,s,test\n"
    records = read_manifest(write(text), require_labels=False, check_files=False, allow_split_overlap=True)
    assert [r.label for r in records] == [None, 1]


def test_a_source_may_be_in_no_split_and_one(write: Write) -> None:
    text = "path,label,source_id,split\na.mp4,0,s,\nb.mp4,1,s,test\n"
    assert len(read_manifest(write(text))) == 2


WORDS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=12).map(str.strip)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=6, unique_by=lambda row: row[0]))
def test_round_trip(tmp_path: Path, rows: list[tuple[str, str, str]]) -> None:
    rows = [row for row in rows if all(row)]
    records = [
        VideoRecord(
            video_id=video_id,
            path=str(tmp_path / "videos" / f"{number}.mp4"),
            label=number % 2,
            manipulation=word if number % 2 and word != "none" else "none" if number % 2 == 0 else "",
            source_id=source,
            region=Region(number, 2, 3, 4) if number % 3 == 0 else None,
            license=word,
            extra={"note": word},
        )
        for number, (video_id, source, word) in enumerate(rows)
    ]
    if not records:
        return
    write_manifest(tmp_path / "lists" / "m.csv", records)
    assert read_manifest(tmp_path / "lists" / "m.csv", check_files=False) == records


def test_writing_is_atomic(tmp_path: Path) -> None:
    target = tmp_path / "m.csv"
    good = [VideoRecord("a", str(tmp_path / "a.mp4"), 0, "none", source_id="a")]
    write_manifest(target, good)
    with pytest.raises(AttributeError):
        write_manifest(target, [*good, None])  # type: ignore[list-item]
    assert [r.video_id for r in read_manifest(target, check_files=False)] == ["a"]
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        write_manifest(tmp_path / "file" / "m.csv", good)


def test_a_folder_and_files_become_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "v" / "deep").mkdir(parents=True)
    for name in ("v/b.MP4", "v/a.mkv", "v/deep/c.webm", "v/notes.txt", "odd.bin"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    records = records_from_paths(["v", "odd.bin", "v/a.mkv"], label=0)
    assert [r.video_id for r in records] == ["v/a.mkv", "v/b.MP4", "v/deep/c.webm", "odd.bin"]
    assert records[0] == VideoRecord("v/a.mkv", str(tmp_path / "v/a.mkv"), 0, "none", source_id="v/a.mkv")
    assert [replace(r, label=0, manipulation="none") for r in load_records("v")] == records[:3]
    with pytest.raises(ManifestError, match="no such file or folder"):
        records_from_paths(["gone.mp4"])
    (tmp_path / "none").mkdir()
    with pytest.raises(ManifestError, match=r"No video file in: none.*\.mp4"):
        records_from_paths(["none"])


@pytest.mark.data
def test_the_real_manifest(data_root: Path) -> None:
    records = read_manifest(data_root / "videos.csv")
    assert len({r.video_id for r in records}) == len(records) > 0
    assert {r.label for r in records} == {0, 1}
    halves = [r for r in records if r.region is not None]
    assert halves
    assert len({r.path for r in halves}) < len(halves)


def test_the_example_of_the_documentation_is_a_manifest(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    (tmp_path / "m.csv").write_text(text.partition("```csv\n")[2].partition("```")[0], encoding="utf-8")
    records = read_manifest(tmp_path / "m.csv", check_files=False)
    assert [record.label for record in records] == [0, 1, 0, 1]
    assert records[3].region == Region(640, 0, 640, 720)
    columns = {line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| `")}
    named = {name.strip(" `") for cell in columns for name in cell.split(",")}
    assert named >= set(COLUMNS) | set(SAMPLERS.names())
