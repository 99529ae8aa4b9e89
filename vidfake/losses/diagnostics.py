"""What a loss does to the embedding space: angles, norms, effective rank, silent clips, and weights of pairs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vidfake.errors import LossInputError
from vidfake.losses.angular import unit_rows
from vidfake.losses.base import EmbeddingLoss, LossContext


@dataclass(frozen=True)
class EmbeddingDiagnostics:
    """Figures of one set of clips; NaN where a class has too few clips for one.

    `intra_degrees`: per class, mean angle of its clips to the class's mean direction. `inter_degrees` (C, C):
    angles between the classes' mean directions. `norm_mean`, `norm_deviation`: of ||z|| per class.
    `effective_rank`: e^H of the normalised spectrum of the unit embeddings, 1 (all alike) to E.
    `silent_share`: see `silent_share`.
    """

    intra_degrees: list[float]
    inter_degrees: list[list[float]]
    norm_mean: list[float]
    norm_deviation: list[float]
    effective_rank: float
    silent_share: float | None


def diagnose(
    embeddings: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    loss: EmbeddingLoss | None = None,
    context: LossContext | None = None,
) -> EmbeddingDiagnostics:
    """Diagnostics of embeddings (N, E) with class labels (N,); with a loss also its share of silent clips."""
    z = embeddings.detach().double()
    x, norms = unit_rows(z), torch.linalg.vector_norm(z, dim=1)
    of_class = [labels == j for j in range(num_classes)]
    means = unit_rows(torch.stack([x[mask].sum(dim=0) for mask in of_class]))
    means[torch.stack([~mask.any() for mask in of_class])] = torch.nan
    return EmbeddingDiagnostics(
        intra_degrees=[float(_degrees(x[mask] @ mean).mean()) for mask, mean in zip(of_class, means, strict=True)],
        inter_degrees=_degrees(means @ means.T).tolist(),
        norm_mean=[float(norms[mask].mean()) for mask in of_class],
        norm_deviation=[_deviation(norms[mask]) for mask in of_class],
        effective_rank=effective_rank(x),
        silent_share=None if loss is None else silent_share(loss, embeddings, labels, context=context),
    )


def effective_rank(x: Tensor) -> float:
    """e^H, H the entropy of the squared singular values of x (N, E), normalised to sum 1 (Roy, Vetterli 2007)."""
    energy = torch.linalg.svdvals(x.double()).square()
    if float(energy.sum()) == 0.0:
        return 0.0
    share = energy / energy.sum()
    return float(torch.exp(torch.special.entr(share).sum()))


def silent_share(
    loss: EmbeddingLoss,
    embeddings: Tensor,
    labels: Tensor,
    *,
    context: LossContext | None = None,
    tolerance: float = 1e-6,
) -> float:
    """Share of the clips that the loss no longer trains: B · ||dL/dz_i|| · ||z_i|| below `tolerance`.

    The product does not depend on the embedding's norm for losses that normalise it. No state of the loss moves.
    """
    z = embeddings.detach().clone().requires_grad_()
    gradient = _gradient(loss, z, labels, context)
    size = torch.linalg.vector_norm(gradient, dim=1) * torch.linalg.vector_norm(z.detach(), dim=1) * len(z)
    return float((size < tolerance).double().mean())


def pair_weights(
    loss: EmbeddingLoss, embeddings: Tensor, labels: Tensor, *, context: LossContext | None = None
) -> tuple[Tensor, Tensor]:
    """(S, w): cosines of all pairs (B, B), and w_ij = |dL/dS_ij|, the weight that a loss gives each pair.

    This is general pair weighting: plot w against S. For a loss that sees embeddings only through S, its gradient
    by the unit embeddings X is 2 Λ X with Λ = dL/dS symmetric, so Λ = ½ (dL/dX) X⁺; the diagonal, which only keeps
    norms at 1, is set to 0. With class weights, which S does not hold, Λ is the part that pairs explain.

    Raises LossInputError unless the B clips are linearly independent (B at most E): else Λ is not determined.
    """
    x = unit_rows(embeddings.detach().double())
    if len(x) > x.shape[1] or int(torch.linalg.matrix_rank(x)) < len(x):
        rank = int(torch.linalg.matrix_rank(x))
        raise LossInputError(
            f"pair_weights: {len(x)} clips of rank {rank} in {x.shape[1]} dimensions do not determine the "
            "weights of their pairs; pass fewer clips than dimensions, none of them twice."
        )
    gradient = _gradient(loss, x.clone().requires_grad_(), labels, context)
    weights = 0.5 * gradient @ torch.linalg.pinv(x)
    weights = 0.5 * (weights + weights.T)
    return x @ x.T, weights.abs().fill_diagonal_(0.0)


def _gradient(loss: EmbeddingLoss, z: Tensor, labels: Tensor, context: LossContext | None) -> Tensor:
    """dL/dz with the loss in evaluation mode, so that none of its state moves."""
    was_training = loss.training
    loss.eval()
    try:
        (gradient,) = torch.autograd.grad(loss(z, labels, context=context), z)
    finally:
        loss.train(was_training)
    return gradient


def _degrees(cosines: Tensor) -> Tensor:
    return torch.rad2deg(torch.acos(cosines.clamp(-1.0, 1.0)))


def _deviation(values: Tensor) -> float:
    return float(values.std()) if len(values) > 1 else float("nan")
