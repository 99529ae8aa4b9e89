"""Losses on the clip embedding. To add one: its own file here, its test, and one import line below."""

from __future__ import annotations

from vidfake.losses import (  # noqa: F401  (importing a module registers its losses; one line each, alphabetical)
    adacos,
    adaface,
    angular_sparsemax,
    arcface,
    cam_softmax,
    cc_loss,
    center,
    centre_similarity,
    circle_class,
    circle_pair,
    combined_margin,
    contrastive,
    cosface,
    curricular,
    dail,
    distillation,
    dual,
    elastic,
    fixed_simplex,
    focal,
    gce,
    large_margin,
    lifted,
    magface,
    maxout,
    mcfl,
    memory,
    multi_similarity,
    mv_softmax,
    normface,
    npair,
    oc_softmax,
    p2sgrad,
    pairwise_arcface,
    ranked_list,
    reid,
    ring,
    single_center,
    soft_hgr,
    softmax,
    sphereface,
    sphereface2,
    subcenter,
    supcon,
    triplet,
    uniface,
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
