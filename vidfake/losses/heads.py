"""Losses that own one weight row per class: cosines, margin-free logits, native score, and hooks for margins."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Required, TypedDict, Unpack

import torch
from torch import Tensor, nn

from vidfake.losses.angular import cosines_to, unit_rows
from vidfake.losses.base import EmbeddingLoss, LossContext
from vidfake.losses.cross_entropy import CrossEntropy
from vidfake.losses.options import check_choice, check_per_class, check_range, listed_signature
from vidfake.losses.simplex import simplex_rows

WeightKind = Literal["learned", "simplex"]
Gradient = Literal["full", "detached"]


class HeadOptions(TypedDict, total=False):
    """Options of every head."""

    num_classes: Required[int]
    embedding_dim: Required[int]
    weights: WeightKind


class SoftmaxOptions(HeadOptions, total=False):
    """Options of every head trained by cross-entropy."""

    label_smoothing: float
    focal_gamma: float
    class_weights: Sequence[float] | None


class MarginRampOptions(HeadOptions, total=False):
    """How a margin comes into force."""

    margin_warmup: float
    class_counts: Sequence[float] | None


class RampOptions(MarginRampOptions, total=False):
    """How margin and scale come into force."""

    scale_warmup: float


class MarginLogitsOptions(RampOptions, total=False):
    """Options of every head with a margin."""

    gradient: Gradient


class RampedSoftmaxOptions(SoftmaxOptions, RampOptions, total=False):
    """Options of a cross-entropy head with a margin whose default gradient is its own."""


class MarginOptions(RampedSoftmaxOptions, MarginLogitsOptions, total=False):
    """Options of every cross-entropy head with a margin."""


class HeadLoss(EmbeddingLoss):
    """Base of every loss that owns class weights (C, E).

    A subclass implements `training_logits` (B, C), margins included, and `criterion` (B,) on them.

    Args:
        weights: `learned`, or `simplex`: frozen at the corners of a regular simplex.
    """

    has_native_score = True
    normalised: ClassVar[bool] = True
    """The loss does not depend on the embeddings' norms."""
    score_scale: float = 1.0
    weight: Tensor
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.__signature__ = listed_signature(cls)

    def __init__(self, *, num_classes: int, embedding_dim: int, weights: WeightKind = "learned") -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        check_choice(self, "weights", weights, ("learned", "simplex"))
        self.weights = weights
        self.set_weight(num_classes)

    def set_weight(self, rows: int) -> None:
        """New weights (rows, E): random unit rows to learn, or the fixed simplex."""
        if self.weights == "simplex":
            self.register_buffer("weight", simplex_rows(rows, self.embedding_dim))
        else:
            self.weight = nn.Parameter(unit_rows(torch.randn(rows, self.embedding_dim)))

    def similarities(self, z: Tensor) -> Tensor:
        """Margin-free class similarities (B, C) that the score compares: cosines, unless a head says otherwise."""
        return cosines_to(z, self.weight.to(z.dtype))

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Cosine of each embedding to each class (B, C), float32."""
        z = self.checked_embeddings(embeddings)
        with torch.autocast(z.device.type, enabled=False):
            return self.similarities(z)

    def logits(self, embeddings: Tensor) -> Tensor:
        """Class logits (B, C) without margin, at the scale of training, float32."""
        return self.cosines(embeddings) * self.score_scale

    def score(self, embeddings: Tensor) -> Tensor:
        """Higher = more likely fake (B,): log-sum-exp of the fake classes' cosines minus the real class's.

        logsumexp_{j>=1}(s c_j) / s - c_0, which for two classes is c_1 - c_0: no margin, no scale, no saturation.
        """
        similarities = self.cosines(embeddings)
        real, fakes = similarities[:, 0], similarities[:, 1:]
        if self.num_classes == 2:
            return fakes[:, 0] - real
        return torch.logsumexp(fakes * self.score_scale, dim=1) / self.score_scale - real

    def score_readings(self, embeddings: Tensor) -> dict[str, Tensor]:
        """All readings of the head as a detector: `logsumexp` (the score), `max` over fakes, `one_class` (-c_0)."""
        similarities = self.cosines(embeddings)
        return {
            "logsumexp": self.score(embeddings),
            "max": similarities[:, 1:].max(dim=1).values - similarities[:, 0],
            "one_class": -similarities[:, 0],
        }

    def training_logits(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        """Logits (B, C) that the criterion sees in training."""
        return self.similarities(z) * self.score_scale

    def criterion(self, logits: Tensor, y: Tensor) -> Tensor:
        """Loss per clip (B,) from the training logits."""
        raise TypeError(f"{type(self).__name__} must implement criterion() or _per_clip()")

    def _per_clip(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        return self.criterion(self.training_logits(z, y, context), y)


class SoftmaxHead(HeadLoss):
    """A head trained by cross-entropy on margin-free logits.

    Args:
        label_smoothing: share of the target spread over all classes.
        focal_gamma: γ of the focal factor (1 - p_y)^γ; 0 is off.
        class_weights: one factor per class on the loss of its clips.
    """

    def __init__(
        self,
        *,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        class_weights: Sequence[float] | None = None,
        **options: Unpack[HeadOptions],
    ) -> None:
        super().__init__(**options)
        self.cross_entropy = CrossEntropy(
            num_classes=self.num_classes,
            label_smoothing=label_smoothing,
            focal_gamma=focal_gamma,
            class_weights=class_weights,
        )

    def criterion(self, logits: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy per clip (B,)."""
        return self.cross_entropy(logits, y)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class HeadBatch:
    """What the margin hooks may look at. `strength` is the share of the margin in force: a number or (B,)."""

    z: Tensor
    y: Tensor
    cosines: Tensor
    strength: Tensor | float
    context: LossContext

    def target_cosine(self) -> Tensor:
        """Cosine to the true class (B,)."""
        return self.cosines.gather(1, self.y[:, None]).squeeze(1)

    def strength_column(self) -> Tensor | float:
        """`strength` as a number or (B, 1), to combine with (B, C)."""
        return self.strength[:, None] if isinstance(self.strength, Tensor) else self.strength


