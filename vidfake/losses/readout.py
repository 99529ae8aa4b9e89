"""Read-outs: from clip embeddings to a score, the same code for every loss, so that losses can be compared.

Every score is a raw margin in float32, higher = more likely fake: never a probability, which would saturate
and make ties.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from vidfake.errors import LossInputError
from vidfake.losses.angular import unit_rows
from vidfake.losses.base import EmbeddingLoss
from vidfake.registry import Registry
from vidfake.seeding import derived_seed

READOUTS: Registry[Readout] = Registry("read-out")

_NEIGHBOUR_CHUNK = 1024
"""Embeddings compared with the stored ones at a time: bounds memory."""


class Readout(ABC):
    """A score fitted on frozen training embeddings.

    `fit(embeddings (N, E), class_labels (N,))` with class 0 real and 1..M manipulations; `score(embeddings (B, E))`
    gives (B,); `state()` is what a checkpoint stores, `from_state` its inverse.
    """

    tensors: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self._state: dict[str, Tensor] = {}

    def fit(self, embeddings: Tensor, class_labels: Tensor) -> Self:
        """Learn from training embeddings. Raises LossInputError if they cannot be used."""
        x, y = _checked(embeddings, class_labels)
        with torch.autocast(x.device.type, enabled=False):
            self._state = {name: tensor.detach().cpu() for name, tensor in self._fit(x, y).items()}
        return self

    def score(self, embeddings: Tensor) -> Tensor:
        """Score (B,) float32, higher = more likely fake."""
        if not self._state:
            raise LossInputError(f"{type(self).__name__} was not fitted; call fit() or from_state() first.")
        with torch.no_grad(), torch.autocast(embeddings.device.type, enabled=False):
            state = {name: tensor.to(embeddings.device) for name, tensor in self._state.items()}
            return self._score(unit_rows(embeddings.float()), state)

    def state(self) -> dict[str, Tensor]:
        """Plain tensors on the CPU for a checkpoint."""
        return dict(self._state)

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> Self:
        """A fitted read-out from `state()`."""
        missing = [name for name in cls.tensors if name not in state]
        if missing:
            raise LossInputError(f"{cls.__name__}: the stored state lacks {', '.join(missing)}.")
        made = cls()
        made._state = {name: state[name].detach().cpu() for name in cls.tensors}
        return made

    @abstractmethod
    def _fit(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """State from unit embeddings (N, E) and class labels (N,)."""

    @abstractmethod
    def _score(self, x: Tensor, state: dict[str, Tensor]) -> Tensor:
        """Score (B,) of unit embeddings (B, E)."""


@READOUTS.register("prototype", source="difference of cosines to class means")
class PrototypeReadout(Readout):
    """Cosine to the nearest fake class's mean, minus cosine to the mean of the reals.

    score = max_{j>=1} <x, p_j> - <x, p_0>, with p_j the mean unit embedding of class j, at length 1.
    """

    tensors = ("prototypes",)

    def _fit(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"prototypes": unit_rows(torch.stack([x[y == j].mean(dim=0) for j in torch.unique(y)]))}

    def _score(self, x: Tensor, state: dict[str, Tensor]) -> Tensor:
        similarity = x @ state["prototypes"].T
        return similarity[:, 1:].max(dim=1).values - similarity[:, 0]


@READOUTS.register("probe", source="logistic regression on frozen unit embeddings")
class ProbeReadout(Readout):
    """Linear probe: logistic regression of fake against real on unit embeddings, classes weighted equally.

    Args:
        regularisation: C of scikit-learn; smaller is stronger.
    """

    tensors = ("coefficients", "intercept")

    def __init__(self, *, regularisation: float = 1.0) -> None:
        super().__init__()
        if not regularisation > 0:
            raise LossInputError(f"regularisation is {regularisation}; it must be above 0")
        self.regularisation = regularisation

    def _fit(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=self.regularisation, class_weight="balanced", max_iter=5000)
        model.fit(x.double().cpu().numpy(), (y > 0).long().cpu().numpy())
        return {
            "coefficients": torch.from_numpy(model.coef_[0]).float(),
            "intercept": torch.from_numpy(model.intercept_).float(),
        }

    def _score(self, x: Tensor, state: dict[str, Tensor]) -> Tensor:
        return x @ state["coefficients"] + state["intercept"]


@READOUTS.register("knn", source="k nearest neighbours by cosine on stored training embeddings")
class NeighbourReadout(Readout):
    """Mean cosine to the k nearest training fakes, minus that to the k nearest training reals.

    Continuous, unlike a vote of k neighbours, which gives only k + 1 different scores and ties.

    Args:
        k: neighbours of each class; fewer where a class has fewer.
        max_stored: most training embeddings kept, drawn with `seed`; reals and fakes in equal number where
            possible.
    """

    tensors = ("reals", "fakes", "k")

    def __init__(self, *, k: int = 20, max_stored: int = 20_000, seed: int = 0) -> None:
        super().__init__()
        if k < 1 or max_stored < 2:
            raise LossInputError(f"k is {k} and max_stored {max_stored}; they must be at least 1 and 2")
        self.k, self.max_stored, self.seed = k, max_stored, seed

    def _fit(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        reals, fakes = x[y == 0], x[y > 0]
        half = self.max_stored // 2
        num_reals = min(len(reals), max(half, self.max_stored - len(fakes)))
        return {
            "reals": self._drawn(reals, num_reals, "reals"),
            "fakes": self._drawn(fakes, self.max_stored - num_reals, "fakes"),
            "k": torch.tensor(self.k),
        }

    def _drawn(self, x: Tensor, count: int, name: str) -> Tensor:
        if len(x) <= count:
            return x.clone()
        generator = torch.Generator().manual_seed(derived_seed("knn", self.seed, name))
        chosen = torch.randperm(len(x), generator=generator)[:count].sort().values
        return x[chosen.to(x.device)]

    def _score(self, x: Tensor, state: dict[str, Tensor]) -> Tensor:
        k = int(state["k"])
        return torch.cat(
            [
                _nearest_mean(part, state["fakes"], k) - _nearest_mean(part, state["reals"], k)
                for part in torch.split(x, _NEIGHBOUR_CHUNK)
            ]
        )


@READOUTS.register("native", source="the loss's own class weights")
class NativeReadout(Readout):
    """The loss's own score; nothing is fitted and nothing stored beyond the loss itself."""

    def __init__(self, *, loss: EmbeddingLoss) -> None:
        super().__init__()
        if not loss.has_native_score:
            raise LossInputError(
                f"{type(loss).__name__} has no native score; use the read-out 'prototype', 'probe' or 'knn'."
            )
        self.loss = loss

    def fit(self, embeddings: Tensor, class_labels: Tensor) -> Self:
        """Nothing to learn."""
        return self

    def score(self, embeddings: Tensor) -> Tensor:
        """The loss's `score`, without gradient."""
        with torch.no_grad():
            return self.loss.score(embeddings).float()

    def _fit(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {}

    def _score(self, x: Tensor, state: dict[str, Tensor]) -> Tensor:
        return self.loss.score(x)


def default_readout(loss: EmbeddingLoss) -> str:
    """`native` where the loss scores by itself, else `prototype`."""
    return "native" if loss.has_native_score else "prototype"


def build_readout(name: str, *, loss: EmbeddingLoss | None = None, **options: Any) -> Readout:
    """A read-out by name, not yet fitted. `native` needs the loss."""
    if name == "native":
        if loss is None:
            raise LossInputError("The read-out 'native' needs the loss whose weights it reads; pass loss=.")
        return NativeReadout(loss=loss)
    return READOUTS.build(name, **options)


def load_readout(name: str, state: dict[str, Tensor], *, loss: EmbeddingLoss | None = None) -> Readout:
    """A fitted read-out from its name and `state()`."""
    if name == "native":
        return build_readout(name, loss=loss)
    factory = READOUTS.row(name).factory
    assert isinstance(factory, type)
    assert issubclass(factory, Readout)
    return factory.from_state(state)


def _nearest_mean(x: Tensor, stored: Tensor, k: int) -> Tensor:
    similarity = x @ stored.T
    return similarity.topk(min(k, len(stored)), dim=1).values.mean(dim=1)


def _checked(embeddings: Tensor, class_labels: Tensor) -> tuple[Tensor, Tensor]:
    """Unit float32 embeddings and int64 labels, or LossInputError."""
    if embeddings.ndim != 2 or class_labels.shape != embeddings.shape[:1]:
        raise LossInputError(
            f"Read-out: embeddings are {tuple(embeddings.shape)} and labels {tuple(class_labels.shape)}; expected "
            "(N, E) and (N,)."
        )
    bad = int((~torch.isfinite(embeddings)).any(dim=1).sum())
    if bad:
        raise LossInputError(f"Read-out: {bad} of {len(embeddings)} training embeddings hold NaN or infinity.")
    y = class_labels.long().to(embeddings.device)
    if not bool((y == 0).any()) or not bool((y > 0).any()):
        raise LossInputError(
            f"Read-out: the training clips hold {int((y == 0).sum())} reals and {int((y > 0).sum())} fakes; it "
            "takes at least one of each."
        )
    return unit_rows(embeddings.detach().float()), y
