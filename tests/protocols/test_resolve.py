"""Resolving: what each role gets, and everything that is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vidfake.errors import ProtocolError
from vidfake.protocols import Protocol, Role, Selection, by_dataset, load_protocol, resolve
from vidfake.protocols.holdout import hold_out, linked_groups
from vidfake.protocols.overlap import FileHashes
from vidfake.types import VideoRecord


def role(dataset: str, **fields: object) -> Role:
    return Role((Selection(dataset, **fields),))  # type: ignore[arg-type]


def protocol(**fields: object) -> Protocol:
    facts: dict[str, object] = {
        "name": "p",
        "summary": "s",
        "train": role("a", splits=("train",)),
        "validation": role("a", splits=("validation",)),
        "test": {"t": role("a", splits=("test",))},
    }
    return Protocol(**(facts | fields))  # type: ignore[arg-type]


@pytest.fixture
def a(row) -> list[VideoRecord]:
    return [
        row(f"a/{split}{i}{label}", label, split=split, identity=f"a/{split}{i}", source_id=f"a/{split}{i}")
        for split in ("train", "validation", "test")
        for i in range(3)
        for label in (0, 1)
    ]


def change(rows: list[VideoRecord], video_id: str, **fields: object) -> list[VideoRecord]:
    from dataclasses import replace

    assert any(r.video_id == video_id for r in rows)
    return [replace(r, **fields) if r.video_id == video_id else r for r in rows]  # type: ignore[arg-type]


def test_within_ffpp(ffpp: list[VideoRecord]) -> None:
    result = resolve(load_protocol("within_ffpp_c23"), {"ffpp": ffpp})
    assert {name: len(rows) for name, rows in result.roles().items()} == {
        "train": 10, "validation": 10, "test/ffpp": 10,
    }  # fmt: skip
    rows = [r for members in result.roles().values() for r in members]
    assert {r.compression for r in rows} == {"c23"}
    assert not any(r.manipulation == "FaceShifter" for r in rows)
    counts = result.summary()["roles"]["test/ffpp"]
    assert (counts["real"], counts["fake"], counts["sources"]) == (2, 8, 1)
    assert result.skipped == result.dropped == {}
    assert result.notes == []
    json.dumps(result.summary())


def test_leaving_one_out(ffpp: list[VideoRecord]) -> None:
    for name in ("deepfakes", "face2face", "faceswap", "neuraltextures", "faceshifter"):
        result = resolve(load_protocol(f"leave_out_{name}"), {"ffpp": ffpp})
        unseen = {r.manipulation for r in result.tests[name] if r.label == 1}
        seen = {r.manipulation for r in [*result.train, *result.validation] if r.label == 1}
        assert {u.lower() for u in unseen} == {name}
        assert len(seen) == (4 if name == "faceshifter" else 3)
        assert not unseen & seen
        assert any(r.label == 0 for r in result.tests[name])


def test_cross_compression(ffpp: list[VideoRecord]) -> None:
    result = resolve(load_protocol("cross_compression_c40"), {"ffpp": ffpp})
    assert {r.compression for r in result.train} == {"c40"}
    assert {n: {r.compression for r in rows} for n, rows in result.tests.items()} == {
        "raw": {"raw"}, "c23": {"c23"}, "c40": {"c40"},
    }  # fmt: skip


def test_cross_dataset_skips_what_is_not_given_and_says_so(ffpp, row) -> None:
    celeb = [row("celeb-df-v2/r", 0, split="test"), row("celeb-df-v2/f", 1, split="test"),
             row("celeb-df-v2/x", 1, split="train")]  # fmt: skip
    result = resolve(load_protocol("cross_dataset"), {"ffpp": ffpp, "celeb-df-v2": celeb})
    assert list(result.tests) == ["ffpp", "celeb_df_v2"]
    assert [r.video_id for r in result.tests["celeb_df_v2"]] == ["celeb-df-v2/r", "celeb-df-v2/f"]
    assert result.skipped["dfdc"] == "no manifest of dfdc"
    assert result.skipped["df40_cdf"] == "no manifest of df40"
    assert len(result.skipped) == len(load_protocol("cross_dataset").test) - 2
    only = resolve(load_protocol("cross_dataset"), {"ffpp": ffpp}, tests=["ffpp"])
    assert only.skipped == {}
    with pytest.raises(ProtocolError, match="test/dfdc: no manifest of 'dfdc'. Given: ffpp"):
        resolve(load_protocol("cross_dataset"), {"ffpp": ffpp}, tests=["dfdc"])
    with pytest.raises(ProtocolError, match="no test set 'kodx'.*Did you mean 'kodf'"):
        resolve(load_protocol("cross_dataset"), {"ffpp": ffpp}, tests=["kodx"])


def test_deeperforensics_is_measured_on_unseen_targets_only(ffpp, row) -> None:
    """Its own test split is by actor: half of the targets there are FaceForensics++ training videos."""

    def deeper(target: str, ffpp_split: str) -> list[VideoRecord]:
        facts = {"compression": "standard", "source_id": f"ffpp/{target}", "extra": {"ffpp_split": ffpp_split}}
        return [
            row(f"deeperforensics/real/{target}", 0, identity=f"ffpp/{target}", **facts),
            row(f"deeperforensics/end_to_end/{target}_M101", 1, manipulation="end_to_end",
                identity=f"ffpp/{target};deeperforensics/M101", **facts),
        ]  # fmt: skip

    rows = [*deeper("000", "test"), *deeper("071", "train")]
    result = resolve(load_protocol("cross_dataset"), {"ffpp": ffpp, "deeperforensics": rows})
    assert {r.video_id[-3:] for r in result.tests["deeperforensics"] if r.label == 0} == {"000"}
    careless = protocol(
        train=role("ffpp", splits=("train",)), validation=role("ffpp", splits=("validation",)),
        test={"t": role("deeperforensics")},
    )  # fmt: skip
    with pytest.raises(ProtocolError, match="videos of train share people with test/t .*ffpp/071"):
        resolve(careless, {"ffpp": ffpp, "deeperforensics": rows})


def test_df40_takes_its_reals_from_elsewhere(ffpp, row) -> None:
    df40 = [row("df40/simswap/ff/000_003", 1, split="test", extra={"domain": "ff"}),
            row("df40/simswap/cdf/id0_id1_0000", 1, split="test", extra={"domain": "cdf"})]  # fmt: skip
    result = resolve(load_protocol("cross_dataset"), {"ffpp": ffpp, "df40": df40}, tests=["df40_ff"])
    assert sorted(r.video_id for r in result.tests["df40_ff"]) == [
        "df40/simswap/ff/000_003", "ffpp/youtube/c23/000", "ffpp/youtube/c23/003",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("people", {"identity": "a/new; a/test0"}),
        ("sources", {"source_id": "a/test0"}),
    ],
)
@pytest.mark.parametrize("culprit", ["a/train00", "a/validation00"])
def test_overlap_is_refused(a, kind: str, fields: dict[str, str], culprit: str) -> None:
    rows = change(a, culprit, **fields)
    mine = culprit.removeprefix("a/").rstrip("0")
    with pytest.raises(ProtocolError, match=rf"1 videos of {mine} share {kind} with test/t \({culprit}: a/test0\)"):
        resolve(protocol(), {"a": rows})


def test_overlap_of_training_and_validation_is_refused(a) -> None:
    rows = change(a, "a/train00", identity="a/validation2")
    with pytest.raises(ProtocolError, match="1 videos of train share people with validation"):
        resolve(protocol(), {"a": rows})


def test_the_same_content_under_another_name_is_refused(a) -> None:
    train, test = (next(r for r in a if r.video_id == name) for name in ("a/train00", "a/test00"))
    Path(train.path).write_bytes(Path(test.path).read_bytes())
    with pytest.raises(ProtocolError, match=r"share files with the same content with test/t .*a_test00\.mp4"):
        resolve(protocol(), {"a": a})
    unchecked = resolve(protocol(), {"a": a}, check_files=False)
    assert unchecked.notes == ["Files were not compared by content."]


def test_one_file_in_two_roles_is_refused(a) -> None:
    shared = next(r for r in a if r.video_id == "a/test00")
    with pytest.raises(ProtocolError, match="share files with the same content"):
        resolve(protocol(), {"a": change(a, "a/train00", path=shared.path)})


def test_equal_sizes_are_not_equal_content(a) -> None:
    assert len({Path(r.path).stat().st_size for r in a}) == 1
    assert resolve(protocol(), {"a": a}).notes == []


def test_files_that_are_not_there_are_equal_to_nothing(a) -> None:
    for r in a:
        if r.split == "test":
            Path(r.path).write_bytes(b"")
        elif r.split == "train":
            Path(r.path).unlink()
    assert resolve(protocol(), {"a": a}).notes == [
        "6 of 18 files do not exist here and were not compared by content."
    ]


def test_files_that_are_elsewhere_are_counted(a) -> None:
    Path(a[0].path).unlink()
    notes = resolve(protocol(), {"a": a}).notes
    assert notes == ["1 of 18 files do not exist here and were not compared by content."]


def test_overlap_may_be_dropped_and_is_counted(a) -> None:
    rows = change(change(a, "a/train00", identity="a/test0"), "a/validation01", source_id="a/test1")
    Path(next(r.path for r in a if r.video_id == "a/train21")).write_text("a/validation20")
    Path(next(r.path for r in a if r.video_id == "a/validation20")).write_text("a/validation20")
    result = resolve(protocol(overlap="drop"), {"a": rows})
    assert result.dropped == {
        "validation: sources shared with test/t": 1,
        "train: files with the same content shared with validation": 1,
        "train: people shared with test/t": 1,
    }
    assert len(result.train) == 4
    assert len(result.validation) == 5
    assert len(result.tests["t"]) == 6


def test_dropping_everything_is_an_empty_class(a) -> None:
    rows = a
    for i in range(3):
        rows = change(rows, f"a/train{i}0", identity="a/test0")
    with pytest.raises(
        ProtocolError, match=r"train has 0 real and 3 fake videos.*Left out before: 3 \(train: people"
    ):
        resolve(protocol(overlap="drop"), {"a": rows})


@pytest.mark.parametrize("name", ["train", "validation", "test"])
@pytest.mark.parametrize(("label", "message"), [("real", "3 real and 0 fake"), ("fake", "0 real and 3 fake")])
def test_an_empty_class_is_refused_in_every_role(a, name: str, label: str, message: str) -> None:
    half = role("a", splits=(name,), labels=(label,))
    fields = {"test": {"t": half}} if name == "test" else {name: half}
    with pytest.raises(ProtocolError, match=message):
        resolve(protocol(**fields), {"a": a})


@pytest.mark.parametrize("name", ["train", "validation"])
def test_test_rows_neither_train_nor_select(a, row, name: str) -> None:
    for splits in (("test",), ()):
        other = [row(f"b/{s}{i}{y}", y, split=s) for s in ("train", "test") for i in range(2) for y in (0, 1)]
        with pytest.raises(ProtocolError, match=f"{name} would use 4 rows of split 'test', such as b/test00"):
            resolve(protocol(**{name: role("b", splits=splits)}), {"a": a, "b": other})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"splits": ("tset",)}, "no row has split 'tset'. There: test, train, validation. Did you mean 'test'"),
        ({"compressions": ("c23",)}, "no row has compression 'c23'. There: none"),
        ({"manipulations": ("swop",)}, "no row has manipulation 'swop'. There: swap. Did you mean 'swap'"),
        ({"exclude_manipulations": ("swop",)}, "no row has manipulation 'swop'"),
        ({"where": {"ffpp_split": "test"}}, "no row has ffpp_split 'test'"),
    ],
)
def test_values_that_no_row_has(a, fields: dict[str, object], message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        resolve(protocol(test={"t": role("a", **fields)}), {"a": a})


def test_unlabelled_rows_are_refused(a, row) -> None:
    with pytest.raises(ProtocolError, match="1 of 7 selected rows have no label"):
        resolve(protocol(), {"a": [*a, row("a/x", None, split="test")]})


def test_two_rows_of_one_name_are_refused(a, row) -> None:
    clash = [row("a/train00", 0, dataset="b", split="train"), row("b/f", 1, split="train")]
    train = Role((Selection("a", splits=("train",)), Selection("b")))
    with pytest.raises(ProtocolError, match="'a/train00' names two different rows"):
        resolve(protocol(train=train), {"a": a, "b": clash})


def test_selections_that_overlap_count_once(a) -> None:
    train = Role((Selection("a", splits=("train",)), Selection("a", splits=("train",), labels=("real",))))
    assert len(resolve(protocol(train=train), {"a": a}).train) == 6


def test_a_protocol_of_tests_only(a) -> None:
    result = resolve(protocol(train=None, validation=None), {"a": a})
    assert list(result.roles()) == ["test/t"]


def test_no_manifest_at_all(a) -> None:
    with pytest.raises(ProtocolError, match="no manifest for any of its test sets"):
        resolve(protocol(), {"b": a})


def test_the_hash_is_of_rows_and_rules_not_of_places(a, tmp_path: Path) -> None:
    first = resolve(protocol(), {"a": a}).hash
    moved = list(reversed(change(a, "a/test00", path=str(tmp_path / "elsewhere.mp4"))))
    assert resolve(protocol(), {"a": moved}).hash == first
    assert resolve(protocol(), {"a": a[:-1]}).hash != first
    assert resolve(protocol(overlap="drop"), {"a": a}).hash != first
    assert resolve(protocol(), {"a": change(a, "a/test00", source_id="a/other")}).hash != first


def test_by_dataset(a, row) -> None:
    groups = by_dataset([*a, row("b/x", 0)])
    assert {name: len(rows) for name, rows in groups.items()} == {"a": 18, "b": 1}


def test_the_hash_cache_spares_reading(a, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "hashes.json"
    resolve(protocol(), {"a": a}, hash_cache=cache)
    assert len(json.loads(cache.read_text())) > 0

    def fail(path: str) -> str:
        raise AssertionError(f"{path} was read again")

    monkeypatch.setattr("vidfake.protocols.overlap.sha256_file", fail)
    resolve(protocol(), {"a": a}, hash_cache=cache)


def test_a_changed_file_is_hashed_again_and_a_damaged_cache_is_started_anew(tmp_path: Path) -> None:
    cache, file = tmp_path / "hashes.json", tmp_path / "x"
    file.write_text("one")
    hashes = FileHashes(cache)
    first = hashes.sha256(str(file))
    hashes.save()
    file.write_text("three")
    assert FileHashes(cache).sha256(str(file)) != first
    for damage in ("{", "[]", '{"a": 1}'):
        cache.write_text(damage)
        assert len(FileHashes(cache).sha256(str(file))) == 64


def test_hold_out_keeps_people_and_sources_together(row) -> None:
    rows = []
    for i in range(60):
        people = f"p/{i};p/{i + 1}" if i % 3 else f"p/{i}"
        rows += [row(f"d/{i}/{y}", y, identity=people, source_id=f"d/{i // 2}") for y in (0, 1)]
    train, validation = hold_out(rows, 0.2)
    assert len(train) + len(validation) == len(rows)
    people = [{p for r in part for p in r.identity.split(";")} for part in (train, validation)]
    sources = [{r.source_id for r in part} for part in (train, validation)]
    assert not people[0] & people[1]
    assert not sources[0] & sources[1]
    assert 0.1 * len(rows) <= len(validation) <= 0.3 * len(rows)
    again = hold_out(list(reversed(rows)), 0.2)
    assert {r.video_id for r in again[1]} == {r.video_id for r in validation}


def test_linked_groups_are_transitive(row) -> None:
    rows = [row("d/a", 0, identity="x"), row("d/b", 0, identity="x;y"), row("d/c", 0, identity="y"), row("d/d", 0)]
    assert sorted(sorted(r.video_id for r in g) for g in linked_groups(rows)) == [["d/a", "d/b", "d/c"], ["d/d"]]


def test_a_corpus_without_validation_gets_one(row) -> None:
    rows = [row(f"dfdc/train/{i}{y}", y, split="train", source_id=f"dfdc/{i}") for i in range(100) for y in (0, 1)]
    rows += [row(f"dfdc/test/{y}", y, split="test") for y in (0, 1)]
    result = resolve(load_protocol("within_dfdc"), {"dfdc": rows})
    assert len(result.validation) == 10
    assert not {r.source_id for r in result.train} & {r.source_id for r in result.validation}


def test_one_person_everywhere_cannot_be_held_out(row) -> None:
    rows = [row(f"dfdc/train/{i}{y}", y, split="train", identity="p") for i in range(9) for y in (0, 1)]
    rows += [row(f"dfdc/test/{y}", y, split="test") for y in (0, 1)]
    with pytest.raises(ProtocolError, match="validation has 0 real and 0 fake"):
        resolve(load_protocol("within_dfdc"), {"dfdc": rows})
