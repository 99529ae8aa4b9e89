"""Random batches, and the comparison of a loss with a literal slow version of its equation."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

Batch = Callable[..., tuple[Tensor, Tensor]]
Oracle = Callable[..., Tensor]


def _batch(
    num_classes: int, *, size: int = 12, dim: int = 6, seed: int = 0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Embeddings of any norm, and labels in random order in which every class has at least two clips."""
    generator = torch.Generator().manual_seed(1000 * num_classes + seed)
    labels = torch.arange(size) % num_classes
    labels = labels[torch.randperm(size, generator=generator)]
    z = torch.randn(size, dim, generator=generator, dtype=torch.float64)
    z = z * (0.5 + torch.rand(size, 1, generator=generator, dtype=torch.float64))
    return z.to(dtype), labels


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Class weights and centres start at random."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def batch() -> Batch:
    return _batch


def _gradients(value: Tensor, z: Tensor, loss: torch.nn.Module) -> list[Tensor]:
    wanted = [z, *loss.parameters()]
    found = torch.autograd.grad(value, wanted, allow_unused=True)
    return [torch.zeros_like(w) if g is None else g for g, w in zip(found, wanted, strict=True)]


def _assert_same(loss: Any, oracle: Oracle, z: Tensor, y: Tensor, *, context: Any = None) -> None:
    """Value, and gradient by embeddings and by the loss's parameters: float64 to 1e-8, float32 to 1e-4.

    `oracle(rows, labels, loss) -> scalar` gets B vectors, B ints, and the loss for its parameters.
    """
    for dtype, tolerance in ((torch.float64, 1e-8), (torch.float32, 1e-4)):
        ours, theirs = copy.deepcopy(loss).to(dtype), copy.deepcopy(loss).double()
        a = z.detach().to(dtype).requires_grad_()
        b = z.detach().double().requires_grad_()
        value = ours(a, y, context=context)
        expected = oracle([b[i] for i in range(len(b))], y.tolist(), theirs)
        assert value.dtype == dtype
        assert value.ndim == 0
        torch.testing.assert_close(value.double(), expected, rtol=tolerance, atol=tolerance)
        pairs = zip(_gradients(value, a, ours), _gradients(expected, b, theirs), strict=True)
        for got, want in pairs:
            torch.testing.assert_close(got.double(), want, rtol=tolerance, atol=tolerance)


@pytest.fixture(scope="session")
def assert_same() -> Callable[..., None]:
    return _assert_same


def _build_head(name: str, num_classes: int, *, dim: int = 6, seed: int = 0, **options: Any) -> Any:
    """The head in float64 with class weights whose norms differ, so that a missing normalisation shows."""
    from vidfake.losses import LOSSES

    torch.manual_seed(seed)
    loss = LOSSES.build(name, num_classes=num_classes, embedding_dim=dim, **options).double()
    with torch.no_grad():
        if isinstance(loss.weight, torch.nn.Parameter):
            loss.weight *= 0.5 + torch.rand(len(loss.weight), 1)
    return loss


@pytest.fixture(scope="session")
def build_head() -> Callable[..., Any]:
    return _build_head


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum() / (a.square().sum().sqrt() * b.square().sum().sqrt())


def _slow_cross_entropy(logits: list[Tensor], label: int) -> Tensor:
    return -torch.log(torch.exp(logits[label]) / sum(torch.exp(v) for v in logits))


@pytest.fixture(scope="session")
def slow_cross_entropy() -> Callable[..., Tensor]:
    return _slow_cross_entropy


@pytest.fixture(scope="session")
def cosine() -> Callable[[Tensor, Tensor], Tensor]:
    return _cosine


def _slow_head(
    target: Callable[..., Tensor], other: Callable[..., Tensor] | None = None, *, scale: float
) -> Oracle:
    """Literal softmax head: `target(c_y, i)` for the true class, `other(c_j, c_y, i)` for the rest, scaled."""

    def oracle(z: list[Tensor], y: list[int], loss: Any) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for i, (row, label) in enumerate(zip(z, y, strict=True)):
            cosines = [_cosine(row, w) for w in loss.weight]
            logits = []
            for j, c in enumerate(cosines):
                if j == label:
                    logits.append(scale * target(c, i))
                else:
                    logits.append(scale * (c if other is None else other(c, cosines[label], i)))
            total = total + _slow_cross_entropy(logits, label)
        return total / len(z)

    return oracle


@pytest.fixture(scope="session")
def slow_head() -> Callable[..., Oracle]:
    return _slow_head


def _assert_library_agrees(ours: Any, theirs: Any, z: Tensor, y: Tensor, *, context: Any = None) -> None:
    """Value and gradients, by embeddings and class weights, of pytorch-metric-learning's loss with our weights."""
    theirs = theirs.double()
    name = next(n for n, _ in theirs.named_parameters())
    theirs._parameters[name] = torch.nn.Parameter(ours.weight.detach().T.clone())
    a, b = z.clone().requires_grad_(), z.clone().requires_grad_()
    mine, library = ours(a, y, context=context), theirs(b, y)
    torch.testing.assert_close(mine, library, rtol=1e-8, atol=1e-8)
    by_us = torch.autograd.grad(mine, [a, ours.weight])
    by_them = torch.autograd.grad(library, [b, theirs._parameters[name]])
    torch.testing.assert_close(by_us[0], by_them[0], rtol=1e-7, atol=1e-8)
    torch.testing.assert_close(by_us[1], by_them[1].T, rtol=1e-7, atol=1e-8)


@pytest.fixture(scope="session")
def assert_library_agrees() -> Callable[..., None]:
    return _assert_library_agrees
