"""Mirrored clips and half precision, against what they are by definition."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from vidfake.data.batch import ClipBatch, ClipItem, collate
from vidfake.inference.scorer import Scorer
from vidfake.losses.combine import build_loss
from vidfake.losses.readout import load_readout
from vidfake.models.detector import Detector
from vidfake.models.interfaces import AGGREGATORS, FrameEncoder
from vidfake.settings import LossSettings


def scorer(**options: object) -> Scorer:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 15 * 15, 8))
    detector = Detector(
        FrameEncoder(backbone, feature_dim=8, input_size=32),
        AGGREGATORS.build("mean", feature_dim=8),
        embedding_dim=4,
    )
    loss = build_loss(LossSettings(), num_classes=2, embedding_dim=4)
    return Scorer(detector, load_readout("native", {}, loss=loss), **options)  # type: ignore[arg-type]


def clip_items(*, frames: int = 3) -> list[ClipItem]:
    rng = np.random.default_rng(0)
    return [
        ClipItem(
            faces=rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8),
            features=None, pts_seconds=np.arange(count) * 0.04, length=frames, label=0, class_label=0,
            video_id="", source_id="", dataset="", compression="", track_id=0, clip_index=0,
        )
        for count in (frames, frames - 1)
    ]  # fmt: skip


def batch() -> ClipBatch:
    return collate(clip_items())


def test_flip_is_the_mean_of_a_clip_and_its_mirror_image() -> None:
    score, clips = scorer(), batch()
    assert clips.frames is not None
    mirrored = dataclasses.replace(clips, frames=clips.frames.flip(-1))
    one, two, both = score(clips), score(mirrored), score(clips, flip=True)
    assert not np.allclose(one.clip_scores, two.clip_scores)
    np.testing.assert_allclose(both.clip_scores, (one.clip_scores + two.clip_scores) / 2, atol=1e-6)
    mean = (one.frame_scores + two.frame_scores) / 2
    np.testing.assert_allclose(both.frame_scores[both.mask], mean[both.mask], atol=1e-6)
    np.testing.assert_array_equal(score(mirrored, flip=True).clip_scores, both.clip_scores)
    np.testing.assert_array_equal(both.embeddings, one.embeddings)


def test_cached_features_cannot_be_mirrored() -> None:
    features = dataclasses.replace(batch(), frames=None, features=torch.zeros(2, 3, 8))
    with pytest.raises(ValueError, match="mirrored"):
        scorer()(features, flip=True)


def test_bfloat16_is_near_and_is_another_arithmetic() -> None:
    whole, half = scorer()(batch()), scorer(precision="bfloat16")(batch())
    assert half.clip_scores.dtype == whole.clip_scores.dtype
    assert not np.array_equal(half.clip_scores, whole.clip_scores)
    np.testing.assert_allclose(half.clip_scores, whole.clip_scores, atol=0.02)


def test_scores_do_not_depend_on_how_clips_are_batched() -> None:
    score = scorer()
    together = score(collate(clip_items(frames=9))).clip_scores
    alone = [score(collate([item])).clip_scores[0] for item in clip_items(frames=9)]
    np.testing.assert_allclose(alone, together, atol=1e-5)
