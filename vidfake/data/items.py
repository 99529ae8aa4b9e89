"""What a dataset is made of: stored clips, and fakes to be made from real ones when they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vidfake.data.store_index import StoredClip
from vidfake.errors import ManifestError
from vidfake.registry import nearest
from vidfake.types import FAKE, REAL, VideoRecord

REAL_CLASS = "real"
UNNAMED_FAKE = "fake"  # class of fakes whose manifest names no manipulation
IntArray = npt.NDArray[np.int64]


class Draw(NamedTuple):
    """One clip drawn by a sampler; a dataset takes it as an index.

    `repeat` counts the draws of the same clip within the epoch. `twin`, if not -1, is the item whose randomness of
    sub-clip and augmentation this one shares: a fake and its real are then treated alike.
    """

    item: int
    epoch: int = 0
    repeat: int = 0
    twin: int = -1


@dataclass(frozen=True, slots=True)
class Item:
    """A stored clip (a stretch of it from frame `start`, in evaluation), or a fake that `maker` makes from it."""

    clip: StoredClip
    label: int
    class_label: int
    maker: str = ""
    start: int | None = None
    clip_index: int = 0

    @property
    def video_id(self) -> str:
        """Id of its video; a made fake is a video of its own, named after the real one and the maker."""
        base = self.clip.video.video_id
        return f"{base}#{self.maker}" if self.maker else base


@dataclass(frozen=True)
class SamplingTable:
    """What samplers know of N items; all arrays are (N,) int64, ids are codes of equal strings.

    `labels` 0 real 1 fake; `class_labels` 0 real, 1..M; `videos` the video that the pixels come from (a made fake
    has its real's); `sources`; `pairs` (-1 none); `domains` dataset and compression; `made_from` the real item of a
    made fake, else -1; `start_seconds` (N,) float64 of the clip in its video.
    """

    labels: IntArray
    class_labels: IntArray
    videos: IntArray
    sources: IntArray
    pairs: IntArray
    domains: IntArray
    made_from: IntArray
    start_seconds: npt.NDArray[np.float64]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("class_labels", "videos", "sources", "pairs", "domains", "made_from", "start_seconds"):
            if getattr(self, name).shape != self.labels.shape:
                raise ValueError(f"{name} must be {self.labels.shape}, got {getattr(self, name).shape}")

    def __len__(self) -> int:
        return len(self.labels)


def class_of(record: VideoRecord, class_names: Sequence[str]) -> int:
    """Class index of a labelled record. Raises ManifestError for a class that is not among `class_names`."""
    if record.label is None:
        raise ManifestError(f"video '{record.video_id}' has no label. Add one to the manifest and prepare again.")
    if record.label == REAL:
        return 0
    return class_index(record.manipulation or UNNAMED_FAKE, class_names, f"video '{record.video_id}'")


def class_index(name: str, class_names: Sequence[str], who: str) -> int:
    """Place of a manipulation or maker among `class_names`, or ManifestError."""
    if name not in class_names[1:]:
        known = list(class_names[1:])
        raise ManifestError(
            f"{who} is of class '{name}'. Classes here: {', '.join(known) or 'none'}.{nearest(name, known)}"
        )
    return list(class_names).index(name)


def class_names_of(records: Sequence[VideoRecord], makers: Sequence[str] = ()) -> tuple[str, ...]:
    """``real`` and then, in alphabetical order, every manipulation of the fakes and every maker."""
    fakes = {record.manipulation or UNNAMED_FAKE for record in records if record.label == FAKE}
    return (REAL_CLASS, *sorted(fakes | set(makers)))


def sampling_table(
    items: Sequence[Item], records_by_id: Mapping[str, VideoRecord], class_names: Sequence[str]
) -> SamplingTable:
    """The table of a list of items, with their videos' records."""
    records = [records_by_id[item.clip.video.video_id] for item in items]
    real = {(id(item.clip), item.start): i for i, item in enumerate(items) if not item.maker}
    return SamplingTable(
        labels=np.array([item.label for item in items], dtype=np.int64),
        class_labels=np.array([item.class_label for item in items], dtype=np.int64),
        videos=_codes([record.video_id for record in records]),
        sources=_codes([record.source_id or record.video_id for record in records]),
        pairs=_codes([record.pair_id for record in records]),
        domains=_codes([f"{record.dataset}\x1f{record.compression}" for record in records]),
        made_from=np.array(
            [real[id(item.clip), item.start] if item.maker else -1 for item in items], dtype=np.int64
        ),
        start_seconds=np.array([item.clip.pts_seconds[item.start or 0] for item in items], dtype=np.float64),
        class_names=tuple(class_names),
    )


def _codes(names: Sequence[str]) -> IntArray:
    """Equal strings as equal numbers, in order of appearance; the empty string is -1."""
    known: dict[str, int] = {}
    return np.array([known.setdefault(name, len(known)) if name else -1 for name in names], dtype=np.int64)
