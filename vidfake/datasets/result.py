"""What a scan found, against what the authors published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from vidfake.errors import DatasetError
from vidfake.types import FAKE, NO_MANIPULATION, REAL, VideoRecord

PERSON_SEPARATOR = ";"
"""Between the people of one video in `VideoRecord.identity`: whoever is seen, then whose face or voice was used."""

SPLITS = ("train", "validation", "test")

_SHOWN = 3  # examples in a warning
_WORDS = {REAL: "real", FAKE: "fake", None: ""}


class Group(NamedTuple):
    """Videos that are counted together."""

    compression: str
    split: str
    label: int | None
    manipulation: str

    def words(self) -> str:
        """``c23 test fake Deepfakes``."""
        kind = _WORDS[self.label] or "unlabelled"
        manipulation = "" if self.manipulation == NO_MANIPULATION else self.manipulation
        return " ".join(word for word in (self.compression, self.split, kind, manipulation) if word)


@dataclass(frozen=True)
class Published:
    """How many videos one part of a corpus has according to `source`; None leaves a field open."""

    count: int
    source: str
    label: int | None = None
    manipulation: str | None = None
    split: str | None = None
    compression: str | None = None

    @property
    def what(self) -> str:
        """The part in words: ``c23 test fake Deepfakes``."""
        words = (self.compression, self.split, _WORDS[self.label], self.manipulation)
        return " ".join(word for word in words if word) or "all"

    def matches(self, group: Group) -> bool:
        """Whether a group belongs to this part."""
        wanted = (self.compression, self.split, self.label, self.manipulation)
        return all(value is None or value == has for value, has in zip(wanted, group, strict=True))


@dataclass(frozen=True)
class CountRow:
    """One line of the comparison: `published` is None where the authors give no figure for this part."""

    what: str
    found: int
    published: int | None = None
    source: str = ""


@dataclass(frozen=True)
class ScanResult:
    """One corpus, scanned.

    `records` have absolute paths and are ready for a manifest. `pending` are sequences of frames that have to be
    converted to video first (`videos=FOLDER`). `missing`: listed or implied by the corpus, but not on disk, or
    empty. `extra`: on disk, but not part of the corpus. `variant`: which of the known layouts was met.
    """

    dataset: str
    root: Path
    variant: str
    records: list[VideoRecord]
    published: tuple[Published, ...] = ()
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    pending: list[VideoRecord] = field(default_factory=list)

    def found(self) -> Counter[Group]:
        """How many videos of each group there are, pending ones included."""
        return Counter(
            Group(r.compression, r.split, r.label, r.manipulation) for r in [*self.records, *self.pending]
        )

    def counts(self) -> list[CountRow]:
        """Every group that was found, then every published figure with what was found for it."""
        found = self.found()
        rows = [CountRow(group.words(), found[group]) for group in sorted(found, key=Group.words)]
        for part in self.published:
            number = sum(count for group, count in found.items() if part.matches(group))
            rows.append(CountRow(part.what, number, part.count, part.source))
        return rows

    def shortfalls(self) -> list[CountRow]:
        """Published figures that the scan does not reach or exceeds."""
        return [row for row in self.counts() if row.published is not None and row.found != row.published]


class ScanBuilder:
    """Collects the records of one corpus. Every reader fills one and ends with `finish`."""

    def __init__(self, dataset: str, root: Path, *, licence: str, origin: str) -> None:
        self.dataset, self.root = dataset, root
        self._licence, self._origin = licence, origin
        self._records: dict[str, VideoRecord] = {}
        self._pending: dict[str, VideoRecord] = {}
        self.missing: list[str] = []
        self.extra: list[str] = []
        self.warnings: list[str] = []

    def add(
        self,
        path: Path,
        *,
        video_id: str,
        label: int | None,
        manipulation: str = "",
        split: str = "",
        compression: str = "",
        source_id: str = "",
        pair_id: str = "",
        people: Iterable[str] = (),
        extra: Mapping[str, str] | None = None,
        pending: bool = False,
    ) -> None:
        """One video. A second one of the same `video_id` and an empty file are not taken, and are told."""
        if video_id in self._records or video_id in self._pending:
            self.extra.append(f"{self.relative(path)} (a second copy of {video_id})")
            return
        if not pending and is_empty(path):
            self.missing.append(f"{self.relative(path)} (0 bytes)")
            return
        record = VideoRecord(
            video_id=video_id,
            path=str(path),
            label=label,
            manipulation=NO_MANIPULATION if label == REAL else manipulation,
            source_id=source_id or video_id,
            pair_id=pair_id,
            split=split,
            dataset=self.dataset,
            compression=compression,
            identity=PERSON_SEPARATOR.join(dict.fromkeys(p for p in people if p)),
            origin=self._origin,
            license=self._licence,
            extra={name: value for name, value in (extra or {}).items() if value},
        )
        (self._pending if pending else self._records)[video_id] = record

    def relative(self, path: Path) -> str:
        """`path` as seen from the root, for messages."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()

    @property
    def records(self) -> list[VideoRecord]:
        """What was added so far."""
        return list(self._records.values())

    def finish(self, variant: str, published: Sequence[Published] = ()) -> ScanResult:
        """The result, sorted by video id. Raises DatasetError when nothing at all was found."""
        if not self._records and not self._pending:
            raise DatasetError(
                f"{self.root}: no video of {self.dataset} in it ({variant}). Check that the download is unpacked; "
                f"docs/datasets.md shows the layout. {_examples('Not recognised', self.extra)}".strip()
            )
        _drop_lonely_pairs(self._records)
        result = ScanResult(
            dataset=self.dataset,
            root=self.root,
            variant=variant,
            records=[self._records[key] for key in sorted(self._records)],
            published=tuple(published),
            missing=sorted(self.missing),
            extra=sorted(self.extra),
            warnings=self.warnings,
            pending=[self._pending[key] for key in sorted(self._pending)],
        )
        result.warnings.extend(_warnings(result))
        return result


