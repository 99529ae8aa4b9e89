"""What a detector was trained on, so that nobody measures it on the same people by mistake."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vidfake.data.manifest_rows import identities_of
from vidfake.types import VideoRecord


def training_facts(records: Iterable[VideoRecord], earlier: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """For a checkpoint: names of the datasets, and hashes of their sources and people (never names).

    `earlier` are the facts of the detectors whose encoders training began with: what these have seen, this one has
    too.
    """
    known = list(records)
    datasets = {record.dataset for record in known}
    sources = {key for record in known for key in _keys(record)}
    for facts in earlier:
        datasets.update(facts.get("training_datasets") or [])
        sources.update(facts.get("training_sources") or [])
    return {"training_datasets": sorted(datasets), "training_sources": sorted(sources)}


def shared_with_training(extra: dict[str, Any], records: Sequence[VideoRecord]) -> list[str]:
    """Sources of `records` that the checkpoint with this `extra` was trained or selected on, ascending."""
    trained = set(extra.get("training_sources") or [])
    return sorted({record.source_id or record.video_id for record in records if trained & set(_keys(record))})


def _keys(record: VideoRecord) -> list[str]:
    """Hashes of a record's source and of each person in it, within its dataset."""
    names = [("source", record.source_id or record.video_id)]
    names += [("person", person) for person in identities_of(record)]
    return [hashlib.sha256("\x1f".join((record.dataset, *name)).encode()).hexdigest()[:16] for name in names]
