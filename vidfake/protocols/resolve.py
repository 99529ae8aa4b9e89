"""From a protocol and manifests to the rows of every role, or to a refusal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vidfake.config import to_dict
from vidfake.errors import ProtocolError
from vidfake.files import sha256_json
from vidfake.protocols.definition import Protocol, Role
from vidfake.protocols.holdout import hold_out
from vidfake.protocols.overlap import FileHashes, shared_rows
from vidfake.protocols.selection import select_role
from vidfake.registry import nearest
from vidfake.types import FAKE, REAL, VideoRecord

TRAIN, VALIDATION, TEST = "train", "validation", "test"
_NOUNS = {"video": "videos", "person": "people", "source": "sources", "file": "files with the same content"}


@dataclass(frozen=True)
class ResolvedProtocol:
    """The rows of every role, and how they came about.

    `tests` by the protocol's names. `skipped`: test sets without a manifest -> why. `dropped`: rows of training and
    validation that were left out for what they share -> how many. `hash` covers the protocol and every row's facts,
    not where files lie.
    """

    protocol: Protocol
    train: list[VideoRecord]
    validation: list[VideoRecord]
    tests: dict[str, list[VideoRecord]]
    hash: str
    skipped: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def roles(self) -> dict[str, list[VideoRecord]]:
        """All roles that have rows: ``train``, ``validation``, ``test/NAME``."""
        return _roles(self.train, self.validation, self.tests)

    def summary(self) -> dict[str, Any]:
        """JSON-ready description for a report: protocol, hash, counts per role, and what was left out."""
        return {
            "protocol": to_dict(self.protocol),
            "hash": self.hash,
            "roles": {name: role_counts(rows) for name, rows in self.roles().items()},
            "skipped": dict(self.skipped),
            "dropped": dict(self.dropped),
            "notes": list(self.notes),
        }


def role_counts(records: Sequence[VideoRecord]) -> dict[str, Any]:
    """Videos, reals, fakes, distinct sources, and videos per corpus, compression and manipulation."""
    return {
        "videos": len(records),
        "real": sum(r.label == REAL for r in records),
        "fake": sum(r.label == FAKE for r in records),
        "sources": len({r.source_id or r.video_id for r in records}),
        "datasets": dict(sorted(Counter(r.dataset for r in records).items())),
        "compressions": dict(sorted(Counter(r.compression for r in records).items())),
        "manipulations": dict(sorted(Counter(r.manipulation for r in records).items())),
    }


def by_dataset(records: Iterable[VideoRecord]) -> dict[str, list[VideoRecord]]:
    """Rows by their column `dataset`: what `resolve` takes, from one manifest or from several put together."""
    groups: dict[str, list[VideoRecord]] = {}
    for record in records:
        groups.setdefault(record.dataset, []).append(record)
    return groups


def resolve(
    protocol: Protocol,
    manifests: Mapping[str, Sequence[VideoRecord]],
    *,
    tests: Sequence[str] | None = None,
    check_files: bool = True,
    hash_cache: Path | str | None = None,
) -> ResolvedProtocol:
    """The rows of every role, checked.

    Args:
        protocol: what `load_protocol` gives.
        manifests: rows by corpus (`by_dataset`); read them with ``allow_split_overlap=True``, the check is here.
        tests: names of the test sets to use; None uses all whose corpora are given, and notes the others.
        check_files: also compare files by content, where sizes are equal and files exist.
        hash_cache: file in which contents' hashes are kept between runs.

    Raises ProtocolError: a role without reals or without fakes, test rows in training or validation, people,
    sources, videos or files in two roles (unless the protocol drops them), a value that no row has.
    """
    chosen, skipped = _choose_tests(protocol, manifests, tests)
    train = _select(TRAIN, protocol.train, manifests)
    validation = _select(VALIDATION, protocol.validation, manifests)
    test_rows = {name: _select(f"{TEST}/{name}", protocol.test[name], manifests) for name in chosen}
    for role, rows in ((TRAIN, train), (VALIDATION, validation)):
        _refuse_test_rows(role, rows)

    hashes = FileHashes(hash_cache) if check_files else None
    dropped: dict[str, int] = {}
    measured = [(f"{TEST}/{name}", rows) for name, rows in test_rows.items()]
    validation = _separate(protocol, VALIDATION, validation, measured, hashes, dropped)
    later = [(VALIDATION, validation), *measured]
    train = _separate(protocol, TRAIN, train, later, hashes, dropped)
    if protocol.validation_fraction:
        train, validation = hold_out(train, protocol.validation_fraction)
        train = _separate(protocol, TRAIN, train, [(VALIDATION, validation)], hashes, dropped)
    if hashes is not None:
        hashes.save()

    roles = _roles(train, validation, test_rows)
    wanted = [*([TRAIN, VALIDATION] if protocol.train else []), *(name for name, _ in measured)]
    for role in [*wanted, *([VALIDATION] if protocol.validation and not protocol.train else [])]:
        _refuse_empty_class(role, roles.get(role, []), dropped)
    return ResolvedProtocol(
        protocol=protocol,
        train=train,
        validation=validation,
        tests=test_rows,
        hash=_hash(protocol, roles),
        skipped=skipped,
        dropped=dropped,
        notes=_notes(roles, hashes),
    )


def _roles(
    train: list[VideoRecord], validation: list[VideoRecord], tests: Mapping[str, list[VideoRecord]]
) -> dict[str, list[VideoRecord]]:
    roles = {TRAIN: train, VALIDATION: validation} | {f"{TEST}/{name}": rows for name, rows in tests.items()}
    return {name: rows for name, rows in roles.items() if rows}


def _choose_tests(
    protocol: Protocol, manifests: Mapping[str, Sequence[VideoRecord]], tests: Sequence[str] | None
) -> tuple[list[str], dict[str, str]]:
    known = list(protocol.test)
    for name in tests or ():
        if name not in known:
            raise ProtocolError(
                f"{protocol.name}: no test set '{name}'. It has: {', '.join(known)}.{nearest(name, known)}"
            )
    if tests is not None:
        return list(dict.fromkeys(tests)), {}
    skipped = {}
    for name, role in protocol.test.items():
        absent = [s.dataset for s in role.select if s.dataset not in manifests]
        if absent:
            skipped[name] = f"no manifest of {', '.join(dict.fromkeys(absent))}"
    chosen = [name for name in known if name not in skipped]
    if not chosen:
        raise ProtocolError(
            f"{protocol.name}: no manifest for any of its test sets ({', '.join(known)}). Given: "
            f"{', '.join(sorted(manifests)) or 'none'}."
        )
    return chosen, skipped


def _select(name: str, role: Role | None, manifests: Mapping[str, Sequence[VideoRecord]]) -> list[VideoRecord]:
    return [] if role is None else list(select_role(name, role, manifests).values())


def _refuse_test_rows(role: str, rows: list[VideoRecord]) -> None:
    test_rows = [record for record in rows if record.split == TEST]
    if test_rows:
        raise ProtocolError(
            f"{role} would use {len(test_rows)} rows of split 'test', such as {test_rows[0].video_id}. Test data "
            "neither trains nor selects: name the splits in its select."
        )


def _separate(
    protocol: Protocol,
    role: str,
    rows: list[VideoRecord],
    later: Sequence[tuple[str, list[VideoRecord]]],
    hashes: FileHashes | None,
    dropped: dict[str, int],
) -> list[VideoRecord]:
    """`rows` without what they share with later roles; where the protocol does not drop, ProtocolError."""
    problems = []
    for other, other_rows in later:
        for kind, shared in shared_rows(rows, other_rows, hashes).items():
            video_id, what = min(shared.items())
            problems.append(
                f"{len(shared)} videos of {role} share {_NOUNS[kind]} with {other} ({video_id}: {what})"
            )
            if protocol.overlap == "drop":
                dropped[f"{role}: {_NOUNS[kind]} shared with {other}"] = len(shared)
                rows = [record for record in rows if record.video_id not in shared]
    if problems and protocol.overlap == "refuse":
        raise ProtocolError(
            f'{protocol.name}: {"; ".join(problems)}. Choose disjoint selections, or set overlap = "drop" to leave '
            f"such rows out of {TRAIN} and {VALIDATION}."
        )
    return rows


def _refuse_empty_class(role: str, rows: list[VideoRecord], dropped: Mapping[str, int]) -> None:
    reals, fakes = (sum(record.label == label for record in rows) for label in (REAL, FAKE))
    if not reals or not fakes:
        why = f" Left out before: {'; '.join(f'{n} ({k})' for k, n in dropped.items())}." if dropped else ""
        raise ProtocolError(
            f"{role} has {reals} real and {fakes} fake videos; it needs both.{why} Add the missing class to its "
            "select (some corpora take their reals from another one: docs/datasets.md)."
        )


def _hash(protocol: Protocol, roles: Mapping[str, list[VideoRecord]]) -> str:
    rows = {
        name: sorted(
            [r.video_id, r.label, r.manipulation, r.source_id, r.identity, r.dataset, r.split, r.compression,
             r.region.as_text() if r.region else ""]
            for r in records
        )
        for name, records in roles.items()
    }  # fmt: skip
    return sha256_json({"protocol": to_dict(protocol), "roles": rows})


def _notes(roles: Mapping[str, list[VideoRecord]], hashes: FileHashes | None) -> list[str]:
    records = {r.video_id: r for rows in roles.values() for r in rows}.values()
    notes = []
    if hashes is None:
        notes.append("Files were not compared by content.")
    elif absent := sum(hashes.size(record.path) is None for record in records):
        notes.append(f"{absent} of {len(records)} files do not exist here and were not compared by content.")
    anonymous = sum(not record.identity for record in records)
    if anonymous:
        notes.append(
            f"{anonymous} of {len(records)} videos name no person: disjoint people cannot be checked there."
        )
    return notes
