"""The head that is nothing but fixed simplex weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Required, TypedDict, Unpack

from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.heads import SoftmaxHead
from vidfake.losses.options import check_range


class SimplexOptions(TypedDict, total=False):
    """Options of a softmax head whose weights are given."""

    num_classes: Required[int]
    embedding_dim: Required[int]
    label_smoothing: float
    focal_gamma: float
    class_weights: Sequence[float] | None


@LOSSES.register(
    "fixed_simplex",
    source="Pucci et al. 2020, Fixed simplex coordinates for angular margin loss in CapsNet, ICPR 2020",
    family="softmax",
    tier=2,
    search_space=SearchSpace({"scale": (2.0, 4.0, 8.0, 16.0)}),
    defaults_many={"scale": 8.0},
)
class FixedSimplex(SoftmaxHead):
    """Cross-entropy on scaled cosines to class weights frozen at the corners of a regular simplex.

        L = -log( e^{s <w_y, x>} / Σ_j e^{s <w_j, x>} ),   <w_i, w_j> = -1/(C - 1)

    Letters: x unit embedding, w_j fixed unit weight of class j, s scale, y the true class.

    Args:
        scale: s. Authors: 2.

    Two classes: w_1 = -w_0, one fixed direction. A strong control: nothing but the embedding learns, an
    over-represented class cannot bend the weights, and embeddings of different seeds are comparable. Any other head
    takes the same weights by its option `weights = "simplex"`, margins included.
    Differs from the paper: no capsule loss beside it; the corners lie densely in all E dimensions. The
    authors' margin was 0.
    """

    def __init__(self, *, scale: float = 4.0, **options: Unpack[SimplexOptions]) -> None:
        super().__init__(weights="simplex", **options)
        self.score_scale = check_range(self, "scale", scale, 0.0, 1000.0, open_low=True)
