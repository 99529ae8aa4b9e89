"""Cross-batch memory: embeddings of earlier batches as further references of a pair loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vidfake.errors import LossInputError
from vidfake.losses.base import LOSSES, LossContext, SearchSpace
from vidfake.losses.distributed import whole_batch
from vidfake.losses.options import check_range
from vidfake.losses.pairs import PairLoss, Pairs


@LOSSES.register(
    "cross_batch_memory",
    source="Wang et al. 2020, https://arxiv.org/abs/1912.06798",
    family="pair",
    tier=2,
    search_space=SearchSpace({"size": (256, 1024, 4096), "start_progress": (0.0, 0.1, 0.3)}),
)
class CrossBatchMemory(PairLoss):
    """A pair loss whose batch is also compared with the embeddings of earlier batches.

        L = pair loss of the B clips as anchors against the B clips and the M remembered ones

    Letters: M number of remembered clips. The remembered ones are constants; the oldest make way for the newest.

    Args:
        loss: any pair loss of the registry that works on anchors and references ("contrastive", "triplet",
            "supcon", ...).
        loss_options: its options.
        size: M at most; 2 to 100 batches.
        start_progress: share of training before the memory is used; early embeddings move too fast to be
            remembered.

    Shape:
        embeddings (B, E); labels (B,); a scalar. Memory of B × (B + M) tables. No per-clip value.

    Two classes: a few clips are many positives and negatives already; it helps most with rare manipulations.
    Differs from the paper: one loss over batch and memory in place of the sum of two; an empty memory is exactly
    the loss itself. State is in the checkpoint. Under several processes all remember the clips of all.
    """

    takes_references = False
    clips: Tensor
    labels: Tensor
    filled: Tensor
    cursor: Tensor
    newest: Tensor

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        loss: str = "contrastive",
        loss_options: Mapping[str, Any] | None = None,
        size: int = 1024,
        start_progress: float = 0.1,
    ) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.start_progress = check_range(self, "start_progress", start_progress, 0.0, 1.0)
        check_range(self, "size", size, 1)
        self.loss = self._inner(loss, dict(loss_options or {}))
        self.needs = self.loss.needs
        self.register_buffer("clips", torch.zeros(size, embedding_dim))
        self.register_buffer("labels", torch.zeros(size, dtype=torch.int64))
        for name in ("filled", "cursor", "newest"):
            self.register_buffer(name, torch.zeros((), dtype=torch.int64))

    def _inner(self, name: str, options: dict[str, Any]) -> PairLoss:
        inner = LOSSES.build(name, num_classes=self.num_classes, embedding_dim=self.embedding_dim, **options)
        if not isinstance(inner, PairLoss) or not inner.takes_references:
            known = [
                row.name
                for row in LOSSES
                if isinstance(row.factory, type)
                and issubclass(row.factory, PairLoss)
                and row.factory.takes_references
            ]
            raise LossInputError(
                f"CrossBatchMemory: loss is '{name}', which does not compare anchors with references. It takes one "
                f"of: {', '.join(known)}."
            )
        return inner

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        z, y = whole_batch(z, y, training=self.training)
        if not self.training or context.progress < self.start_progress:
            return self.loss.of_pairs(Pairs.of(z, y))
        clips, labels = self._remembered(without_newest=context.repeated)
        total = self.loss.of_pairs(Pairs.of(z, y, clips.to(z.dtype), labels))
        if not context.repeated:
            self._remember(z, y)
        return total

    def of_pairs(self, pairs: Pairs) -> Tensor:
        """The wrapped loss, without the memory."""
        return self.loss.of_pairs(pairs)

    def _remembered(self, *, without_newest: bool) -> tuple[Tensor, Tensor]:
        """Copies of the remembered embeddings and labels; a second pass over one batch leaves that batch out."""
        age = (int(self.cursor) - 1 - torch.arange(len(self.clips), device=self.clips.device)) % len(self.clips)
        kept = (age < self.filled) & ~((age < self.newest) & without_newest)
        return self.clips[kept], self.labels[kept]

    @torch.no_grad()
    def _remember(self, z: Tensor, y: Tensor) -> None:
        size = len(self.clips)
        z, y = z[-size:], y[-size:]
        slots = (int(self.cursor) + torch.arange(len(y), device=z.device)) % size
        self.clips[slots] = z.to(self.clips.dtype)
        self.labels[slots] = y
        self.cursor.fill_((int(self.cursor) + len(y)) % size)
        self.newest.fill_(len(y))
        self.filled.fill_(min(size, int(self.filled) + len(y)))
