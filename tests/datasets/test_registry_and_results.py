"""What every reader promises, and the parts they share: results, lists, trees, duplicates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vidfake.data.manifest import read_manifest, write_manifest
from vidfake.data.manifest_rows import IDENTITY_SEPARATOR
from vidfake.datasets import DATASETS, Published, scan_dataset
from vidfake.datasets import lists as lists_module
from vidfake.datasets.lists import json_objects, read_table, read_text
from vidfake.datasets.result import PERSON_SEPARATOR, ScanBuilder
from vidfake.datasets.tree import files_below, within
from vidfake.errors import DatasetError, UnknownNameError

ALL = {
    "ffpp", "faceshifter", "dfd", "celeb-df-v1", "celeb-df-v2", "celeb-df-pp", "dfdc", "dfdc-preview",
    "deeperforensics", "uadfv", "wilddeepfake", "fakeavceleb", "ffiw10k", "kodf", "forgerynet", "dftimit",
    "deepfake-eval-2024", "av-deepfake1m", "df40", "folder",
}  # fmt: skip


def test_the_catalogue_is_complete() -> None:
    assert set(DATASETS.names()) == ALL


def test_every_corpus_and_its_status_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    for row in DATASETS:
        heading = next(h for h in headings if f"`{row.name}`" in h)
        assert ("(unconfirmed)" in heading) == bool(row.status), heading


def test_people_are_separated_as_manifests_separate_them() -> None:
    assert PERSON_SEPARATOR == IDENTITY_SEPARATOR


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_reader_describes_itself_and_refuses_what_is_not_there(name: str, tmp_path: Path) -> None:
    row = DATASETS.row(name)
    assert row.summary.endswith(".") or row.summary
    assert row.source
    assert set(row.details) == {"layout", "licence", "splits"}
    assert "root" in row.options()
    with pytest.raises(DatasetError, match="no such folder"):
        scan_dataset(name, tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"It holds nothing|no video of"):
        scan_dataset(name, tmp_path / "empty")


def test_an_unknown_corpus_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'ffpp'"):
        scan_dataset("ffp", ".")


def test_a_scan_survives_a_manifest(ffpp_tree: Path, tmp_path: Path) -> None:
    records = scan_dataset("ffpp", ffpp_tree).records
    write_manifest(tmp_path / "manifests" / "ffpp.csv", records)
    again = read_manifest(tmp_path / "manifests" / "ffpp.csv")
    assert [(r.video_id, r.path, r.label, r.source_id, r.pair_id, r.identity, r.split) for r in again] == [
        (r.video_id, r.path, r.label, r.source_id, r.pair_id, r.identity, r.split) for r in records
    ]
    assert [r.extra.get("mask", "") for r in again] == [r.extra.get("mask", "") for r in records]


def test_duplicates_by_content(celeb_tree: Path) -> None:
    copy = celeb_tree / "Celeb-real/id1_0000.mp4"
    copy.write_bytes((celeb_tree / "Celeb-real/id0_0000.mp4").read_bytes())
    assert not any("Same content" in w for w in scan_dataset("celeb-df-v2", celeb_tree).warnings)
    warnings = scan_dataset("celeb-df-v2", celeb_tree, check_duplicates=True).warnings
    expected = "Same content: celeb-df-v2/Celeb-real/id0_0000, celeb-df-v2/Celeb-real/id1_0000."
    assert [w for w in warnings if "Same content" in w] == [expected]


def test_counts_compare_found_with_published(tmp_path: Path, touch) -> None:
    touch(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    builder = ScanBuilder("x", tmp_path, licence="l", origin="o")
    for name, label in (("a", 0), ("b", 1), ("c", 1)):
        builder.add(tmp_path / f"{name}.mp4", video_id=name, label=label, split="test", pair_id="p")
    result = builder.finish("v", [Published(1, "paper", 0), Published(5, "paper", 1, split="test")])
    assert result.found() == {("", "test", 0, "none"): 1, ("", "test", 1, ""): 2}
    assert [(r.what, r.found, r.published) for r in result.counts()] == [
        ("test fake", 2, None), ("test real", 1, None), ("real", 1, 1), ("test fake", 2, 5),
    ]  # fmt: skip
    assert [r.what for r in result.shortfalls()] == ["test fake"]
    assert result.warnings == ["test fake: 2 found, 5 published (paper). The download looks incomplete."]
    assert all((r.license, r.origin, r.dataset) == ("l", "o", "x") for r in result.records)


def test_a_pair_needs_both_sides(tmp_path: Path, touch) -> None:
    touch(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    builder = ScanBuilder("x", tmp_path, licence="", origin="")
    builder.add(tmp_path / "a.mp4", video_id="a", label=1, pair_id="p")
    builder.add(tmp_path / "b.mp4", video_id="b", label=1, pair_id="p")
    builder.add(tmp_path / "c.mp4", video_id="c", label=0, pair_id="q")
    assert {r.pair_id for r in builder.finish("v").records} == {""}


@pytest.mark.parametrize("name", ["", "..", "../x", "/etc/passwd", "a/../../x", "a\x00b", "."])
def test_names_from_lists_stay_inside(tmp_path: Path, name: str) -> None:
    assert within(tmp_path, name) is None


def test_names_from_windows_lists(tmp_path: Path) -> None:
    assert within(tmp_path, "a\\b.mp4") == tmp_path / "a" / "b.mp4"


def test_linked_folders_are_read_once_and_loops_end(tmp_path: Path, touch) -> None:
    touch(tmp_path / "elsewhere", "x.mp4")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "loop").symlink_to(tmp_path / "root")
    assert [p.relative_to(tmp_path / "root").as_posix() for p in files_below(tmp_path / "root")] == ["link/x.mp4"]


def test_json_lists_are_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists_module, "_CHUNK", 7)
    entries = [{"file": f"ü{i}", "n": i, "nested": {"a": [1, "]"]}} for i in range(50)]
    for text in (json.dumps(entries), json.dumps(entries, indent=1, ensure_ascii=False), "[]", " [ ] "):
        (tmp_path / "a.json").write_text(text, encoding="utf-8")
        assert list(json_objects(tmp_path / "a.json")) == json.loads(text)


def test_endless_entries_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists_module, "MAX_OBJECT_CHARACTERS", 1000)
    monkeypatch.setattr(lists_module, "_CHUNK", 100)
    (tmp_path / "a.json").write_text('[{"a": "' + "x" * 100_000)
    with pytest.raises(DatasetError, match="inside entry 1"):
        list(json_objects(tmp_path / "a.json"))


def test_lists_too_large_to_read_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists_module, "MAX_BYTES", 10)
    (tmp_path / "a.csv").write_text("x" * 11)
    with pytest.raises(DatasetError, match="11 bytes is too large for a list"):
        read_text(tmp_path / "a.csv")


def test_tables_with_quotes_marks_and_short_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbfa,b,\r\n"x, y","line\nbreak",dir\r\n\r\n')
    assert read_table(path, required=("a", "")) == [(3, {"a": "x, y", "b": "line\nbreak", "": "dir"})]
    path.write_text("a,b\n1\n")
    with pytest.raises(DatasetError, match=":2: 1 fields for 2 columns"):
        read_table(path, required=("a",))
    path.write_text("a,b\n" + "1" * 200_000 + ",2\n")
    with pytest.raises(DatasetError, match="not valid CSV"):
        read_table(path, required=("a",))
