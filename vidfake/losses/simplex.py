"""Class weights fixed at the corners of a regular simplex, and the head that is only that."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vidfake.errors import LossInputError


def simplex_rows(rows: int, embedding_dim: int) -> Tensor:
    """`rows` unit vectors (rows, E) with every pairwise cosine -1/(rows - 1); the same on every machine.

    The corners are the rows of I - 1/C, normalised, carried into R^E by the first C cosine basis vectors (DCT-II),
    which are orthonormal and dense: no coordinate of the embedding is special. Needs rows <= E.
    """
    if rows > embedding_dim:
        raise LossInputError(
            f"A fixed simplex of {rows} class weights does not fit into {embedding_dim} dimensions; it takes an "
            f"embedding_dim of at least {rows}."
        )
    corners = torch.eye(rows, dtype=torch.float64) - 1.0 / rows
    corners = corners * math.sqrt(rows / (rows - 1.0)) if rows > 1 else torch.ones(1, 1, dtype=torch.float64)
    n = torch.arange(embedding_dim, dtype=torch.float64)
    k = torch.arange(rows, dtype=torch.float64)[:, None]
    basis = torch.cos(math.pi * k * (n + 0.5) / embedding_dim) * math.sqrt(2.0 / embedding_dim)
    basis[0] *= math.sqrt(0.5)
    return (corners @ basis).float()
