"""Multi-label contrastive focal loss: several attributes of a manipulation at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, logsigmoid

from vidfake.errors import LossInputError
from vidfake.losses.angular import unit_rows
from vidfake.losses.base import LOSSES, EmbeddingLoss, LossContext, LossNeeds, SearchSpace
from vidfake.losses.distributed import whole_batch
from vidfake.losses.options import check_per_class, check_range
from vidfake.losses.pairs import mean_where


def default_attributes(num_classes: int) -> list[list[float]]:
    """A row per class: whether it is fake, and (with several manipulations) which one it is."""
    rows = []
    for label in range(num_classes):
        methods = [float(label == m) for m in range(1, num_classes)] if num_classes > 2 else []
        rows.append([float(label > 0), *methods])
    return rows


@LOSSES.register(
    "mcfl_r",
    source="after Zheng et al. 2020, Multi-label Contrastive Focal Loss for Pedestrian Attribute Recognition, ICPR",
    status="reconstruction",
    family="softmax",
    tier=3,
    search_space=SearchSpace(
        {"positive_gamma": (0.0, 1.0, 2.0), "negative_gamma": (0.0, 2.0, 4.0), "gap_weight": (0.0, 0.1, 1.0)}
    ),
)
class MultiLabelContrastiveFocal(EmbeddingLoss):
    """A focal loss on each attribute of a class, and a gap between clips with an attribute and those without.

        L = mean_{i,a} F(l_ia) + λ mean_a [μ - (mean_{i: t_ia = 1} l_ia - mean_{i: t_ia = 0} l_ia)]₊
        F = -w⁺_a (1 - p)^{g⁺} log p  where t_ia = 1,   -w⁻_a p^{g⁻} log(1 - p)  where t_ia = 0,   p = σ(l_ia)

    Letters: l_ia = <v_a, z_i> + b_a the logit of attribute a, t_ia whether clip i's class has it, g exponents,
    w weights, μ `gap`, λ `gap_weight`. The gap runs over the attributes that some clips of the batch have and some
    have not.

    Args:
        attributes: (C, A) table of 0 and 1, a row per class; the first column must be "fake" (0 for class 0, else
            1). By default that column, and one per manipulation where there are several.
        positive_gamma: g⁺; 0 to 2.
        negative_gamma: g⁻; 0 to 4. Larger silences the many easy negatives.
        gap: μ, in logits.
        gap_weight: λ.
        class_counts: clips per class; then w⁺ = N / 2N⁺ and w⁻ = N / 2N⁻ per attribute, else both are 1.

    Shape:
        embeddings (B, E); labels (B,); a scalar. No per-clip value: the gap is between means, of all processes in
        training.

    Two classes: one attribute, fake; binary focal loss with a gap. The score is the logit of "fake".
    Known, from the abstract: emphasis on hard and minority attributes with separate re-weighting of positives and
    negatives, and a larger gap within attributes. Ours: the form and the constants.
    """

    needs = LossNeeds(classes_per_batch=2)
    has_native_score = True
    attributes: Tensor
    positive_weights: Tensor
    negative_weights: Tensor

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        attributes: Sequence[Sequence[float]] | None = None,
        positive_gamma: float = 1.0,
        negative_gamma: float = 2.0,
        gap: float = 2.0,
        gap_weight: float = 0.1,
        class_counts: Sequence[float] | None = None,
    ) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.positive_gamma = check_range(self, "positive_gamma", positive_gamma, 0.0, 10.0)
        self.negative_gamma = check_range(self, "negative_gamma", negative_gamma, 0.0, 10.0)
        self.gap = check_range(self, "gap", gap, 0.0)
        self.gap_weight = check_range(self, "gap_weight", gap_weight, 0.0)
        table = torch.tensor(self._checked_table(attributes or default_attributes(num_classes)))
        counts = (
            [1.0] * num_classes
            if class_counts is None
            else check_per_class(self, "class_counts", class_counts, num_classes)
        )
        share = (torch.tensor(counts)[:, None] * table).sum(0) / sum(counts)
        weighted = class_counts is not None
        self.register_buffer("attributes", table, persistent=False)
        self.register_buffer("positive_weights", 0.5 / share if weighted else share**0, persistent=False)
        self.register_buffer("negative_weights", 0.5 / (1 - share) if weighted else share**0, persistent=False)
        self.weight = nn.Parameter(unit_rows(torch.randn(table.shape[1], embedding_dim)))
        self.bias = nn.Parameter(torch.zeros(table.shape[1]))

    def _checked_table(self, rows: Sequence[Sequence[float]]) -> list[list[float]]:
        table = [[float(value) for value in row] for row in rows]
        fake = [float(label > 0) for label in range(self.num_classes)]
        columns = list(zip(*table, strict=True)) if len({len(row) for row in table}) == 1 else []
        if not columns or list(columns[0]) != fake or any(set(column) != {0.0, 1.0} for column in columns):
            raise LossInputError(
                f"{type(self).__name__}: attributes is {rows!r}; it takes {self.num_classes} rows of 0 and 1, one "
                f"per class, whose first column is {fake} (fake), and in which every column has both 0 and 1."
            )
        return table

    def attribute_logits(self, embeddings: Tensor) -> Tensor:
        """Logit of each attribute (B, A), float32."""
        z = self.checked_embeddings(embeddings)
        with torch.autocast(z.device.type, enabled=False):
            return self._logits(z)

    def score(self, embeddings: Tensor) -> Tensor:
        """Logit of "fake" (B,)."""
        return self.attribute_logits(embeddings)[:, 0]

    def _logits(self, z: Tensor) -> Tensor:
        return linear(z, self.weight.to(z.dtype), self.bias.to(z.dtype))

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        focal = self._focal(self._logits(z), self.attributes[y] > 0).mean()
        z, y = whole_batch(z, y, training=self.training)
        return focal + self.gap_weight * self._gaps(self._logits(z), self.attributes[y] > 0)

    def _focal(self, logits: Tensor, has: Tensor) -> Tensor:
        """(B, A)."""
        log_p, log_q = logsigmoid(logits), logsigmoid(-logits)
        present = -self.positive_weights.to(logits.dtype) * torch.exp(self.positive_gamma * log_q) * log_p
        absent = -self.negative_weights.to(logits.dtype) * torch.exp(self.negative_gamma * log_p) * log_q
        return torch.where(has, present, absent)

    def _gaps(self, logits: Tensor, has: Tensor) -> Tensor:
        with_it, without = has.sum(0), (~has).sum(0)
        high = torch.where(has, logits, 0.0).sum(0) / with_it.clamp_min(1)
        low = torch.where(has, 0.0, logits).sum(0) / without.clamp_min(1)
        return mean_where(torch.relu(self.gap - (high - low)), (with_it > 0) & (without > 0))
