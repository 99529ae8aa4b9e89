"""One batch over all processes: gathering with gradients for pair losses, and sums and means of running state."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def num_processes() -> int:
    """Processes that train together; 1 where torch.distributed is not in use."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gather_plain(values: Tensor) -> Tensor:
    """Rows of all processes in order of rank (ΣB, …), without gradient. Processes may hold different B."""
    if num_processes() == 1:
        return values.detach()
    sizes = _row_counts(values)
    padded = values.new_zeros((int(sizes.max()), *values.shape[1:]))
    padded[: len(values)] = values.detach()
    parts = [torch.empty_like(padded) for _ in range(num_processes())]
    dist.all_gather(parts, padded)
    return torch.cat([part[:size] for part, size in zip(parts, sizes.tolist(), strict=True)])


def gather_with_gradient(values: Tensor) -> Tensor:
    """Rows of all processes in order of rank (ΣB, …); gradients flow back to the process that a row came from.

    Every process computes the same loss on the gathered rows, and the backward pass sums the processes' gradients.
    Averaged over processes, as DistributedDataParallel does, that is the gradient of one process with the whole
    batch.
    """
    if num_processes() == 1:
        return values
    gathered: Tensor = _Gather.apply(values)
    return gathered


def whole_batch(z: Tensor, y: Tensor, *, training: bool) -> tuple[Tensor, Tensor]:
    """Embeddings (with gradient) and labels of all processes while training, else those of this one."""
    return (gather_with_gradient(z), gather_plain(y)) if training else (z, y)


def all_reduce_sum(values: Tensor) -> Tensor:
    """Sum over processes, without gradient."""
    total = values.detach().clone()
    if num_processes() > 1:
        dist.all_reduce(total)
    return total


def all_reduce_mean(values: Tensor) -> Tensor:
    """Mean over processes, without gradient: for running statistics that all processes must share."""
    return all_reduce_sum(values) / num_processes()


def _row_counts(values: Tensor) -> Tensor:
    own = torch.tensor([len(values)], device=values.device)
    parts = [torch.empty_like(own) for _ in range(num_processes())]
    dist.all_gather(parts, own)
    return torch.cat(parts)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        sizes = _row_counts(values).tolist()
        ctx.start = sum(sizes[: dist.get_rank()])
        ctx.size = len(values)
        return gather_plain(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total[ctx.start : ctx.start + ctx.size]
