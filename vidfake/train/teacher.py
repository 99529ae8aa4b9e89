"""A frozen teacher whose embeddings a distillation loss compares the student's with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vidfake.data.batch import ClipBatch
from vidfake.errors import ConfigError
from vidfake.inference.scorer import forward
from vidfake.losses import EmbeddingLoss
from vidfake.models.checkpoint import load_checkpoint
from vidfake.settings import RunConfig


def build_teacher(
    config: RunConfig, loss: EmbeddingLoss, embedding_dim: int, device: torch.device
) -> Callable[[ClipBatch], Tensor] | None:
    """Batch -> embeddings (B, E) of the checkpoint in `loss.teacher`, or None without one.

    The teacher sees the same pictures as the student. Raises ConfigError when the loss needs a teacher and none is
    named, when their embeddings differ in size, or with cached features, which are the student's.
    """
    path = config.loss.teacher
    if not path:
        if "teacher" in loss.needs.context:
            raise ConfigError(
                f"Loss '{config.loss.name}' distils a teacher: name its checkpoint, "
                "--set loss.teacher=RUN/best.vidfake."
            )
        return None
    if config.data.cache_features:
        raise ConfigError("loss.teacher needs pictures, and data.cache_features keeps none. Turn one of them off.")
    teacher = load_checkpoint(path).detector.prepare_for_inference().to(device)
    if teacher.embedding_dim != embedding_dim:
        raise ConfigError(
            f"loss.teacher has embeddings of {teacher.embedding_dim} dimensions, the student of {embedding_dim}. "
            f"Set model.embedding_dim={teacher.embedding_dim}."
        )

    def embeddings(batch: ClipBatch) -> Tensor:
        with torch.no_grad():
            return forward(teacher, batch)[0].float()

    return embeddings
