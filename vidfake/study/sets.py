"""Clips of one part of a study (training, validation, a test) with frame features, mapped, so shared by processes.

A set is a folder of its own. Whoever is given the folders of training and validation can read nothing of a test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from vidfake.data.batch import ClipBatch, ClipItem, collate
from vidfake.data.clips import ClipDataset
from vidfake.data.features import FeatureDataset
from vidfake.data.items import IntArray, SamplingTable
from vidfake.errors import StoreError
from vidfake.files import atomic_writer, sha256_json, write_json
from vidfake.inference.predict import predict
from vidfake.inference.scorer import BatchScores, Scorer
from vidfake.losses.readout import build_readout
from vidfake.scores import ScoreTable
from vidfake.study.projection import Projection
from vidfake.study.results import without_frames

META_FILE, FEATURES_FILE, COLUMNS_FILE, TEMPLATE_FILE = "set.json", "features.npy", "columns.npz", "template.jsonl"
_TEXTS = ("video_ids", "source_ids", "datasets", "compressions")
_ITEMS = ("track_ids", "clip_indices")
_TABLE = tuple(f.name for f in fields(SamplingTable) if f.name != "class_names")


class TensorSet:
    """N clips of T frames: `features` (N, T, D) float32 (mapped, not loaded), `mask` (N, T), what samplers and
    losses need to know of each clip, and a score table to be filled in (`template`)."""

    def __init__(self, folder: Path) -> None:
        meta = json.loads((folder / META_FILE).read_text("utf-8"))
        self.folder = folder
        self.key: str = meta["key"]
        self.class_names: tuple[str, ...] = tuple(meta["class_names"])
        self.texts: dict[str, list[str]] = {name: meta[name] for name in _TEXTS}
        columns = np.load(folder / COLUMNS_FILE, allow_pickle=False)
        # copy-on-write: torch wants an array it could write to, and all processes share the pages that none writes
        self.features = torch.from_numpy(np.load(folder / FEATURES_FILE, mmap_mode="c", allow_pickle=False))
        self.mask, self.pts_seconds = torch.from_numpy(columns["mask"]), torch.from_numpy(columns["pts_seconds"])
        self.numbers: dict[str, IntArray] = {name: columns[name] for name in _ITEMS}
        self.table = SamplingTable(**{name: columns[name] for name in _TABLE}, class_names=self.class_names)
        self.labels = torch.from_numpy(self.table.labels)
        self.class_labels = torch.from_numpy(self.table.class_labels)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def feature_dim(self) -> int:
        """D."""
        return int(self.features.shape[2])

    @cached_property
    def template(self) -> Template:
        """The score table of this set without scores."""
        return Template(ScoreTable.read(self.folder / TEMPLATE_FILE))

    def batch(self, indices: IntArray) -> ClipBatch:
        """The clips of those indices."""
        where = torch.from_numpy(indices)
        texts: dict[str, Any] = {name: [values[i] for i in indices] for name, values in self.texts.items()}
        numbers: dict[str, Any] = {name: values[indices].tolist() for name, values in self.numbers.items()}
        return ClipBatch(
            features=self.features[where],
            mask=self.mask[where],
            pts_seconds=self.pts_seconds[where],
            labels=self.labels[where],
            class_labels=self.class_labels[where],
            **texts,
            **numbers,
        )

    def batches(self, indices: IntArray | None = None, *, size: int = 256) -> Iterator[ClipBatch]:
        """Those clips, or all, in order."""
        order = np.arange(len(self)) if indices is None else indices
        for start in range(0, len(order), size):
            yield self.batch(order[start : start + size])


class PixelSet:
    """The clips of a dataset as pictures, with what `TensorSet` has: for runs that train the encoder too."""

    def __init__(self, dataset: ClipDataset, *, workers: int = 0, batch_size: int = 8) -> None:
        self.dataset, self.workers, self.batch_size = dataset, workers, batch_size
        self.class_names = dataset.class_names
        self.table = dataset.table()
        self.class_labels = torch.from_numpy(self.table.class_labels)

    def __len__(self) -> int:
        return len(self.dataset)

    @cached_property
    def template(self) -> Template:
        """The score table of this set without scores; no picture is read for it."""
        return template_of(self.dataset, _in_order(_Blank(self.dataset)))

    def batch(self, indices: IntArray) -> ClipBatch:
        """The clips of those indices."""
        return collate([self.dataset[int(i)] for i in indices])

    def batches(self, indices: IntArray | None = None) -> Iterator[ClipBatch]:
        """Those clips, or all, in order."""
        chosen = self.dataset if indices is None else Subset(self.dataset, indices.tolist())
        loader: DataLoader[ClipItem] = DataLoader(
            chosen, batch_size=self.batch_size, collate_fn=collate, num_workers=self.workers
        )
        return iter(loader)


class _Blank(Dataset[ClipItem]):
    """The items of a dataset with nothing in them but times and names."""

    def __init__(self, dataset: ClipDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> ClipItem:
        item = self.dataset.items[index]
        start = item.start or 0
        pts = item.clip.pts_seconds[start : start + self.dataset.num_frames]
        blank = np.zeros((len(pts), 1), np.float32)
        return self.dataset.item(item, features=blank, pts_seconds=pts - pts[0])


ClipSet = TensorSet | PixelSet


class Template:
    """A score table whose scores stand for places: filled in by indexing, without walking over videos again."""

    def __init__(self, table: ScoreTable) -> None:
        self.table, self._bare = table, without_frames(table)
        self._clips = table.clip_score.astype(np.int64)
        self._frames = table.frame_score.astype(np.int64)

    def filled(
        self, clip_scores: npt.NDArray[Any], frame_scores: npt.NDArray[Any] | None, *, detector: str = ""
    ) -> ScoreTable:
        """The table with scores of all clips (N,) and of all frames that exist (F,), both in the set's order."""
        changes: dict[str, Any] = {"clip_score": clip_scores.astype(np.float64)[self._clips], "detector": detector}
        if frame_scores is None:
            return replace(self._bare, **changes)
        return replace(self.table, **changes, frame_score=frame_scores.astype(np.float64)[self._frames])


