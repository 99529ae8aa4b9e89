"""Random numbers inside a loss that a resumed run draws again in the same way."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn

from vidfake.losses.distributed import num_processes
from vidfake.seeding import derived_seed


class Draws(nn.Module):
    """A counted source of random numbers: each draw depends on name, seed, process and how many came before.

    The count is in `state_dict()`, so training goes on after a stop as if there had been none.
    """

    count: Tensor

    def __init__(self, name: str, seed: int) -> None:
        super().__init__()
        self.name, self.seed = name, seed
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def _generator(self, again: bool) -> torch.Generator:
        if not again:
            self.count += 1
        rank = dist.get_rank() if num_processes() > 1 else 0
        return torch.Generator().manual_seed(derived_seed(self.name, self.seed, rank, int(self.count)))

    def normal(self, size: int, *, again: bool) -> Tensor:
        """Standard normal numbers (size,) on the CPU; with `again` those of the last draw."""
        return torch.randn(size, generator=self._generator(again))

    def uniform(self, *size: int, again: bool) -> Tensor:
        """Uniform numbers in [0, 1) on the CPU; with `again` those of the last draw."""
        return torch.rand(*size, generator=self._generator(again))
