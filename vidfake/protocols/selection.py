"""Rows of a manifest that a selection asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from vidfake.errors import ProtocolError
from vidfake.protocols.definition import Role, Selection
from vidfake.registry import nearest
from vidfake.types import FAKE, REAL, VideoRecord

_LABELS = {"real": REAL, "fake": FAKE}


def select_role(name: str, role: Role, manifests: Mapping[str, Sequence[VideoRecord]]) -> dict[str, VideoRecord]:
    """A role's rows by `video_id`. Raises ProtocolError, naming the role, for what cannot be selected."""
    rows: dict[str, VideoRecord] = {}
    for selection in role.select:
        if selection.dataset not in manifests:
            known = sorted(manifests)
            raise ProtocolError(
                f"{name}: no manifest of '{selection.dataset}'. Given: {', '.join(known) or 'none'}."
                f"{nearest(selection.dataset, known)} Scan that corpus and pass its manifest."
            )
        for record in select(name, selection, manifests[selection.dataset]):
            known_record = rows.setdefault(record.video_id, record)
            if known_record != record:
                raise ProtocolError(
                    f"{name}: '{record.video_id}' names two different rows ({known_record.path}, {record.path}). "
                    "Give every video its own video_id."
                )
    return rows


def select(name: str, selection: Selection, records: Sequence[VideoRecord]) -> list[VideoRecord]:
    """The rows that fit. Raises ProtocolError for a value that no row has, and for a row without a label."""
    where = f"{name}: {selection.dataset}"
    _check_known(where, "split", selection.splits, (r.split for r in records))
    _check_known(where, "compression", selection.compressions, (r.compression for r in records))
    fakes = {r.manipulation for r in records if r.label == FAKE}
    _check_known(where, "manipulation", selection.manipulations, fakes)
    _check_known(where, "manipulation", selection.exclude_manipulations, fakes)
    for column, value in selection.where.items():
        _check_known(where, column, (value,), (r.extra.get(column, "") for r in records))
    chosen = [record for record in records if _fits(selection, record)]
    unlabelled = sum(record.label is None for record in chosen)
    if unlabelled:
        raise ProtocolError(f"{where}: {unlabelled} of {len(chosen)} selected rows have no label.")
    return chosen


def _check_known(where: str, column: str, values: Iterable[str], present: Iterable[str]) -> None:
    known = sorted({value for value in present if value})
    for value in values:
        if value not in known:
            raise ProtocolError(
                f"{where}: no row has {column} '{value}'. There: {', '.join(known) or 'none'}."
                f"{nearest(value, known)} Is the download complete, and was it scanned with its lists?"
            )


def _fits(selection: Selection, record: VideoRecord) -> bool:
    if selection.labels and record.label not in {_LABELS[word] for word in selection.labels}:
        return False
    if record.label == FAKE:
        if selection.manipulations and record.manipulation not in selection.manipulations:
            return False
        if record.manipulation in selection.exclude_manipulations:
            return False
    return (
        (not selection.splits or record.split in selection.splits)
        and (not selection.compressions or record.compression in selection.compressions)
        and all(record.extra.get(column, "") == value for column, value in selection.where.items())
    )
