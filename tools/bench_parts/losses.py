"""Every loss, forward and backward: time and peak memory, against cross-entropy and pytorch-metric-learning."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from table import Table
from torch import Tensor
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from vidfake.losses import LOSSES, LossContext, defaults_for

DIM = 256
SIZES, CLASSES = (64, 512), (2, 5)
REPEATS, SECONDS_PER_LOSS = 5, 0.25

Step = Callable[[], None]


def run() -> list[Table]:
    """One table per batch size. Times are CPU seconds of one thread, the least of several repeats."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [_table(size) for size in SIZES]
    finally:
        torch.set_num_threads(threads)


def _table(size: int) -> Table:
    baselines = {c: _milliseconds(_linear_layer(size, c)) for c in CLASSES}
    softmax = {c: _milliseconds(_ours("softmax", size, c)) for c in CLASSES}
    rows = []
    for row in sorted(LOSSES, key=lambda row: (row.details["family"], row.name)):
        cells: list[Any] = [row.name, row.details["family"]]
        for c in CLASSES:
            if c < row.factory.needs.min_classes:  # type: ignore[attr-defined]
                cells += ["-"] * 5
                continue
            step = _ours(row.name, size, c)
            took = _milliseconds(step)
            library = _library(row.name, size, c)
            ratio = took / _milliseconds(library) if library else "-"
            cells += [took, took / baselines[c], took / softmax[c], _peak_megabytes(step), ratio]
        rows.append(cells)
    each = ["ms", "× linear + CE", "× softmax", "MB", "× library"]
    return Table(
        title=f"Forward and backward, batch of {size}, E = {DIM}",
        columns=["loss", "family", *[f"{name}, C = {c}" for c in CLASSES for name in each]],
        rows=rows,
        notes=[
            "CPU time of one thread. `linear + CE` is a bare torch linear layer with cross-entropy, "
            + ", ".join(f"{ms:.3g} ms for C = {c}" for c, ms in baselines.items())
            + "; `softmax` is the row of that name, which checks its input as all rows do. MB is the peak of what "
            "one step allocates. `library` is pytorch-metric-learning's form of it (below 1: ours is quicker)."
            " Triplet is left out at 512, where the library lists tens of millions of triplets.",
        ],
    )


def _batch(size: int, num_classes: int) -> tuple[Tensor, Tensor, LossContext]:
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(size) % num_classes
    context = LossContext(
        binary_labels=(y > 0).long(),
        domains=(torch.arange(size) // num_classes) % 2,
        teacher=torch.randn(size, DIM, generator=generator),
        class_weights=torch.randn(num_classes, DIM, generator=generator),
        video_ids=tuple(f"v{i}" for i in range(size)),
        source_ids=tuple(f"s{i // 2}" for i in range(size)),
    )
    return torch.randn(size, DIM, generator=generator), y, context


def _step(loss: torch.nn.Module, z: Tensor, call: Callable[[Tensor], Tensor]) -> Step:
    def step() -> None:
        loss.zero_grad()
        call(z.detach().requires_grad_()).backward()

    step()  # the first call sets up what later ones reuse
    return step


def _linear_layer(size: int, num_classes: int) -> Step:
    z, y, _ = _batch(size, num_classes)
    layer = torch.nn.Linear(DIM, num_classes)
    return _step(layer, z, lambda x: F.cross_entropy(layer(x), y))


def _ours(name: str, size: int, num_classes: int) -> Step:
    z, y, context = _batch(size, num_classes)
    options = defaults_for(name, num_classes)
    loss = LOSSES.build(name, num_classes=num_classes, embedding_dim=DIM, **options)
    return _step(loss, z, lambda x: loss(x, y, context=context))


def _library(name: str, size: int, num_classes: int) -> Step | None:
    from pytorch_metric_learning import losses, miners

    head = {"num_classes": num_classes, "embedding_size": DIM}
    made: dict[str, Callable[[], Any]] = {
        "normface": lambda: losses.NormalizedSoftmaxLoss(**head),
        "large_margin": lambda: losses.LargeMarginSoftmaxLoss(**head),
        "sphereface": lambda: losses.SphereFaceLoss(**head),
        "cosface": lambda: losses.CosFaceLoss(**head),
        "arcface": lambda: losses.ArcFaceLoss(**head),
        "subcenter_arcface": lambda: losses.SubCenterArcFaceLoss(**head),
        "p2sgrad": lambda: losses.P2SGradLoss(descriptors_dim=DIM, num_classes=num_classes),
        "circle_pair": lambda: losses.CircleLoss(m=0.25, gamma=64),
        "contrastive": losses.ContrastiveLoss,
        "lifted": losses.GeneralizedLiftedStructureLoss,
        "multi_similarity": losses.MultiSimilarityLoss,
        "npair": losses.NPairsLoss,
        "ranked_list": lambda: losses.RankedListLoss(margin=0.4, Tn=10, alpha=1.2),
        "supcon": losses.SupConLoss,
        "triplet": lambda: losses.TripletMarginLoss(margin=0.2),
    }
    mined = {
        "multi_similarity": miners.MultiSimilarityMiner,
        "triplet": lambda: miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard"),
    }
    if name not in made or (name == "triplet" and size > 64):
        return None
    z, y, _ = _batch(size, num_classes)
    loss, miner = made[name](), mined[name]() if name in mined else None
    return _step(loss, z, lambda x: loss(x, y, miner(x, y) if miner else None))


def _milliseconds(step: Step) -> float:
    """CPU time of one step: the least mean over several rounds."""
    start = time.process_time()
    step()
    calls = max(1, int(SECONDS_PER_LOSS / REPEATS / max(1e-5, time.process_time() - start)))
    best = float("inf")
    for _ in range(REPEATS):
        start = time.process_time()
        for _ in range(calls):
            step()
        best = min(best, (time.process_time() - start) / calls)
    return best * 1000


def _peak_megabytes(step: Step) -> float:
    """Largest sum of memory that one step holds at a time, by the allocator's own record."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    events = profiler.profiler.kineto_results.events()  # type: ignore[union-attr]
    held = peak = 0
    for event in sorted((e for e in events if e.name() == "[memory]"), key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak / 2**20


if __name__ == "__main__":
    for table in run():
        print(table.markdown())
