"""What every loss on a clip embedding is: one contract, input checks, and float32 arithmetic with autocast off."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from vidfake.errors import LossInputError
from vidfake.registry import Registry

LOSSES: Registry[EmbeddingLoss] = Registry("loss")

Choices = tuple[Any, ...]


@dataclass(frozen=True)
class LossContext:
    """What a loss may know besides embeddings and labels. Every field is optional; per-clip fields have B entries.

    `progress` in [0, 1] is the share of training done (margin warm-up, annealing), `step` the optimiser step.
    `binary_labels` (B,) int64, 0 real 1 fake, for losses that treat reals apart when labels are manipulations.
    `video_ids`, `source_ids`: strings; `domains` (B,) int64: dataset or compression (for domain-invariance terms).
    `teacher` (B, E): embeddings of a frozen teacher for distillation.
    `repeated`: a second pass over the batch just seen (sharpness-aware steps), in which no state may move.
    `class_weights` (C, E): those of the head that the loss is added to; a sum of losses fills it in.
    """

    progress: float = 1.0
    step: int = 0
    binary_labels: Tensor | None = None
    video_ids: tuple[str, ...] | None = None
    source_ids: tuple[str, ...] | None = None
    domains: Tensor | None = None
    teacher: Tensor | None = None
    repeated: bool = False
    class_weights: Tensor | None = None


@dataclass(frozen=True)
class LossNeeds:
    """What a loss needs to mean anything; checked before training, never discovered in the middle.

    `classes_per_batch` (P) and `clips_per_class` (K): least P×K batch a sampler must supply.
    `norm_must_vary`: reads the embedding norm, so the embedding layer may not end in a normalisation.
    `min_classes`, `max_classes`: of the task. `context`: names of LossContext fields that must be given.
    """

    classes_per_batch: int = 1
    clips_per_class: int = 1
    norm_must_vary: bool = False
    min_classes: int = 2
    max_classes: int | None = None
    context: tuple[str, ...] = ()


def full_precision(z: Tensor) -> AbstractContextManager[object]:
    """Autocast off for tensors like z; nothing at all, which is quicker, where it is off already."""
    if not torch.is_autocast_enabled(z.device.type):
        return nullcontext()
    return torch.autocast(z.device.type, enabled=False)


class EmbeddingLoss(nn.Module):
    """Base of every loss. A subclass implements `_per_clip` or, where no per-clip value exists, `_total`.

    Args:
        num_classes: C of the task; 2 for real/fake.
        embedding_dim: E of the embeddings.

    Shape:
        embeddings (B, E) any float type and norm; labels (B,) int64 in [0, C).
    """

    needs: LossNeeds = LossNeeds()
    has_native_score: bool = False

    def __init__(self, *, num_classes: int, embedding_dim: int) -> None:
        super().__init__()
        if num_classes < self.needs.min_classes or (
            self.needs.max_classes is not None and num_classes > self.needs.max_classes
        ):
            upper = f" to {self.needs.max_classes}" if self.needs.max_classes is not None else " or more"
            raise LossInputError(
                f"{type(self).__name__} cannot work with {num_classes} classes; it takes {self.needs.min_classes}"
                f"{upper}. {self.why_not(num_classes)}".rstrip()
            )
        if embedding_dim < 1:
            raise LossInputError(f"embedding_dim is {embedding_dim}; it must be at least 1")
        self.num_classes = num_classes
        self.embedding_dim = embedding_dim

    @classmethod
    def why_not(cls, num_classes: int) -> str:
        """Why this number of classes is refused, and what to use instead."""
        return ""

    def forward(self, embeddings: Tensor, labels: Tensor, *, context: LossContext | None = None) -> Tensor:
        """Scalar loss of the batch, float32 (float64 for float64 embeddings)."""
        z, y = self.checked(embeddings, labels)
        with full_precision(z):
            return self._total(z, y, context or LossContext())

    def per_clip(self, embeddings: Tensor, labels: Tensor, *, context: LossContext | None = None) -> Tensor:
        """Loss of each clip (B,), where defined. Raises LossInputError where the loss has no per-clip value."""
        z, y = self.checked(embeddings, labels)
        with full_precision(z):
            return self._per_clip(z, y, context or LossContext())

    def state_moves(self, context: LossContext) -> bool:
        """Whether running state (averages, draws) may be brought up to date by this pass."""
        return self.training and not context.repeated

    def score(self, embeddings: Tensor) -> Tensor:
        """Native score (B,), higher = more likely fake, without margin or scale. Only if `has_native_score`."""
        raise LossInputError(
            f"{type(self).__name__} has no native score; use the read-out 'prototype', 'probe' or 'knn'."
        )

    def _per_clip(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        raise LossInputError(f"{type(self).__name__} has no per-clip value; only the batch as a whole has one.")

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        return self._per_clip(z, y, context).mean()

    def checked(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings in float32 (float64 is kept) and labels in int64, or LossInputError with the values."""
        name = type(self).__name__
        z = self.checked_embeddings(embeddings)
        if labels.shape != embeddings.shape[:1]:
            raise LossInputError(
                f"{name}: labels are {tuple(labels.shape)}, embeddings {tuple(embeddings.shape)}; expected one "
                "label per embedding."
            )
        if labels.dtype.is_floating_point or labels.dtype == torch.bool:
            raise LossInputError(
                f"{name}: labels are {labels.dtype}; expected integers in [0, {self.num_classes})."
            )
        if len(labels) == 0:
            raise LossInputError(f"{name}: the batch is empty.")
        low, high = (int(end) for end in torch.aminmax(labels))
        if low < 0 or high >= self.num_classes:
            raise LossInputError(
                f"{name}: labels run from {low} to {high}; expected [0, {self.num_classes}) for {self.num_classes} "
                "classes."
            )
        return z, labels.long()

    def checked_embeddings(self, embeddings: Tensor) -> Tensor:
        """Embeddings in float32 (float64 is kept), or LossInputError with the shape or the number of bad rows."""
        name = type(self).__name__
        if embeddings.ndim != 2 or embeddings.shape[1] != self.embedding_dim:
            raise LossInputError(
                f"{name}: embeddings are {tuple(embeddings.shape)}; expected (B, {self.embedding_dim})."
            )
        # a sum that is finite has finite terms; only one that is not needs the slower look at each of them
        if not math.isfinite(embeddings.detach().sum(dtype=torch.float32).item()):
            bad = int((~torch.isfinite(embeddings)).any(dim=1).sum())
            if bad:
                raise LossInputError(
                    f"{name}: {bad} of {len(embeddings)} embeddings hold NaN or infinity. Lower the learning "
                    "rate, or turn off half precision."
                )
        return embeddings if embeddings.dtype == torch.float64 else embeddings.float()


@dataclass(frozen=True)
class SearchSpace:
    """Hyper-parameters that a sweep may vary, each a finite list of values (spec: equal budget per loss).

    `choices` for C = 2, `choices_many` for C >= 5 (the same where None). Names are the loss's own options.
    """

    choices: Mapping[str, Choices] = field(default_factory=dict)
    choices_many: Mapping[str, Choices] | None = None

    def for_classes(self, num_classes: int) -> Mapping[str, Choices]:
        """The space for a task of that many classes."""
        return self.choices if num_classes < 5 or self.choices_many is None else self.choices_many
