"""A validation part for corpora that have none: whole groups of people and sources, chosen by hash."""

from __future__ import annotations

from collections.abc import Sequence

from vidfake.data.manifest_rows import identities_of
from vidfake.seeding import derived_seed
from vidfake.types import VideoRecord


def hold_out(records: Sequence[VideoRecord], fraction: float) -> tuple[list[VideoRecord], list[VideoRecord]]:
    """(train, validation): videos that share a person or a source stay on one side.

    Groups are taken in the order of a hash of their first source, so that the choice depends on the rows alone and
    changes little when rows are added. Validation takes groups until it has `fraction` of the videos; a group that
    would overshoot this by more than half is passed over.
    """
    groups = linked_groups(records)
    order = sorted(groups, key=lambda group: derived_seed("validation", min(map(_source, group))))
    target = fraction * len(records)
    chosen: set[str] = set()
    for group in order:
        if len(chosen) >= target:
            break
        if len(chosen) + len(group) <= 1.5 * target:
            chosen.update(record.video_id for record in group)
    train = [record for record in records if record.video_id not in chosen]
    return train, [record for record in records if record.video_id in chosen]


def _source(record: VideoRecord) -> str:
    return record.source_id or record.video_id


def linked_groups(records: Sequence[VideoRecord]) -> list[list[VideoRecord]]:
    """Rows in groups that share no person and no source with each other."""
    leader = list(range(len(records)))

    def find(index: int) -> int:
        while leader[index] != index:
            leader[index] = leader[leader[index]]
            index = leader[index]
        return index

    first: dict[tuple[str, str], int] = {}
    for index, record in enumerate(records):
        keys = [("source", _source(record)), *(("person", person) for person in identities_of(record))]
        for key in keys:
            leader[find(index)] = find(first.setdefault(key, index))
    groups: dict[int, list[VideoRecord]] = {}
    for index, record in enumerate(records):
        groups.setdefault(find(index), []).append(record)
    return list(groups.values())
