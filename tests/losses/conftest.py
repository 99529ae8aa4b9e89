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
