"""Center loss: clips drawn to the centre of their class."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from vidfake.losses.angular import unit_rows
from vidfake.losses.base import LOSSES, EmbeddingLoss, LossContext, SearchSpace
from vidfake.losses.distributed import all_reduce_sum
from vidfake.losses.options import check_choice, check_range
from vidfake.losses.pairs import mean_where

Variant = Literal["all", "per_method", "real_only"]
Form = Literal["euclidean", "cosine"]
Update = Literal["delta", "gradient"]


@torch.no_grad()
def sums_by_centre(points: Tensor, index: Tensor, num_centres: int) -> tuple[Tensor, Tensor]:
    """Sum of the points of each centre (K, E) and their number (K, 1), over all processes."""
    member = nn.functional.one_hot(index, num_centres).to(points.dtype)
    both = all_reduce_sum(torch.cat([member.T @ points, member.sum(0)[:, None]], dim=1))
    return both[:, :-1], both[:, -1:]


@LOSSES.register(
    "center",
    source="Wen et al. 2016, https://doi.org/10.1007/978-3-319-46478-7_31",
    family="regulariser",
    tier=2,
    search_space=SearchSpace({"variant": get_args(Variant), "form": get_args(Form)}),
)
class Center(EmbeddingLoss):
    """Pulls every clip to the moving centre of its class; to be added to a loss that tells classes apart.

        euclidean:  L = 1/2 mean_i ||z_i - c_{k(i)}||²
        cosine:     L = mean_i (1 - <x_i, c_{k(i)} / ||c_{k(i)}||>)
        delta:      c_k <- c_k - α Σ_{i: k(i) = k} (c_k - z_i) / (1 + n_k)   after each batch

    Letters: z embedding, x the same at unit length, c_k centre k, n_k its clips in the batch, α `rate`.

    Args:
        variant: which clips have which centre: "per_method", one per class index; "all", one for real and one for
            all fakes together; "real_only", reals alone (fakes are left where they are).
        form: "euclidean", or "cosine", which cannot shrink the norm instead of the spread.
        update: "delta", the paper's rule, or "gradient": centres are parameters of the optimiser. Their step is
            then tied to this loss's weight in the sum, unless the optimiser is indifferent to scale (Adam).
        rate: α of the delta rule; 0 to 1.

    Shape:
        embeddings (B, E); labels (B,), 0 real; a scalar, the mean over the clips that have a centre (0 if none).
        Per clip, 0 for those without.

    Two classes: "all" and "per_method" are the same, and force all fakes to one point though they are not one mode.
    "real_only" does not. Weight in a sum: 1e-4 to 1e-1. Alone, and with the Euclidean form, it collapses.
    Differs from the paper: a mean instead of a sum over the batch, so that the weight does not depend on B; a
    centre starts at the mean of the first clips seen of its class. All processes share the centres.
    """

    centres: Tensor
    seen: Tensor

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        variant: Variant = "per_method",
        form: Form = "euclidean",
        update: Update = "delta",
        rate: float = 0.5,
    ) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.variant = check_choice(self, "variant", variant, get_args(Variant))
        self.form = check_choice(self, "form", form, get_args(Form))
        self.update = check_choice(self, "update", update, get_args(Update))
        self.rate = check_range(self, "rate", rate, 0.0, 1.0, open_low=True)
        count = {"per_method": num_classes, "all": 2, "real_only": 1}[variant]
        centres = torch.zeros(count, embedding_dim)
        if update == "gradient":
            self.centres = nn.Parameter(centres)
        else:
            self.register_buffer("centres", centres)
        self.register_buffer("seen", torch.zeros(count, dtype=torch.bool))

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        moves = self.training and not context.repeated
        if moves:
            self._meet(z, y)
        total = mean_where(*self._pulls(z, y))
        if moves and self.update == "delta":
            self._move(z, y)
        return total

    def _per_clip(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        pulls, counted = self._pulls(z, y)
        return torch.where(counted, pulls, 0.0)

    def _pulls(self, z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Pull of each clip (B,), and whether it has a centre that has been seen (B,)."""
        index, has_centre = self._centre_of(y)
        # a copy: the delta rule changes the centres in place before the backward pass needs these
        own = self.centres.to(z.dtype)[index]
        if self.form == "cosine":
            pulls = 1 - (unit_rows(z) * unit_rows(own)).sum(1)
        else:
            pulls = (z - own).square().sum(1) / 2
        return pulls, has_centre & self.seen[index]

    def _centre_of(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Index of each clip's centre (B,), and whether it has one (B,) bool."""
        if self.variant == "per_method":
            return y, torch.ones_like(y, dtype=torch.bool)
        if self.variant == "all":
            return y.clamp(max=1), torch.ones_like(y, dtype=torch.bool)
        return torch.zeros_like(y), y == 0

    @torch.no_grad()
    def _sums(self, z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        index, has_centre = self._centre_of(y)
        points = unit_rows(z) if self.form == "cosine" else z
        sums, counts = sums_by_centre(points[has_centre], index[has_centre], len(self.centres))
        return sums.to(self.centres.dtype), counts.to(self.centres.dtype)

    @torch.no_grad()
    def _meet(self, z: Tensor, y: Tensor) -> None:
        """Centres that have never had a clip start at the mean of their first ones."""
        if bool(self.seen.all()):
            return
        sums, counts = self._sums(z, y)
        new = ~self.seen & (counts[:, 0] > 0)
        self.centres[new] = sums[new] / counts[new]
        self.seen |= new

    @torch.no_grad()
    def _move(self, z: Tensor, y: Tensor) -> None:
        sums, counts = self._sums(z, y)
        self.centres -= self.rate * (counts * self.centres - sums) / (1 + counts)
