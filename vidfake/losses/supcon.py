"""Supervised contrastive loss, with one level of labels and with two."""

from __future__ import annotations

import torch
from torch import Tensor

from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.options import check_range
from vidfake.losses.pairs import AnchorLoss, Pairs, masked_logsumexp

_TEMPERATURES = (0.05, 0.07, 0.1, 0.2, 0.5)


@LOSSES.register(
    "supcon",
    source="Khosla et al. 2020, https://arxiv.org/abs/2004.11362",
    family="pair",
    tier=1,
    search_space=SearchSpace({"temperature": _TEMPERATURES}),
)
class SupCon(AnchorLoss):
    """Every clip must pick its own class's clips among all others of the batch.

        L = mean_i  -1/|P_i| Σ_{p in P_i} log( e^{S_ip / τ} / Σ_{a ≠ i} e^{S_ia / τ} )

    Letters: S cosine, τ temperature, P_i the other clips of clip i's class. Clips without a positive are left out
    of the mean.

    Args:
        temperature: τ, 0.05 to 0.5; smaller looks at the nearest clips only.

    Shape:
        embeddings (B, E), any norm; labels (B,); a scalar. Eight clips per class or more are worth having.

    Two classes: the least value is not 0 but ln(B/2 - 1), with two collapsed opposite classes; ln(B - 1) when all
    clips coincide. Do not stop early on this loss. With 0/1 labels all fakes are drawn to one point; prefer
    manipulation labels, or `supcon_two_level_r`.
    Differs from the paper: nothing (the "out" form, without the authors' factor τ / base τ, which is 1 by default).
    """

    def __init__(self, *, num_classes: int, embedding_dim: int, temperature: float = 0.1) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.temperature = check_range(self, "temperature", temperature, 0.001, 10.0)

    def of_anchors(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        similarities = pairs.cosines() / self.temperature
        weights = self._positive_weights(pairs).to(similarities.dtype)
        total = weights.sum(1)
        counted = total > 0
        log_sum = masked_logsumexp(similarities, pairs.positives | pairs.negatives)
        pulled = (weights * similarities).sum(1) / torch.where(counted, total, 1.0)
        return torch.where(counted, log_sum, 0.0) - pulled, counted

    def _positive_weights(self, pairs: Pairs) -> Tensor:
        """(A, R), 0 for a pair that is not a positive."""
        return pairs.positives


@LOSSES.register(
    "supcon_two_level_r",
    source="after Khosla et al. 2020, https://arxiv.org/abs/2004.11362",
    status="reconstruction",
    family="pair",
    tier=1,
    search_space=SearchSpace({"temperature": _TEMPERATURES, "same_side_weight": (0.1, 0.3, 0.5)}),
)
class SupConTwoLevel(SupCon):
    """Supervised contrastive loss where another manipulation's fakes are weak positives of a fake.

        L = mean_i  -1/Σ_p w_ip Σ_p w_ip log( e^{S_ip / τ} / Σ_{a ≠ i} e^{S_ia / τ} )

    Letters: S cosine, τ temperature; w_ip is 1 for the same manipulation, w for two fakes of different
    manipulations, 0 for a real and a fake.

    Args:
        temperature: τ, 0.05 to 0.5.
        same_side_weight: w, above 0 and at most 1; near 0 it is SupCon on manipulations, near 1 on real/fake.

    Shape:
        embeddings (B, E), any norm; labels (B,), 0 real; a scalar.

    Two classes: the same as `supcon`; there is only one manipulation.
    Known: the one-level loss. Ours: the second level and its weight.
    """

    def __init__(
        self, *, num_classes: int, embedding_dim: int, temperature: float = 0.1, same_side_weight: float = 0.3
    ) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim, temperature=temperature)
        self.same_side_weight = check_range(
            self, "same_side_weight", same_side_weight, 0.0, 1.0, open_low=True, hint="For 0 use 'supcon'."
        )

    def _positive_weights(self, pairs: Pairs) -> Tensor:
        both_fake = (pairs.anchor_labels > 0)[:, None] & (pairs.reference_labels > 0)[None, :]
        return pairs.positives + self.same_side_weight * (both_fake & pairs.negatives)
