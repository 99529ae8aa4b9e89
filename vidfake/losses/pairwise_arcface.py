"""Angular-margin contrast between pairs, and a regulariser that keeps embeddings balanced about the origin."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from vidfake.losses.angular import add_angle, unit_rows
from vidfake.losses.base import LOSSES, EmbeddingLoss, LossContext, SearchSpace
from vidfake.losses.distributed import whole_batch
from vidfake.losses.options import check_range
from vidfake.losses.pairs import PairLoss, Pairs, masked_logsumexp, mean_where

_SOURCE = "after Lee, Low, Teoh 2020, SoftmaxOut Transformation-Permutation Network, ICPR"


@LOSSES.register(
    "pairwise_arcface_r",
    source=_SOURCE,
    status="reconstruction",
    family="pair",
    tier=3,
    search_space=SearchSpace({"scale": (8.0, 16.0, 32.0), "margin_radians": (0.1, 0.2, 0.4)}),
)
class PairwiseArcFace(PairLoss):
    """Each positive pair, at a widened angle, against all negatives of its anchor.

        L = mean over positive pairs (i, j) of
            -log( e^{s cos(θ_ij + m)} / (e^{s cos(θ_ij + m)} + Σ_{k: y_k ≠ y_i} e^{s cos θ_ik}) )

    Letters: θ_ij angle between embeddings i and j, s scale, m margin. A pair counts once from either end.

    Args:
        scale: s; 8 to 32.
        margin_radians: m; 0 to about 0.5. Where θ + m passes π the target falls on, as cos θ - m sin m.

    Shape:
        embeddings (B, E), any norm; labels (B,); a scalar. No per-clip value: the mean runs over pairs.

    Two classes: with 0/1 labels half the batch are positives of each clip; prefer manipulation labels.
    Known, from the abstract: the name. Ours: everything else; it is InfoNCE with an angular margin.
    """

    def __init__(
        self, *, num_classes: int, embedding_dim: int, scale: float = 16.0, margin_radians: float = 0.2
    ) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.scale = check_range(self, "scale", scale, 0.0, 1000.0, open_low=True)
        self.margin_radians = check_range(self, "margin_radians", margin_radians, 0.0, 1.6, hint="In radians.")

    def of_pairs(self, pairs: Pairs) -> Tensor:
        cosines = pairs.cosines()
        targets = self.scale * add_angle(cosines, self.margin_radians, "linear")
        others = masked_logsumexp(self.scale * cosines, pairs.negatives)
        counted = pairs.positives & pairs.negatives.any(dim=1)[:, None]
        return mean_where(softplus(others[:, None] - targets), counted)


@LOSSES.register(
    "code_balance_r",
    source=_SOURCE,
    status="reconstruction",
    family="regulariser",
    tier=3,
    search_space=SearchSpace(),
)
class CodeBalance(EmbeddingLoss):
    """Keeps the mean direction of a batch at zero, against collapse; to be added to another loss.

        L = || mean_i x_i ||²

    Letters: x embedding at unit length.

    Shape:
        embeddings (B, E), any norm; labels (B,), unused; a scalar. In training the mean runs over all processes.

    Two classes: two opposite classes of equal size are at its least value, 0. With unbalanced batches it pulls the
    commoner class apart.
    Known, from the abstract: code balancing. Ours: on the embedding in place of a code's bits.
    """

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        z, _ = whole_batch(z, y, training=self.training)
        return unit_rows(z).mean(0).square().sum()
