"""Train and validation parts that share no source, no person and no pair."""

from __future__ import annotations

from collections.abc import Sequence

from vidfake.data.manifest_rows import identities_of
from vidfake.errors import ManifestError
from vidfake.seeding import derived_seed
from vidfake.types import VideoRecord


def split_by_source(
    records: Sequence[VideoRecord], *, fraction: float, seed: int = 0
) -> tuple[list[VideoRecord], list[VideoRecord]]:
    """Records for training and for validation, which gets about `fraction` of the groups.

    Records that share a source, a person or a pair, directly or through others, are one group and stay together.
    Which groups are taken depends on `seed` and the names in them, not on the order of the records. Raises
    ManifestError when everything is one group.
    """
    if not 0 < fraction < 1:
        raise ManifestError(f"validation fraction is {fraction}; it must lie between 0 and 1.")
    groups = source_groups(records)
    members: dict[int, list[str]] = {}
    for record, group in zip(records, groups, strict=True):
        members.setdefault(group, []).append(record.source_id or record.video_id)
    if len(members) < 2:
        raise ManifestError(
            f"{len(records)} videos share sources or people and form {len(members)} group(s); a validation part "
            "needs at least 2. Add videos of other people, or give the validation rows in the manifest."
        )
    ordered = sorted(members, key=lambda group: derived_seed(seed, "validation", min(members[group])))
    taken = set(ordered[: min(len(ordered) - 1, max(1, round(fraction * len(ordered))))])
    train = [record for record, group in zip(records, groups, strict=True) if group not in taken]
    validation = [record for record, group in zip(records, groups, strict=True) if group in taken]
    return train, validation


def source_groups(records: Sequence[VideoRecord]) -> list[int]:
    """A group number per record: equal where records are tied by source, person or pair, through any chain."""
    parent = list(range(len(records)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for i, record in enumerate(records):
        for tie in _ties(record):
            parent[root(i)] = root(first.setdefault(tie, i))
    return [root(i) for i in range(len(records))]


def _ties(record: VideoRecord) -> list[tuple[str, str]]:
    ties = [("source", record.source_id or record.video_id)]
    ties += [("person", person) for person in identities_of(record)]
    if record.pair_id:
        ties.append(("pair", record.pair_id))
    return ties
