"""OC-Softmax: reals near a prototype, fakes anywhere else."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidfake.errors import LossInputError
from vidfake.losses.angular import cosines_to, unit_rows
from vidfake.losses.base import LOSSES, EmbeddingLoss, LossContext, SearchSpace
from vidfake.losses.options import check_range


@LOSSES.register(
    "oc_softmax",
    source="Zhang et al. 2021, https://arxiv.org/abs/2010.13995",
    family="one_class",
    tier=1,
    search_space=SearchSpace({"scale": (5.0, 10.0, 20.0, 40.0), "fake_margin": (-0.5, 0.0, 0.2, 0.5)}),
)
class OCSoftmax(EmbeddingLoss):
    """Reals within an angle of a learned prototype, fakes outside a larger one, wherever they like.

        L = softplus(α (r_real - s)) for a real clip, softplus(α (s - r_fake)) for a fake;   s = max_k <w_k, x>

    Letters: x unit embedding, w_k unit real prototype k, α scale, r the two cosine thresholds.

    Args:
        num_classes: C, at least 2; every class but 0 is fake.
        embedding_dim: E.
        scale: α.
        real_margin: r_real, a cosine that reals should exceed.
        fake_margin: r_fake, a cosine that fakes should stay below; the published class has 0.5, its training 0.2.
        prototypes: number of real prototypes.

    Two classes: the native task. The score is -s. With unbalanced batches the more frequent class weighs more.
    Differs from the paper: nothing; more than one prototype is ours.
    """

    has_native_score = True
    normalised = True

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        scale: float = 20.0,
        real_margin: float = 0.9,
        fake_margin: float = 0.2,
        prototypes: int = 1,
    ) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.scale = check_range(self, "scale", scale, 0.0, 1000.0, open_low=True)
        self.real_margin = check_range(self, "real_margin", real_margin, -1.0, 1.0)
        self.fake_margin = check_range(self, "fake_margin", fake_margin, -1.0, 1.0)
        if fake_margin > real_margin:
            raise LossInputError(
                f"OCSoftmax: fake_margin is {fake_margin:g}, above real_margin ({real_margin:g}); it takes at most "
                "that."
            )
        rows = int(check_range(self, "prototypes", prototypes, 1, 100))
        self.weight = nn.Parameter(unit_rows(torch.randn(rows, embedding_dim)))

    def score(self, embeddings: Tensor) -> Tensor:
        """Minus the cosine to the nearest real prototype (B,)."""
        z = self.checked_embeddings(embeddings)
        with torch.autocast(z.device.type, enabled=False):
            return -self._nearest(z)

    def _nearest(self, z: Tensor) -> Tensor:
        cosines = cosines_to(z, self.weight.to(z.dtype))
        return cosines.max(dim=1).values

    def _per_clip(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        cosine = self._nearest(z)
        miss = torch.where(y == 0, self.real_margin - cosine, cosine - self.fake_margin)
        return F.softplus(self.scale * miss)
