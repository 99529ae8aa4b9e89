"""Frame features of a frozen encoder, computed once and kept: training on them takes seconds per epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vidfake.data import store_format as fmt
from vidfake.data.batch import ClipBatch, ClipItem, collate
from vidfake.data.clips import ClipDataset
from vidfake.data.items import Draw, Item, SamplingTable
from vidfake.errors import StoreError, UsageError
from vidfake.files import atomic_writer, sha256_file, sha256_json, write_json
from vidfake.synth.version import describe_maker, synth_version
from vidfake.types import FloatArray

Encode = Callable[[Tensor], Tensor]
"""(B, T, 3, H, W) uint8 frames -> (B, T, D) features, on any device, in evaluation mode."""
Progress = Callable[[str, int, int | None], None]
DType = Literal["float32", "float16"]

META_FILE, DATA_FILE = "features.json", "features.bin"
FORMAT_VERSION = 1
MAX_META_BYTES = 2**28
MAX_DIM = 2**16


class FeatureCache:
    """Features (T, D) of every item of a dataset, in one file read by memory map.

    A cache is a folder with the features and the `key` they were made under. Open one with `open_cache`, make one
    with `build_cache`, or have `cached_features` do what is needed.
    """

    def __init__(self, folder: Path, lengths: Sequence[int], dim: int, dtype: DType) -> None:
        self.folder = folder
        self.dim = dim
        self._dtype = dtype
        self._ends = np.cumsum(np.asarray(lengths, dtype=np.int64))
        self._map: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self._ends)

    def read(self, index: int) -> FloatArray:
        """Features (T, D) float32 of one item."""
        if self._map is None:
            shape = (int(self._ends[-1]), self.dim)
            self._map = np.memmap(self.folder / DATA_FILE, dtype=self._dtype, mode="r", shape=shape)
        start = int(self._ends[index - 1]) if index else 0
        return np.array(self._map[start : int(self._ends[index])], dtype=np.float32)

    def __getstate__(self) -> dict[str, Any]:
        # pickled without the map: a worker process maps the file itself instead of receiving it whole
        return {**self.__dict__, "_map": None}


class FeatureDataset(Dataset[ClipItem]):
    """The items of a dataset with their cached features in place of pictures; indexed by int or `Draw` as it is."""

    def __init__(self, dataset: ClipDataset, cache: FeatureCache) -> None:
        if len(cache) != len(dataset):
            raise StoreError(f"{cache.folder}: has features of {len(cache)} clips, the dataset has {len(dataset)}.")
        self.dataset = dataset
        self.cache = cache

    @property
    def items(self) -> list[Item]:
        """The dataset's items."""
        return self.dataset.items

    def table(self) -> SamplingTable:
        """What samplers need to know of the items."""
        return self.dataset.table()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int | Draw) -> ClipItem:
        number = index.item if isinstance(index, Draw) else index
        item = self.dataset.items[number]
        start = item.start or 0
        pts = item.clip.pts_seconds[start : start + self.dataset.num_frames]
        return self.dataset.item(item, features=self.cache.read(number), pts_seconds=pts - pts[0])


def cache_key(dataset: ClipDataset, encoder: Mapping[str, Any], dtype: DType) -> dict[str, Any]:
    """What cached features depend on: the clips' bytes, the fakes made of them, and what `encoder` says.

    Of the fakes: the seed, each maker's options, the code of `vidfake.synth`, and who may lend a face to whom.
    """
    clips = [
        [
            item.clip.sha256,
            item.clip.video.video_id,
            item.clip.track_id,
            item.clip.clip_index,
            item.start,
            item.maker,
        ]
        for item in dataset.items
    ]
    return {
        "format_version": FORMAT_VERSION,
        "clips": sha256_json(clips),
        "num_frames": dataset.num_frames,
        "makers": {name: describe_maker(dataset.makers[name]) for name in sorted(dataset.makers)},
        "synth": synth_version() if dataset.makers else None,
        "donors": dataset.donors.key() if dataset.donors else None,
        "seed": dataset.seed if dataset.makers else None,
        "encoder": dict(encoder),
        "dtype": dtype,
    }


