"""Packed clips: what a run trains on is what the store's dataset holds, also projected and from a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_study

from vidfake.errors import ConfigError, StoreError
from vidfake.study.clips import open_clips, study_encoder
from vidfake.study.material import cached_material
from vidfake.study.sets import PixelSet, open_set


def quiet(stage: str, done: int, total: int | None) -> None:
    """Progress that nobody looks at."""


def test_packed_set_holds_what_the_dataset_holds(store: Path, finished: Path) -> None:
    study = toy_study.study(store)
    clips = open_clips(study)
    packed = open_set(next((finished / "sets" / "in_domain").iterdir()))
    pixels = PixelSet(clips.in_domain)
    assert packed.class_names == ("real", "mouth", "swap"), "the held-out fakes are no class"
    indices = np.array([5, 0, 17])
    ours, theirs = packed.batch(indices), pixels.batch(indices)
    for name in ("video_ids", "source_ids", "track_ids", "clip_indices"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.labels.equal(theirs.labels)
    assert ours.class_labels.equal(theirs.class_labels)
    encode, _ = study_encoder(study, clips.config)
    assert theirs.frames is not None
    np.testing.assert_allclose(ours.features, encode(theirs.frames), rtol=1e-4, atol=1e-5)
    a, b = packed.template.table, pixels.template.table
    assert a.video_id.tolist() == b.video_id.tolist()
    scores = np.random.default_rng(0).normal(size=len(packed))
    filled = packed.template.filled(scores, None)
    for place, (video, index) in enumerate(
        zip(packed.texts["video_ids"], packed.numbers["clip_indices"], strict=True)
    ):
        row = np.flatnonzero((filled.video_id[filled.clip_video] == video) & (filled.clip_index == index))
        assert filled.clip_score[row].tolist() == [scores[place]]


def test_projection_is_on_the_main_axes_of_training_frames(store: Path, finished: Path, tmp_path: Path) -> None:
    study = toy_study.study(store)
    study = replace(study, data=replace(study.data, feature_dim=4))
    sets = cached_material(study, tmp_path, quiet).prepare()
    raw = open_set(next((finished / "sets" / "training").iterdir()))
    projected = open_set(sets.folders["training"])
    frames = raw.features[raw.mask].double().numpy()
    ours = projected.features[projected.mask].double().numpy()
    centred = frames - frames.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)  # another way to the same axes
    oracle = u[:, :4] * s[:4]
    oracle /= np.sqrt((oracle**2).mean())
    np.testing.assert_allclose(np.abs(ours), np.abs(oracle), atol=2e-3)
    (note,) = (n for n in sets.notes if "main axes" in n)
    assert f"{100 * (s[:4] ** 2).sum() / (s**2).sum():.1f} %" in note
    wide = cached_material(replace(study, data=replace(study.data, feature_dim=16)), tmp_path, quiet)
    with pytest.raises(ConfigError, match="the encoder gives 16 channels"):
        wide.prepare()


def test_most_clips_of_a_video_are_spread_over_it(store: Path) -> None:
    study = toy_study.study(store)
    clips = open_clips(replace(study, data=replace(study.data, max_clips_per_video=1)))
    assert {item.clip.clip_index for item in clips.training.items} == {0}
    assert len(clips.training.items) == 12 * 3


def test_damaged_set_is_refused(finished: Path, tmp_path: Path) -> None:
    import shutil

    source = next((finished / "sets" / "training").iterdir())
    shutil.copytree(source, tmp_path / "set")
    (tmp_path / "set" / "columns.npz").write_bytes(b"no")
    with pytest.raises(StoreError, match="damaged"):
        open_set(tmp_path / "set")
