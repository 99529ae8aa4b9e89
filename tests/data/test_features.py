"""Cached features: the same as computing them, refused when anything they depend on has changed."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from vidfake.data import features as cached
from vidfake.data.clips import ClipDataset, Draw, collate
from vidfake.data.features import cache_key, cached_features, open_cache
from vidfake.data.store import ClipStore
from vidfake.errors import StoreError, UsageError
from vidfake.synth.base import MadeClip, MakerClip
from vidfake.synth.compose import build_maker

ENCODER = {"name": "means", "weights_sha256": "0" * 64, "input_size": 32}


def means(frames: Tensor) -> Tensor:
    """A frame encoder: mean colour and spread, D = 6."""
    pixels = frames.float().flatten(3)
    return torch.cat([pixels.mean(-1), pixels.std(-1)], dim=-1)


def invert(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
    faces = (255 - clip.faces - rng.integers(0, 9, dtype=np.uint8)).astype(np.uint8)
    return MadeClip(faces=faces, mask=np.ones(faces.shape[:3], np.float32))


def made(store: ClipStore, **options: Any) -> ClipDataset:
    return ClipDataset(store, makers={"invert": invert}, **options)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 0), ("float16", 0.25)])
def test_features_are_those_of_the_clips(
    small_store: ClipStore, tmp_path: Path, dtype: Any, tolerance: float
) -> None:
    dataset = made(small_store)
    data = cached_features(tmp_path, dataset, means, encoder=ENCODER, dtype=dtype, batch_size=3)
    assert len(data) == len(dataset) == 15 + 9
    for index in range(len(dataset)):
        pictures, item = dataset[index], data[Draw(index, epoch=4)]
        expected = means(torch.from_numpy(pictures.faces).permute(0, 3, 1, 2)[None])[0].numpy()
        assert item.features.dtype == np.float32
        assert np.abs(item.features - expected).max() <= tolerance
        assert (item.video_id, item.label, item.class_label) == (
            pictures.video_id,
            pictures.label,
            pictures.class_label,
        )
        assert np.array_equal(item.pts_seconds, pictures.pts_seconds)
    batch = collate([data[i] for i in range(4)])
    assert batch.frames is None
    assert batch.features is not None
    assert batch.features.shape == (4, 6, 6)
    assert batch.mask.sum(1).tolist() == [6, 6, 3, 6]


def test_a_cache_is_used_again(small_store: ClipStore, tmp_path: Path) -> None:
    calls: list[int] = []

    def counted(frames: Tensor) -> Tensor:
        calls.append(len(frames))
        return means(frames)

    steps: list[tuple[str, int, int | None]] = []
    first = cached_features(
        tmp_path, made(small_store), counted, encoder=ENCODER, progress=lambda *step: steps.append(step)
    )
    assert (sum(calls), steps[-1]) == (24, ("features", 24, 24))
    again = cached_features(tmp_path, made(small_store), counted, encoder=ENCODER)
    assert sum(calls) == 24
    assert np.array_equal(first[3].features, again[3].features)
    cached_features(tmp_path, made(small_store, seed=1), counted, encoder=ENCODER)
    cached_features(tmp_path, made(small_store), counted, encoder={**ENCODER, "input_size": 64})
    cached_features(tmp_path, ClipDataset(small_store), counted, encoder=ENCODER)
    cached_features(tmp_path, ClipDataset(small_store, seed=1), counted, encoder=ENCODER)  # no maker: no randomness
    assert sum(calls) == 3 * 24 + 15


def test_stale_features_are_refused_and_the_difference_named(small_store: ClipStore, tmp_path: Path) -> None:
    dataset = made(small_store)
    cache = cached_features(tmp_path, dataset, means, encoder=ENCODER).cache
    key = cache_key(dataset, ENCODER, "float32")
    assert len(open_cache(cache.folder, key=key)) == 24
    with pytest.raises(StoreError, match=r"stale \(encoder: .*'input_size': 32.* -> .*'input_size': 64"):
        open_cache(cache.folder, key=cache_key(dataset, {**ENCODER, "input_size": 64}, "float32"))
    with pytest.raises(StoreError, match=r"stale \(seed: 0 -> 5\)"):
        open_cache(cache.folder, key=cache_key(made(small_store, seed=5), ENCODER, "float32"))
    few = made(small_store, records=[v.record for v in small_store.videos[:3]])
    with pytest.raises(StoreError, match=r"stale \(clips: "):
        open_cache(cache.folder, key=cache_key(few, ENCODER, "float32"))


def test_fakes_made_otherwise_are_other_features(
    small_store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key holds the makers' options, the code that makes them, and who may lend a face to whom."""

    def key(name: str, records: list[Any] | None = None, **options: Any) -> dict[str, Any]:
        dataset = ClipDataset(small_store, makers={name: build_maker(name, **options)}, records=records)
        return cache_key(dataset, ENCODER, "float32")

    assert key("self_blend") == key("self_blend")
    assert key("self_blend") != key("self_blend", shift=0.01)
    assert key("swap_warp") != key("swap_warp", pyramid=0.0)
    records = [video.record for video in small_store.videos]
    other = [replace(r, identity="somebody") if r.video_id == "a" else r for r in records]
    assert key("self_blend", records) == key("self_blend", other)
    assert key("cross_blend", records) != key("cross_blend", other)
    before = key("self_blend")
    monkeypatch.setattr(cached, "synth_version", lambda: "another")
    assert key("self_blend") != before
    plain = cache_key(ClipDataset(small_store), ENCODER, "float32")
    assert (plain["synth"], plain["donors"], plain["makers"]) == (None, None, {})