def cached_features(
    folder: Path | str,
    dataset: ClipDataset,
    encode: Encode,
    *,
    encoder: Mapping[str, Any],
    dtype: DType = "float32",
    batch_size: int = 8,
    workers: int = 0,
    progress: Progress | None = None,
) -> FeatureDataset:
    """The dataset with features, from a cache below `folder` that is made when there is none for this key.

    Args:
        folder: holds any number of caches, one folder each, named by the key's hash.
        dataset: in evaluation form (`training=False`): features of randomly augmented clips cannot be kept.
        encode: the frozen encoder.
        encoder: JSON-ready facts that decide its features: hash of its weights, input size, name.
        dtype: of the file; ``float16`` halves it.
    """
    key = cache_key(dataset, encoder, dtype)
    path = Path(folder) / sha256_json(key)[:24]
    if not (path / META_FILE).exists():
        build_cache(path, dataset, encode, key=key, batch_size=batch_size, workers=workers, progress=progress)
    return FeatureDataset(dataset, open_cache(path, key=key))


def open_cache(folder: Path | str, *, key: Mapping[str, Any]) -> FeatureCache:
    """A cache made under exactly this `key`. Raises StoreError when stale (naming what differs) or damaged."""
    folder = Path(folder)
    path = folder / META_FILE
    meta = fmt.expect(fmt.read_json(path, folder, MAX_META_BYTES), dict, str(path))
    made = fmt.expect(meta.get("key"), dict, f"{path}: key")
    differing = sorted(name for name in {*made, *key} if made.get(name) != key.get(name))
    if differing:
        shown = "; ".join(f"{name}: {made.get(name)!r} -> {key.get(name)!r}" for name in differing)
        raise StoreError(f"{folder}: the features are stale ({shown}). Remove the folder and compute them again.")
    lengths = fmt.expect_ints(meta.get("lengths"), 1, fmt.MAX_FACES_PER_CLIP, f"{path}: lengths")
    dim = fmt.expect_int(meta.get("dim"), 1, MAX_DIM, f"{path}: dim")
    data, dtype = folder / DATA_FILE, key["dtype"]
    expected = sum(lengths) * dim * np.dtype(dtype).itemsize
    if not data.is_file() or data.stat().st_size != expected or sha256_file(data) != meta.get("sha256"):
        raise StoreError(f"{data}: is not what was written. Remove the folder and compute the features again.")
    return FeatureCache(folder, lengths, dim, dtype)


@torch.no_grad()
def build_cache(
    folder: Path | str,
    dataset: ClipDataset,
    encode: Encode,
    *,
    key: Mapping[str, Any],
    batch_size: int = 8,
    workers: int = 0,
    progress: Progress | None = None,
) -> None:
    """Run `encode` over every item of `dataset` and write the features. Interrupted, it leaves no cache."""
    if dataset.training:
        raise UsageError(
            "features are cached of clips as evaluation sees them; make the dataset with training=False"
        )
    folder = Path(folder)
    batches: DataLoader[ClipItem] = DataLoader(
        dataset, batch_size=batch_size, collate_fn=collate, num_workers=workers, generator=torch.Generator()
    )
    lengths: list[int] = []
    dim = 0
    digest = hashlib.sha256()
    with atomic_writer(folder / DATA_FILE) as handle:
        for batch in batches:
            for features in _encoded(batch, encode, key["dtype"]):
                dim = features.shape[1]
                lengths.append(len(features))
                data = features.tobytes()
                digest.update(data)
                handle.write(data)
            if progress is not None:
                progress("features", len(lengths), len(dataset))
    write_json(folder / META_FILE, {"key": dict(key), "lengths": lengths, "dim": dim, "sha256": digest.hexdigest()})


def _encoded(batch: ClipBatch, encode: Encode, dtype: DType) -> list[npt.NDArray[Any]]:
    """Features of each clip, padding left out."""
    if batch.frames is None:
        raise UsageError("features are made from frames, and this batch has none")
    features = encode(batch.frames).float().cpu()
    if features.shape[:2] != batch.mask.shape or features.ndim != 3:
        raise UsageError(
            f"the encoder gave {tuple(features.shape)} for {tuple(batch.mask.shape)} frames. Only frame encoders, "
            "with one feature per frame, can be cached."
        )
    with np.errstate(over="ignore"):  # an overflow is found below
        arrays = [clip[mask].numpy().astype(dtype) for clip, mask in zip(features, batch.mask, strict=True)]
    if not all(np.isfinite(array).all() for array in arrays):
        raise UsageError(f"features are not finite as {dtype}. Use dtype float32, or check the encoder's weights.")
    return arrays
