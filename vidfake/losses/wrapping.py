"""Building the head inside a loss that wraps one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidfake.errors import ConfigError
from vidfake.losses.base import LOSSES
from vidfake.losses.combine import defaults_for
from vidfake.losses.heads import HeadLoss


def build_head(
    name: str, options: Mapping[str, Any] | None, *, num_rows: int, num_classes: int, embedding_dim: int, owner: str
) -> HeadLoss:
    """The head of that name with `num_rows` class weights, or ConfigError if that loss owns none.

    Options that are not given take the head's defaults for a task of `num_classes`.
    """
    chosen = {**defaults_for(name, num_classes), **(options or {})}
    head = LOSSES.build(name, num_classes=num_rows, embedding_dim=embedding_dim, **chosen)
    if not isinstance(head, HeadLoss):
        raise ConfigError(
            f"{owner}: head is '{name}', which owns no class weights; it takes 'softmax', 'arcface' …"
        )
    return head
