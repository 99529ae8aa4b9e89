"""What pair losses share: safe distances and cosines, masks of pairs, masked sums, and their common base
classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from vidfake.losses.angular import unit_rows
from vidfake.losses.base import EmbeddingLoss, LossContext, LossNeeds
from vidfake.losses.distributed import whole_batch


def unit_pair(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of both at length 1, computed once where both are the same."""
    unit = unit_rows(a)
    return unit, unit if b is a else unit_rows(b)


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of every row of `a` (A, E) with every row of `b` (R, E): (A, R)."""
    a, b = unit_pair(a, b)
    return a @ b.T


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances (A, R), by one matrix product.

    Rows nearer than rounding can tell (about 0.002 of their length in float32) are at distance 0, with no gradient:
    duplicates are exactly 0, and no square root of rounding noise becomes a large gradient.
    """
    squared, apart = _squared_and_apart(a, b)
    return torch.where(apart, squared, 0.0)


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances (A, R); rows at distance 0 as in `squared_distances`."""
    squared, apart = _squared_and_apart(a, b)
    return torch.where(apart, torch.where(apart, squared, 1.0).sqrt(), 0.0)


def _squared_and_apart(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distances (A, R) with their rounding noise, and which of them are above it."""
    of_a = a.square().sum(1)
    of_b = of_a if b is a else b.square().sum(1)
    lengths = of_a[:, None] + of_b[None, :]
    squared = torch.addmm(lengths, a, b.T, alpha=-2.0)
    return squared, squared.detach() > 16.0 * torch.finfo(a.dtype).eps * lengths.detach()


def masked_logsumexp(values: Tensor, mask: Tensor) -> Tensor:
    """log Σ exp over the masked entries of each row; -inf, without a gradient, for a row that has none."""
    some = mask.any(dim=1)
    filled = values.masked_fill(~mask & some[:, None], -torch.inf)
    return torch.where(some, torch.logsumexp(filled, dim=1), -torch.inf)


def mean_where(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of the masked entries; 0, still in the graph, where there is none."""
    return torch.where(mask, values, 0.0).sum() / mask.sum().clamp_min(1)


def mean_of_positive(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of the masked entries above 0, so that solved pairs do not dilute the others; 0 where there is none."""
    return mean_where(values, mask & (values > 0))


@dataclass(frozen=True)
class Pairs:
    """Anchors (A, E) against references (R, E), of which the first A are the anchors themselves.

    `positives`, `negatives` (A, R) bool: same class but another clip; another class.
    """

    anchors: Tensor
    references: Tensor
    anchor_labels: Tensor
    reference_labels: Tensor
    positives: Tensor
    negatives: Tensor

    @classmethod
    def of(cls, z: Tensor, y: Tensor, more: Tensor | None = None, more_labels: Tensor | None = None) -> Pairs:
        """All pairs within a batch, and of the batch with `more` clips that are references only."""
        references, labels = z, y
        if more is not None and more_labels is not None:
            references, labels = torch.cat([z, more]), torch.cat([y, more_labels])
        same = y[:, None] == labels[None, :]
        own = torch.eye(len(y), len(labels), dtype=torch.bool, device=y.device)
        return cls(z, references, y, labels, same & ~own, ~same)

    def cosines(self) -> Tensor:
        """(A, R)."""
        return cosines(self.anchors, self.references)

    def unit_distances(self) -> Tensor:
        """Euclidean distances of the clips at length 1 (A, R), between 0 and 2."""
        return distances(*unit_pair(self.anchors, self.references))


class PairLoss(EmbeddingLoss, ABC):
    """Base of losses on pairs of clips. In training under several processes the pairs are those of all processes.

    Labels are taken as given: with manipulation labels two fakes of different methods are a negative pair. A batch
    without a valid pair gives 0 with a zero gradient. In evaluation mode nothing is gathered.
    """

    needs = LossNeeds(classes_per_batch=2, clips_per_class=4)
    takes_references: ClassVar[bool] = True
    """`of_pairs` makes sense with references that are not anchors (a memory of earlier clips)."""

    @abstractmethod
    def of_pairs(self, pairs: Pairs) -> Tensor:
        """Scalar loss of the pairs."""

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        return self.of_pairs(Pairs.of(*whole_batch(z, y, training=self.training)))


class AnchorLoss(PairLoss):
    """A pair loss that is the mean of a value per anchor, over the anchors that have the pairs it needs.

    The value per clip is 0 for an anchor without them, and sees the pairs of this process only.
    """

    @abstractmethod
    def of_anchors(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """Value of each anchor (A,), and which anchors have the pairs that it needs (A,) bool."""

    def of_pairs(self, pairs: Pairs) -> Tensor:
        return mean_where(*self.of_anchors(pairs))

    def _per_clip(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        values, counted = self.of_anchors(Pairs.of(z, y))
        return torch.where(counted, values, 0.0)
