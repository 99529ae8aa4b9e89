"""Sub-center ArcFace: several centres per class, and more of them for fakes than for reals."""

from __future__ import annotations

import math
from typing import Literal, Unpack

import torch
from torch import Tensor

from vidfake.losses.angular import ArcGuard, cosines_to
from vidfake.losses.arcface import ArcFace
from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.heads import MarginOptions
from vidfake.losses.options import check_choice, check_range


@LOSSES.register(
    "subcenter_arcface",
    source="Deng et al. 2020, https://www.ecva.net/papers/eccv_2020/papers_ECCV/papers/123560715.pdf",
    family="margin",
    tier=1,
    search_space=SearchSpace(
        {"centres_fake": (2, 4, 8), "margin_radians": (0.2, 0.35, 0.5)},
        {"centres_fake": (2, 3, 5), "margin_radians": (0.1, 0.2, 0.35, 0.5)},
    ),
    defaults_many={"scale": 32.0, "centres_real": 3, "centres_fake": 3},
)
class SubCenterArcFace(ArcFace):
    """ArcFace with several centres per class, of which a clip needs to be near only one.

        c_j = max_k <w_jk, x>   (soft: Σ_k softmax_k(c_jk / τ) c_jk);   then ArcFace on θ_j = arccos c_j

    Letters: x unit embedding, w_jk unit centre k of class j, τ temperature.

    Args:
        scale: s of ArcFace.
        margin_radians: m of ArcFace.
        arc_guard: as in ArcFace.
        centres_real: K of class 0.
        centres_fake: K of every other class.
        pooling: `max`, whose gradient reaches the nearest centre only, or `soft`, which reaches all.
        temperature: τ of soft pooling.

    Two classes: with `centres_fake` at the number of manipulations or above, the one class "fake" may be many modes
    without labels of the manipulations. The score pools the centres as training does.
    Differs from the paper: a number of centres for reals and another for fakes; soft pooling is SoftTriple's.
    """

    def __init__(
        self,
        *,
        scale: float = 16.0,
        margin_radians: float = 0.5,
        arc_guard: ArcGuard = "linear",
        centres_real: int = 1,
        centres_fake: int = 4,
        pooling: Literal["max", "soft"] = "max",
        temperature: float = 0.1,
        **options: Unpack[MarginOptions],
    ) -> None:
        super().__init__(scale=scale, margin_radians=margin_radians, arc_guard=arc_guard, **options)
        self.centres_real = int(check_range(self, "centres_real", centres_real, 1, 100))
        self.centres_fake = int(check_range(self, "centres_fake", centres_fake, 1, 100))
        check_choice(self, "pooling", pooling, ("max", "soft"))
        self.pooling = pooling
        self.temperature = check_range(self, "temperature", temperature, 0.0, 10.0, open_low=True)
        self.set_weight(self.centres_real + self.centres_fake * (self.num_classes - 1))

    def centre_cosines(self, z: Tensor) -> Tensor:
        """Cosine to every centre (B, ΣK): the real class's first, then each fake class's."""
        return cosines_to(z, self.weight.to(z.dtype))

    def similarities(self, z: Tensor) -> Tensor:
        """Pooled cosine to each class (B, C)."""
        cosines = self.centre_cosines(z)
        real = cosines[:, None, : self.centres_real]
        fakes = cosines[:, self.centres_real :].reshape(len(z), self.num_classes - 1, self.centres_fake)
        return torch.cat([self._pooled(real), self._pooled(fakes)], dim=1)

    def _pooled(self, cosines: Tensor) -> Tensor:
        if self.pooling == "max":
            return cosines.max(dim=2).values
        return (torch.softmax(cosines / self.temperature, dim=2) * cosines).sum(dim=2)

    def class_centres(self, class_index: int) -> slice:
        """Rows of `weight` that belong to a class."""
        if class_index == 0:
            return slice(0, self.centres_real)
        start = self.centres_real + (class_index - 1) * self.centres_fake
        return slice(start, start + self.centres_fake)

    @torch.no_grad()
    def centre_usage(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Share of each class's clips that are nearest to each of its centres (ΣK,). A dead centre has 0."""
        z, y = self.checked(embeddings, labels)
        cosines = self.centre_cosines(z)
        usage = cosines.new_zeros(cosines.shape[1])
        for j in range(self.num_classes):
            rows = self.class_centres(j)
            nearest = cosines[y == j][:, rows].argmax(dim=1)
            usage[rows] = torch.bincount(nearest, minlength=rows.stop - rows.start) / max(1, len(nearest))
        return usage

    @torch.no_grad()
    def outliers(self, embeddings: Tensor, labels: Tensor, *, max_degrees: float = 75.0) -> Tensor:
        """Which clips (B,) lie farther than that from their class's most used centre: likely wrong labels."""
        z, y = self.checked(embeddings, labels)
        cosines, usage = self.centre_cosines(z), self.centre_usage(z, y)
        dominant = torch.stack(
            [usage[self.class_centres(j)].argmax() + self.class_centres(j).start for j in range(self.num_classes)]
        )
        return cosines.gather(1, dominant[y][:, None]).squeeze(1) < math.cos(math.radians(max_degrees))
