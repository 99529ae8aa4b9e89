"""Losses on the clip embedding. To add one: its own file here, its test, and one import line below."""

from __future__ import annotations

from vidfake.losses.base import LOSSES, EmbeddingLoss, LossContext, LossNeeds, SearchSpace

__all__ = ["LOSSES", "EmbeddingLoss", "LossContext", "LossNeeds", "SearchSpace"]