class _Places(Scorer):
    """Scores every clip and frame by its place, to learn where `predict` puts it."""

    def __init__(self) -> None:
        super().__init__(None, build_readout("prototype"))  # type: ignore[arg-type]  # no detector is asked
        self.clips = self.frames = 0

    def __call__(self, batch: ClipBatch, *, flip: bool = False) -> BatchScores:
        mask = batch.mask.numpy()
        frames = np.zeros(mask.shape)
        frames[mask] = self.frames + np.arange(mask.sum())
        clips = self.clips + np.arange(len(mask), dtype=np.float64)
        self.clips, self.frames = self.clips + len(mask), self.frames + int(mask.sum())
        return BatchScores(frames, clips, mask, torch.empty(0))


def template_of(dataset: ClipDataset, batches: Iterator[ClipBatch] | None = None) -> Template:
    """The template of a dataset's clips, in its order."""
    return Template(predict(_Places(), dataset, batches))


def pack(
    folder: Path, dataset: FeatureDataset, key: Mapping[str, Any], projection: Projection | None = None
) -> TensorSet:
    """Write the set of a dataset with cached features, projected if asked, unless it is there, and open it.

    `key` is what the features depend on (`data.features.cache_key`); with the labels it decides the folder's name.
    """
    clips = dataset.dataset
    facts = {
        **key,
        "projection": None if projection is None else projection.digest,
        "classes": list(clips.class_names),
        "items": [[item.video_id, item.clip_index, item.class_label] for item in clips.items],
        "records": [[r.video_id, r.label, r.source_id, r.pair_id, r.identity] for r in clips.records.values()],
    }
    digest = sha256_json(facts)
    path = folder / digest[:16]
    if not (path / META_FILE).exists():
        _write(path, dataset, digest, projection)
    return open_set(path)


def open_set(folder: Path) -> TensorSet:
    """A packed set. Raises StoreError when it is not there or damaged."""
    try:
        return TensorSet(folder)
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{folder}: damaged ({error}). Remove it; the study packs its clips again.") from error


def _write(path: Path, dataset: FeatureDataset, digest: str, projection: Projection | None) -> None:
    loader = _in_order(dataset)
    length = max(dataset.dataset.num_frames, 1)
    with atomic_writer(path / FEATURES_FILE) as handle:
        width = dataset.cache.dim if projection is None else projection.axes.shape[1]
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(dataset), length, width)}
        np.lib.format.write_array_header_1_0(handle, header)
        parts = []
        for batch in loader:
            assert batch.features is not None
            values = batch.features.numpy() if projection is None else projection(batch.features.numpy())
            handle.write(values.astype("<f4").tobytes())
            parts.append(replace(batch, features=batch.features[:, :, :1].clone()))  # the rest is on disk now
    columns: dict[str, npt.NDArray[Any]] = {
        "mask": torch.cat([p.mask for p in parts]).numpy(),
        "pts_seconds": torch.cat([p.pts_seconds for p in parts]).numpy(),
        **{name: np.array([v for p in parts for v in getattr(p, name)], dtype=np.int64) for name in _ITEMS},
    }
    table = dataset.table()
    columns |= {name: getattr(table, name) for name in _TABLE}
    with atomic_writer(path / COLUMNS_FILE) as handle:
        np.savez(handle, **columns)  # type: ignore[arg-type]
    predict(_Places(), dataset.dataset, iter(parts)).write(path / TEMPLATE_FILE)
    texts = {name: [v for p in parts for v in getattr(p, name)] for name in _TEXTS}
    write_json(path / META_FILE, {"key": digest, "class_names": list(dataset.dataset.class_names), **texts})


def _in_order(dataset: Dataset[ClipItem]) -> Iterator[ClipBatch]:
    loader: DataLoader[ClipItem] = DataLoader(
        dataset, batch_size=64, collate_fn=collate, num_workers=0, generator=torch.Generator()
    )
    return iter(loader)


def counts(labels: Sequence[int] | Tensor, names: Sequence[str]) -> dict[str, int]:
    """How many of each class occur, by name."""
    found = np.bincount(np.asarray(labels, dtype=np.int64), minlength=len(names))
    return {name: int(n) for name, n in zip(names, found, strict=False) if n}