class MarginLogits(HeadLoss):
    """A head whose target cosine (and, for some, the other cosines) is changed before scaling.

    A subclass implements `target_logit`, and `other_logits` where the other classes change too.

    Args:
        scale: s, factor on all cosines.
        gradient: `full` differentiates through the margin; `detached` keeps the margin's value but passes the
            plain cosine's gradient (no vanishing, no exploding, no wrong sign).
        margin_warmup: share of training over which the margin grows linearly from 0 to its full value.
        scale_warmup: share of training over which the scale grows linearly from 1.
        class_counts: clips per class; the margin of class j shrinks as (n_j / n_rarest)^(-1/4).
    """

    class_strength: Tensor | None

    def __init__(
        self,
        *,
        scale: float,
        gradient: Gradient = "full",
        margin_warmup: float = 0.1,
        scale_warmup: float = 0.0,
        class_counts: Sequence[float] | None = None,
        **options: Unpack[HeadOptions],
    ) -> None:
        super().__init__(**options)
        self.score_scale = check_range(self, "scale", scale, 0.0, 1000.0, open_low=True)
        check_choice(self, "gradient", gradient, ("full", "detached"))
        self.gradient = gradient
        self.margin_warmup = check_range(self, "margin_warmup", margin_warmup, 0.0, 1.0)
        self.scale_warmup = check_range(self, "scale_warmup", scale_warmup, 0.0, 1.0)
        self.register_buffer("class_strength", self._class_strength(class_counts), persistent=False)

    def _class_strength(self, counts: Sequence[float] | None) -> Tensor | None:
        if counts is None:
            return None
        given = torch.tensor(check_per_class(self, "class_counts", counts, self.num_classes))
        return (given / given.min()) ** -0.25

    def target_logit(self, cosine: Tensor, batch: HeadBatch) -> Tensor:
        """The true class's cosine (B,) with its margin, before scaling."""
        raise TypeError(f"{type(self).__name__} must implement target_logit()")

    def other_logits(self, target: Tensor, batch: HeadBatch) -> Tensor:
        """Cosines (B, C) for the other classes, before scaling; the true class's column is ignored."""
        return batch.cosines

    def factor(self, batch: HeadBatch) -> Tensor | float:
        """What multiplies the changed cosines: the scale, after its warm-up."""
        grown = _ramp(self.scale_warmup, batch.context.progress)
        return 1.0 + (self.score_scale - 1.0) * grown

    def strength(self, y: Tensor, context: LossContext) -> Tensor | float:
        """Share of the margin in force, per clip (B,) where classes differ."""
        grown = _ramp(self.margin_warmup, context.progress)
        if self.class_strength is None:
            return grown
        return self.class_strength[y] * grown

    def training_logits(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        """Scaled cosines with the margin in place (B, C)."""
        cosines = self.similarities(z)
        batch = HeadBatch(z, y, cosines, self.strength(y, context), context)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.gradient == "full"):
            target = self.target_logit(batch.target_cosine(), batch)
            changed = self.other_logits(target, batch).scatter(1, y[:, None], target[:, None])
        if self.gradient == "detached":
            changed = cosines + (changed - cosines.detach())
        return changed * self.factor(batch)


class MarginHead(MarginLogits):
    """A margin head trained by cross-entropy: what most face-recognition losses are.

    Args:
        label_smoothing, focal_gamma, class_weights: as in SoftmaxHead.
    """

    def __init__(
        self,
        *,
        scale: float,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        class_weights: Sequence[float] | None = None,
        **options: Unpack[MarginLogitsOptions],
    ) -> None:
        super().__init__(scale=scale, **options)
        self.cross_entropy = CrossEntropy(
            num_classes=self.num_classes,
            label_smoothing=label_smoothing,
            focal_gamma=focal_gamma,
            class_weights=class_weights,
        )

    def criterion(self, logits: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy per clip (B,)."""
        return self.cross_entropy(logits, y)  # type: ignore[no-any-return]


def _ramp(share: float, progress: float) -> float:
    """0 at the start of training, 1 from `share` of it on."""
    return 1.0 if share <= 0.0 else min(1.0, max(0.0, progress) / share)