def is_empty(path: Path) -> bool:
    """Whether a file has no bytes (an aborted download)."""
    return path.stat().st_size == 0


def _drop_lonely_pairs(records: dict[str, VideoRecord]) -> None:
    """A pair id that no real video (or no fake) of this scan has would be a pair of one: it is left out."""
    labels: dict[str, set[int | None]] = {}
    for record in records.values():
        labels.setdefault(record.pair_id, set()).add(record.label)
    for video_id, record in records.items():
        if record.pair_id and labels[record.pair_id] != {REAL, FAKE}:
            records[video_id] = replace(record, pair_id="")


def _examples(title: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{title}: {', '.join(sorted(names)[:_SHOWN])}{more}."


def _warnings(result: ScanResult) -> list[str]:
    warnings = [
        f"{row.what}: {row.found} found, {row.published} published ({row.source})."
        + (" The download looks incomplete." if row.found < (row.published or 0) else "")
        for row in result.shortfalls()
    ]
    if result.missing:
        warnings.append(f"{len(result.missing)} missing. {_examples('Missing', result.missing)}")
    if result.extra:
        warnings.append(f"{len(result.extra)} files not taken. {_examples('Not taken', result.extra)}")
    if len({r.label for r in [*result.records, *result.pending]} & {REAL, FAKE}) == 1:
        warnings.append("All videos have the same label: no figure can be computed from this corpus alone.")
    shared = people_in_two_splits(result.records)
    if shared:
        warnings.append(
            f"{len(shared)} people or sources are in two splits, such as {min(shared)}: this is how the corpus is "
            "published. A protocol refuses such a pair of roles, or drops the rows that are shared."
        )
    if result.pending:
        warnings.append(
            f"{len(result.pending)} sequences are frames, not videos: scan with videos=FOLDER to convert them."
        )
    return warnings


def people_in_two_splits(records: Iterable[VideoRecord]) -> set[str]:
    """Identities and sources that appear in more than one named split."""
    splits: dict[str, set[str]] = {}
    for record in records:
        for key in {record.source_id, *filter(None, record.identity.split(PERSON_SEPARATOR))}:
            if record.split:
                splits.setdefault(key, set()).add(record.split)
    return {key for key, where in splits.items() if len(where) > 1}
