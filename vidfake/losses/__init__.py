"""Losses on the clip embedding. To add one: its own file here, its test, and one import line below."""

from __future__ import annotations

from vidfake.losses import (  # noqa: F401  (importing a module registers its losses; one line each, alphabetical)
    arcface,
    center,
    circle_pair,
    contrastive,
    cosface,
    lifted,
    memory,
    multi_similarity,
    normface,
    npair,
    ranked_list,
    ring,
    single_center,
    softmax,
    supcon,
    triplet,
)
from vidfake.losses.base import LOSSES, EmbeddingLoss, LossContext, LossNeeds, SearchSpace
from vidfake.losses.combine import CombinedLoss, build_loss, defaults_for
from vidfake.losses.heads import HeadLoss
from vidfake.losses.readout import READOUTS, Readout, build_readout, load_readout
from vidfake.losses.sampling import check_sampler

__all__ = [
    "LOSSES",
    "READOUTS",
    "CombinedLoss",
    "EmbeddingLoss",
    "HeadLoss",
    "LossContext",
    "LossNeeds",
    "Readout",
    "SearchSpace",
    "build_loss",
    "build_readout",
    "check_sampler",
    "defaults_for",
    "load_readout",
]
