"""Parameter groups, the learning-rate schedule as a function of the step, and the weight average."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from vidfake.models.detector import Detector
from vidfake.settings import OptimSettings


def schedule(step: int, *, total_steps: int, warmup_fraction: float) -> float:
    """Learning-rate factor at `step`: linear warm-up to 1, then a half cosine to 0 at `total_steps`.

    >>> [round(schedule(s, total_steps=10, warmup_fraction=0.2), 3) for s in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    warmup = max(1, round(total_steps * warmup_fraction)) if warmup_fraction > 0 else 0
    if step < warmup:
        return (step + 1) / warmup
    span = max(1, total_steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / span)))


def parameter_groups(detector: Detector, loss: nn.Module, settings: OptimSettings) -> list[dict[str, object]]:
    """Groups for the optimiser: encoder, new layers (each with and without decay), and the loss's own weights.

    The loss's class weights take no decay (their norm is irrelevant, decay only changes the effective rate) and
    their own learning rate.
    """
    rates = {"encoder": settings.encoder_learning_rate, "new": settings.learning_rate}
    result: list[dict[str, object]] = [
        {
            "name": f"{group.part}{'' if group.decay else ' without decay'}",
            "params": group.parameters,
            "lr": rates[group.part],
            "base_lr": rates[group.part],
            "weight_decay": settings.weight_decay if group.decay else 0.0,
        }
        for group in detector.parameter_groups()
    ]
    own = [p for p in loss.parameters() if p.requires_grad]
    if own:
        rate = settings.head_learning_rate
        result.append({"name": "loss", "params": own, "lr": rate, "base_lr": rate, "weight_decay": 0.0})
    return result


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's learning rate to its base rate times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


class WeightAverage:
    """Exponential moving average of a module's floating-point state; integer buffers are copied.

    The decay grows with the step, ``min(decay, (1 + step) / (10 + step))``, so that early averages are not the
    initialisation.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.step = 0
        self.state = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move the average towards the module's present state."""
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        self.step += 1
        for name, value in module.state_dict().items():
            average = self.state[name]
            if average.dtype.is_floating_point:
                average.lerp_(value.to(average.device), 1 - decay)
            else:
                average.copy_(value)

    def swapped(self, module: nn.Module) -> Swap:
        """Context in which `module` holds the averaged state."""
        return Swap(module, self.state)


class Swap:
    """Put another state into a module for the length of a `with` block."""

    def __init__(self, module: nn.Module, state: dict[str, Tensor]) -> None:
        self.module, self.state = module, state
        self.kept: dict[str, Tensor] = {}

    def __enter__(self) -> None:
        self.kept = {name: value.detach().clone() for name, value in self.module.state_dict().items()}
        self.module.load_state_dict(self.state)

    def __exit__(self, *_: object) -> None:
        self.module.load_state_dict(self.kept)


def trainable(modules: Iterable[nn.Module]) -> Iterator[nn.Parameter]:
    """Every parameter that is trained, of all modules."""
    for module in modules:
        yield from (p for p in module.parameters() if p.requires_grad)
