"""Sharpness-aware minimisation: the gradient at the worst nearby weights, the step from where they were."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from vidfake.errors import ConfigError

TINY_NORM = 1e-12


class SAM:
    """Two-pass steps around any optimiser.

        e = ρ g / ||g||,   w <- step of the optimiser from w with the gradient at w + e

    Letters: w all weights, g their gradient, ||g|| its norm over all of them together.

        loss().backward()
        sam.first_step()       # weights move to w + e, gradients are cleared
        loss().backward()      # the same batch; state of losses must not move (LossContext.repeated)
        sam.second_step()      # weights return to w, the optimiser steps; or restore(), to clip gradients first

    Without a gradient, or with one that is not finite, e is 0. Under several processes gradients are averaged
    before `first_step`, so that all move alike.

    Args:
        optimizer: any torch optimiser; its parameter groups are the weights.
        rho: ρ, length of the move, above 0; 0.05 in the paper, 0.01 to 0.2.

    Source: Foret et al. 2021, https://arxiv.org/abs/2010.01412. Differs from the paper: nothing.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, *, rho: float = 0.05) -> None:
        if not rho > 0:
            raise ConfigError(f"SAM: rho is {rho}; it must be above 0, usually 0.01 to 0.2. Leave SAM off for 0.")
        self.optimizer = optimizer
        self.rho = rho
        self._moved: list[tuple[Tensor, Tensor]] = []
        self._waiting = False

    @property
    def is_moved(self) -> bool:
        """The weights may be at w + e: between `first_step` and the step back."""
        return self._waiting

    @torch.no_grad()
    def first_step(self) -> None:
        """Move the weights up the gradient by ρ, and clear the gradients."""
        if self.is_moved:
            raise RuntimeError("SAM.first_step() was called twice; call second_step() or restore() in between.")
        gradients = [(p, p.grad) for p in self._weights() if p.grad is not None]
        norm = float(get_total_norm([gradient for _, gradient in gradients]))
        if math.isfinite(norm) and norm > TINY_NORM:
            for p, gradient in gradients:
                self._moved.append((p, p.detach().clone()))
                p.add_(gradient, alpha=self.rho / norm)
        self._waiting = True
        self.optimizer.zero_grad(set_to_none=True)

    @torch.no_grad()
    def restore(self) -> None:
        """Return the weights to where they were, bit for bit; the gradients stay."""
        for p, before in self._moved:
            p.copy_(before)
        self._moved.clear()
        self._waiting = False

    def second_step(self) -> None:
        """Return the weights and let the optimiser step with the gradients of the second pass."""
        self.restore()
        self.optimizer.step()

    def _weights(self) -> Iterator[Tensor]:
        for group in self.optimizer.param_groups:
            yield from group["params"]