def test_damage_is_found(small_store: ClipStore, tmp_path: Path) -> None:
    dataset = ClipDataset(small_store)
    folder = cached_features(tmp_path, dataset, means, encoder=ENCODER).cache.folder
    key = cache_key(dataset, ENCODER, "float32")
    data, meta = folder / cached.DATA_FILE, folder / cached.META_FILE
    good, facts = data.read_bytes(), json.loads(meta.read_text())
    for bad in (good[:-1], good + b"x", good[:-1] + bytes([good[-1] ^ 1])):
        data.write_bytes(bad)
        with pytest.raises(StoreError, match="is not what was written"):
            open_cache(folder, key=key)
    data.unlink()
    with pytest.raises(StoreError, match="is not what was written"):
        open_cache(folder, key=key)
    data.write_bytes(good)
    for name, value in (("dim", 2**40), ("dim", "6"), ("lengths", [0]), ("lengths", {}), ("key", [])):
        meta.write_text(json.dumps({**facts, name: value}))
        with pytest.raises(StoreError):
            open_cache(folder, key=key)


def test_an_interrupted_build_leaves_no_cache(small_store: ClipStore, tmp_path: Path) -> None:
    def broken(frames: Tensor) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_features(tmp_path, ClipDataset(small_store), broken, encoder=ENCODER)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and small_store.path not in p.parents]


def test_what_cannot_be_cached(small_store: ClipStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="training=False"):
        cached_features(tmp_path, ClipDataset(small_store, training=True), means, encoder=ENCODER)
    with pytest.raises(UsageError, match=r"gave \(8, 3, 6\) for \(8, 6\) frames"):
        cached_features(tmp_path, ClipDataset(small_store), lambda f: means(f)[:, ::2], encoder=ENCODER)
    with pytest.raises(UsageError, match="not finite as float16"):
        cached_features(
            tmp_path, ClipDataset(small_store), lambda f: means(f) * 1e6, encoder=ENCODER, dtype="float16"
        )


def test_worker_processes_map_the_file_themselves(small_store: ClipStore, tmp_path: Path) -> None:
    data = cached_features(tmp_path, ClipDataset(small_store), means, encoder=ENCODER)
    data.cache.read(0)
    assert len(pickle.dumps(data.cache)) < 2000
    loader = DataLoader(data, batch_size=4, collate_fn=collate, num_workers=1)
    features = torch.cat([batch.features.flatten(0, 1)[batch.mask.flatten()] for batch in loader])
    assert torch.equal(features, torch.cat([torch.from_numpy(data.cache.read(i)) for i in range(len(data))]))
