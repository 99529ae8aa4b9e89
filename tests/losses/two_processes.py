"""Trains every loss for two steps on this process's share of a batch; run as a script once per process.

python two_processes.py RANK WORLD RENDEZVOUS_FILE OUTPUT_FILE
"""

from __future__ import annotations

import sys
import warnings

import torch
import torch.distributed as dist

from vidfake.losses import LOSSES, LossContext, defaults_for

SIZE, DIM, STEPS = 24, 8, 2

# draws differ between processes on purpose
WITHOUT_DRAWS = {
    "elastic_arcface": {"sigma": 0.0},
    "elastic_cosface": {"sigma": 0.0},
    "dail_r": {"leak_probability": 0.0},
}


def build(name: str) -> torch.nn.Module:
    classes = max(2, LOSSES.row(name).factory.needs.min_classes)
    torch.manual_seed(0)
    options = {**defaults_for(name, classes), **WITHOUT_DRAWS.get(name, {})}
    return LOSSES.build(name, num_classes=classes, embedding_dim=DIM, **options).double()


def averaged(value: torch.Tensor, world: int) -> torch.Tensor:
    value = value.detach().clone()
    if world > 1:
        dist.all_reduce(value)
    return value / world


def train(name: str, rank: int, world: int) -> dict[str, torch.Tensor]:
    """Loss, embedding gradients, parameters and state after two steps of gradient descent."""
    loss = build(name)
    found: dict[str, torch.Tensor] = {}
    for step in range(STEPS):
        generator = torch.Generator().manual_seed(step)
        y = torch.arange(SIZE) % loss.num_classes
        z = torch.randn(SIZE, DIM, generator=generator, dtype=torch.float64)
        teacher = torch.randn(SIZE, DIM, generator=generator, dtype=torch.float64)
        weights = torch.randn(loss.num_classes, DIM, generator=generator, dtype=torch.float64)
        share = slice(rank * SIZE // world, (rank + 1) * SIZE // world)
        z = z[share].requires_grad_()
        context = LossContext(
            progress=0.5,
            binary_labels=(y > 0).long()[share],
            domains=((torch.arange(SIZE) // loss.num_classes) % 2)[share],
            video_ids=tuple(f"v{i}" for i in range(SIZE))[share],
            source_ids=tuple(f"s{i // 2}" for i in range(SIZE))[share],
            teacher=teacher[share],
            class_weights=weights,
        )
        loss.zero_grad()
        value = loss(z, y[share], context=context)
        value.backward()
        found[f"value {step}"] = averaged(value, world)
        # a process's own gradient, divided as averaging over processes divides it
        whole = torch.zeros(SIZE, DIM, dtype=torch.float64)
        whole[share] = z.grad
        found[f"gradient {step}"] = averaged(whole, world)
        with torch.no_grad():
            for parameter in loss.parameters():
                parameter -= 0.1 * averaged(parameter.grad, world)
    return {**found, **{f"state {key}": v.clone() for key, v in loss.state_dict().items()}}


def train_all(rank: int, world: int) -> dict[str, dict[str, torch.Tensor]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: train(name, rank, world) for name in LOSSES.names()}


if __name__ == "__main__":
    rank, world = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{sys.argv[3]}", rank=rank, world_size=world)
    found = train_all(rank, world)
    if rank == 0:
        torch.save(found, sys.argv[4])
    dist.barrier()
    dist.destroy_process_group()
