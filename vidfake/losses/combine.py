"""From settings to a loss: a registry row, or a weighted sum such as ``arcface + 0.01*center``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from vidfake.errors import ConfigError
from vidfake.losses.base import LOSSES, EmbeddingLoss, LossContext, LossNeeds
from vidfake.losses.heads import HeadLoss
from vidfake.settings import LossSettings

MANY_CLASSES = 5
"""From this many classes on, a loss takes its defaults for manipulations; below, those for two classes."""

_TERM = re.compile(r"(?:(?P<weight>[0-9.]+(?:e-?[0-9]+)?)\s*\*\s*)?(?P<name>[a-z][a-z0-9_]*)")


class CombinedLoss(EmbeddingLoss):
    """Weighted sum of losses on the same embeddings; the native score is that of the first loss which has one.

    Args:
        parts: name -> loss, in order.
        weights: one factor per part.
    """

    def __init__(self, parts: Mapping[str, EmbeddingLoss], weights: Sequence[float]) -> None:
        first = next(iter(parts.values()))
        super().__init__(num_classes=first.num_classes, embedding_dim=first.embedding_dim)
        self.parts = nn.ModuleDict(dict(parts))
        self.weights = dict(zip(parts, weights, strict=True))
        self.needs = _joint_needs([part.needs for part in parts.values()])
        self.scorer = next((name for name, part in parts.items() if part.has_native_score), None)
        self.has_native_score = self.scorer is not None

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        context = self._with_class_weights(context)
        return torch.stack([w * part._total(z, y, context) for w, part in self._weighted()]).sum()

    def _per_clip(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        context = self._with_class_weights(context)
        return torch.stack([w * part._per_clip(z, y, context) for w, part in self._weighted()]).sum(dim=0)

    def _weighted(self) -> list[tuple[float, EmbeddingLoss]]:
        return [(weight, self._part(name)) for name, weight in self.weights.items()]

    def _with_class_weights(self, context: LossContext) -> LossContext:
        """The context with the weights of the first head that has one row per class."""
        for _, part in self._weighted():
            if isinstance(part, HeadLoss) and len(part.weight) == self.num_classes:
                return replace(context, class_weights=part.weight)
        return context

    def _part(self, name: str) -> EmbeddingLoss:
        part = self.parts[name]
        assert isinstance(part, EmbeddingLoss)
        return part

    def score(self, embeddings: Tensor) -> Tensor:
        """Native score (B,) of the first part that has one."""
        if self.scorer is None:
            return super().score(embeddings)
        return self._part(self.scorer).score(embeddings)


def parse_sum(expression: str) -> list[tuple[float, str]]:
    """``"arcface + 0.01*center"`` -> ``[(1.0, "arcface"), (0.01, "center")]``, or ConfigError."""
    terms: list[tuple[float, str]] = []
    for text in expression.split("+"):
        match = _TERM.fullmatch(text.strip())
        weight = _number(match["weight"]) if match else None
        if match is None or weight is None:
            raise ConfigError(
                f"loss.name is {expression!r}; its term {text.strip()!r} is not a loss. Write a name, or a sum of "
                "names with weights above 0 in front: 'arcface + 0.01*center'."
            )
        if match["name"] in [name for _, name in terms]:
            raise ConfigError(f"loss.name is {expression!r}; '{match['name']}' occurs twice. Give it one weight.")
        terms.append((weight, match["name"]))
    return terms


def _number(text: str | None) -> float | None:
    """The weight written in front of a name: 1 if there is none, None if it is no number above 0."""
    try:
        value = 1.0 if text is None else float(text)
    except ValueError:
        return None
    return value if value > 0 else None


def defaults_for(name: str, num_classes: int) -> dict[str, Any]:
    """Options that a row's defaults change for a task of that many classes; the rest are in its signature."""
    key = "defaults_many" if num_classes >= MANY_CLASSES else "defaults_two_class"
    return dict(LOSSES.row(name).details.get(key, {}))


def build_loss(
    settings: LossSettings, *, num_classes: int, embedding_dim: int, norm_can_vary: bool = True
) -> EmbeddingLoss:
    """The loss of the settings, with the defaults for that many classes.

    Args:
        norm_can_vary: False where the embedding ends in a normalisation; losses that read the norm are refused.

    Raises:
        ConfigError: an expression, option or value is wrong, or the loss reads a norm that cannot vary.
        UnknownNameError: no such loss.
        LossInputError: an option is out of range, or the loss cannot work with that many classes.
    """
    terms = parse_sum(settings.name)
    tables = _options_by_name(settings, [name for _, name in terms])
    parts = {
        name: LOSSES.build(
            name,
            num_classes=num_classes,
            embedding_dim=embedding_dim,
            **{**defaults_for(name, num_classes), **tables[name]},
        )
        for _, name in terms
    }
    for name, part in parts.items():
        if part.needs.norm_must_vary and not norm_can_vary:
            raise ConfigError(
                f"Loss '{name}' reads the norm of the embedding, and this model's embedding layer makes it "
                "constant. Set model.embedding_norm = 'none', or choose a loss that does not read the norm."
            )
    if terms == [(1.0, terms[0][1])]:
        return parts[terms[0][1]]
    return CombinedLoss(parts, [weight for weight, _ in terms])


def _options_by_name(settings: LossSettings, names: list[str]) -> dict[str, dict[str, Any]]:
    """One table of options per name; a single loss's options are its table."""
    if len(names) == 1 and not (
        set(settings.options) == set(names) and isinstance(settings.options[names[0]], dict)
    ):
        return {names[0]: dict(settings.options)}
    for key, table in settings.options.items():
        if key not in names or not isinstance(table, dict):
            raise ConfigError(
                f"loss.options has '{key}'; for the sum {settings.name!r} it takes one table per loss: "
                f"{', '.join(names)} (for example loss.options.{names[0]}.scale = 16.0)."
            )
    return {name: dict(settings.options.get(name, {})) for name in names}


def _joint_needs(all_needs: Sequence[LossNeeds]) -> LossNeeds:
    """What every part of a sum needs at once."""
    largest = [needs.max_classes for needs in all_needs if needs.max_classes is not None]
    return LossNeeds(
        classes_per_batch=max(needs.classes_per_batch for needs in all_needs),
        clips_per_class=max(needs.clips_per_class for needs in all_needs),
        norm_must_vary=any(needs.norm_must_vary for needs in all_needs),
        min_classes=max(needs.min_classes for needs in all_needs),
        max_classes=min(largest) if largest else None,
        context=tuple(dict.fromkeys(name for needs in all_needs for name in needs.context)),
    )
