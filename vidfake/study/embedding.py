"""What a run's embeddings look like (spec D5, B13), JSON-ready."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidfake.data.batch import ClipBatch
from vidfake.errors import LossInputError
from vidfake.losses import EmbeddingLoss, LossContext
from vidfake.losses.diagnostics import diagnose, pair_weights, silent_share
from vidfake.metrics.results import to_plain
from vidfake.train.loop import domains_of

COSINE_BINS = np.linspace(-1.0, 1.0, 21)


def diagnostics(
    loss: EmbeddingLoss,
    validation: tuple[Tensor, Tensor],
    batch: ClipBatch,
    embeddings: Tensor,
    *,
    binary: bool,
    teacher: Tensor | None = None,
    pairs: bool = False,
) -> dict[str, Any]:
    """Angles, norms and effective rank of validation embeddings and task labels; share of silent clips, and with
    `pairs` the weights of pairs by cosine, in one training batch with its evaluation-mode `embeddings` (B, E).

    `pair_weight` has ``cosine`` (bin centres) and the mean weight of pairs of ``same`` and ``other`` class.
    """
    z, labels = validation
    found: dict[str, Any] = asdict(diagnose(z, labels, num_classes=loss.num_classes))
    y = batch.labels if binary else batch.class_labels
    context = LossContext(
        progress=1.0,
        binary_labels=batch.labels,
        video_ids=tuple(batch.video_ids),
        source_ids=tuple(batch.source_ids),
        domains=domains_of(batch),
        teacher=teacher,
    )
    with torch.enable_grad():
        found["silent_share"] = silent_share(loss, embeddings, y, context=context)
        if pairs:
            found["pair_weight"] = _pair_weight(loss, embeddings, y, context)
    cleaned: dict[str, Any] = to_plain(found)
    return cleaned


def _pair_weight(loss: EmbeddingLoss, z: Tensor, y: Tensor, context: LossContext) -> dict[str, Any] | None:
    try:
        cosines, weights = pair_weights(loss, z, y, context=context)
    except LossInputError:  # more clips than dimensions, or clips alike: the weights are not determined
        return None
    upper = torch.triu(torch.ones_like(cosines, dtype=torch.bool), diagonal=1)
    same = (y[:, None] == y[None, :])[upper].numpy()
    place = np.clip(np.digitize(cosines[upper].numpy(), COSINE_BINS) - 1, 0, len(COSINE_BINS) - 2)
    w = weights[upper].numpy()
    result: dict[str, Any] = {"cosine": ((COSINE_BINS[1:] + COSINE_BINS[:-1]) / 2).round(3).tolist()}
    for name, chosen in (("same", same), ("other", ~same)):
        result[name] = [
            float(w[chosen & (place == i)].mean()) if (chosen & (place == i)).any() else None
            for i in range(len(COSINE_BINS) - 1)
        ]
    return result
