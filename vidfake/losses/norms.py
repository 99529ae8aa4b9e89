"""What losses that read the embedding's norm share: a refusal of norms that do not vary."""

from __future__ import annotations

import torch
from torch import Tensor

from vidfake.errors import LossInputError

LEAST_VARIATION = 1e-2
"""Least standard deviation over mean of the norms; a final LayerNorm gives about 1e-3."""

_LEAST_CLIPS = 8


@torch.no_grad()
def norms_vary(norms: Tensor, *, loss: str) -> bool:
    """True if the batch shows that norms vary, False if it is too small to tell (under 8 clips).

    Raises LossInputError if it shows that they do not.
    """
    if len(norms) < _LEAST_CLIPS:
        return False
    mean, deviation = float(norms.mean()), float(norms.std())
    if deviation < LEAST_VARIATION * mean:
        raise LossInputError(
            f"{loss} reads the norm of the embedding, but the norms of these {len(norms)} clips hardly vary: mean "
            f"{mean:.4g}, standard deviation {deviation:.4g}, less than {LEAST_VARIATION:g} of it. Remove the "
            "normalisation behind the embedding layer (model.embedding_norm = 'none'), or choose a loss that does "
            "not read the norm."
        )
    return True
