"""Validation parts share nothing with training, whatever the ties between the videos."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidfake.data.items import class_names_of
from vidfake.data.manifest_rows import identities_of
from vidfake.data.splits import source_groups, split_by_source
from vidfake.errors import ManifestError
from vidfake.types import VideoRecord

RECORDS = st.lists(
    st.tuples(st.integers(0, 9), st.lists(st.integers(0, 9), max_size=2), st.integers(-5, 5), st.integers(0, 1)),
    min_size=2,
    max_size=25,
).map(
    lambda rows: [
        VideoRecord(
            f"v{i}",
            f"v{i}.mp4",
            label,
            source_id=f"s{source}",
            identity=";".join(f"p{person}" for person in people),
            pair_id=f"q{pair}" if pair >= 0 else "",
        )
        for i, (source, people, pair, label) in enumerate(rows)
    ]
)


def ties(record: VideoRecord) -> set[str]:
    return {record.source_id, *identities_of(record)} | ({record.pair_id} if record.pair_id else set())


def groups_by_hand(records: list[VideoRecord]) -> list[set[str]]:
    """Connected components, by merging until nothing changes."""
    groups = [ties(record) for record in records]
    while True:
        for a, b in itertools.combinations(groups, 2):
            if a & b:
                groups.remove(b)
                a |= b
                break
        else:
            return groups


@settings(deadline=None, derandomize=True)
@given(RECORDS, st.floats(0.05, 0.95), st.integers(0, 5), st.randoms(use_true_random=False))
def test_parts_share_nothing(records: list[VideoRecord], fraction: float, seed: int, mix: object) -> None:
    number = len(groups_by_hand(records))
    assert len(set(source_groups(records))) == number
    if number < 2:
        with pytest.raises(ManifestError, match=r"form 1 group\(s\)"):
            split_by_source(records, fraction=fraction, seed=seed)
        return
    train, validation = split_by_source(records, fraction=fraction, seed=seed)
    assert train
    assert validation
    assert sorted(r.video_id for r in train + validation) == sorted(r.video_id for r in records)
    assert not set().union(*map(ties, train)) & set().union(*map(ties, validation))
    taken = len(groups_by_hand(validation))
    assert taken == min(number - 1, max(1, round(fraction * number)))
    mixed = list(records)
    mix.shuffle(mixed)  # type: ignore[attr-defined]
    again = split_by_source(mixed, fraction=fraction, seed=seed)[1]
    assert {r.video_id for r in again} == {r.video_id for r in validation}


def test_the_seed_chooses() -> None:
    records = [VideoRecord(f"v{i}", "", 0, source_id=f"s{i}") for i in range(20)]
    chosen = {tuple(r.video_id for r in split_by_source(records, fraction=0.2, seed=s)[1]) for s in range(5)}
    assert len(chosen) == 5
    assert {len(part) for part in chosen} == {4}


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, 2.0])
def test_fractions_that_are_none(fraction: float) -> None:
    with pytest.raises(ManifestError, match="between 0 and 1"):
        split_by_source([], fraction=fraction)


def test_class_names() -> None:
    records = [
        VideoRecord("a", "", 0, "none"),
        VideoRecord("b", "", 1, "swap"),
        VideoRecord("c", "", 1, ""),
        VideoRecord("d", "", None, "x"),
    ]
    assert class_names_of(records, ["blend"]) == ("real", "blend", "fake", "swap")
