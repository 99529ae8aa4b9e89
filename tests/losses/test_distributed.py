"""Two processes with half a batch each train as one process with the whole batch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vidfake.losses import LOSSES, LossContext
from vidfake.losses.distributed import all_reduce_mean, all_reduce_sum, gather_plain, gather_with_gradient

GATHERED = [  # means over pairs, or statistics of the batch: half a batch would be another loss
    ("cc_r", {}),
    ("circle_pair", {}),
    ("code_balance_r", {}),
    ("contrastive", {}),
    ("cross_batch_memory", {}),
    ("cross_compression_pull", {}),
    ("lifted", {}),
    ("lifted", {"form": "original"}),
    ("multi_similarity", {}),
    ("npair", {}),
    ("pairwise_arcface_r", {}),
    ("ranked_list", {}),
    ("same_compression_push", {}),
    ("single_center", {}),
    ("soft_hgr", {}),
    ("supcon", {}),
    ("supcon_two_level_r", {}),
    ("teacher_triplet", {}),
    ("triplet", {}),
    ("triplet", {"mining": "hard"}),
]
AVERAGED = [  # means over clips, whose state all processes share
    ("center", {}),
    ("center", {"update": "gradient", "form": "cosine"}),
    ("centre_similarity_r", {}),
    ("dual_reweighted_r", {"feature_exponent": 1.0}),
    ("mcfl_r", {}),
    ("ring", {"scale_free": True}),
]
CASES = GATHERED + AVERAGED
SIZE, DIM, CLASSES, STEPS = 16, 6, 3, 2

WORKER = """
import sys, torch, torch.distributed as dist
from vidfake.losses import LossContext, LOSSES
from vidfake.losses.distributed import all_reduce_mean, all_reduce_sum, gather_plain, gather_with_gradient
folder, rank = sys.argv[1], int(sys.argv[2])
dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
given = torch.load(f"{folder}/given.pt", weights_only=True)
results = []
for case in given["cases"]:
    loss = LOSSES.build(case["name"], num_classes=given["classes"], embedding_dim=given["dim"], **case["options"])
    loss.double().load_state_dict(case["state"])
    steps = []
    for batch in case["batches"]:
        start, stop = ((0, batch["split"]), (batch["split"], None))[rank]
        mine = {k: v[start:stop] for k, v in batch.items() if k != "split"}
        z = mine["z"].requires_grad_()
        loss.zero_grad()
        value = loss(z, mine["y"], context=LossContext(domains=mine["domains"], teacher=mine["teacher"]))
        value.backward()
        steps.append({"value": value.detach(), "z": z.grad, "parameters": [p.grad for p in loss.parameters()]})
    results.append({"steps": steps, "state": loss.state_dict()})
rows = torch.arange(3.0 * (rank + 1)).reshape(rank + 1, 3)
x = rows.clone().requires_grad_()
gathered = gather_with_gradient(x)
(gathered * (rank + 1) * torch.arange(9.0).reshape(3, 3)).sum().backward()
parts = {
    "gathered": gathered.detach(), "plain": gather_plain(rows.long()), "gradient": x.grad,
    "sum": all_reduce_sum(rows.sum()), "mean": all_reduce_mean(rows.sum()),
}
torch.save({"losses": results, "parts": parts}, f"{folder}/out{rank}.pt")
dist.destroy_process_group()
"""


def _case(name, options, uneven):
    torch.manual_seed(3)
    loss = LOSSES.build(name, num_classes=CLASSES, embedding_dim=DIM, **options).double()
    batches = []
    for _ in range(STEPS):
        y = torch.arange(SIZE) % CLASSES
        y = y[torch.randperm(SIZE)]
        z, teacher = torch.randn(2, SIZE, DIM, dtype=torch.float64)
        domains = torch.randint(0, 2, (SIZE,))
        batches.append(
            {"z": z, "y": y, "teacher": teacher, "domains": domains, "split": 5 if uneven else SIZE // 2}
        )
    return {"name": name, "options": options, "batches": batches, "state": loss.state_dict()}


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    folder = Path(tmp_path_factory.mktemp("two"))
    cases = [_case(name, options, uneven=i < len(GATHERED)) for i, (name, options) in enumerate(CASES)]
    # cross-entropy parts are means over each process's clips, so that these need equal halves
    for case in cases:
        if case["name"] == "cc_r":
            for batch in case["batches"]:
                batch["split"] = SIZE // 2
    torch.save({"cases": cases, "classes": CLASSES, "dim": DIM}, folder / "given.pt")
    running = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(folder), str(rank)], stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    try:
        for process in running:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
    finally:
        for process in running:
            process.kill()
            process.wait()
    outs = [torch.load(folder / f"out{rank}.pt", weights_only=True) for rank in range(2)]
    return cases, outs


@pytest.mark.parametrize("index", range(len(CASES)), ids=[f"{n} {o}" if o else n for n, o in CASES])
def test_two_processes_train_as_one(two_processes, index):
    cases, outs = two_processes
    case = cases[index]
    loss = LOSSES.build(case["name"], num_classes=CLASSES, embedding_dim=DIM, **case["options"]).double()
    loss.load_state_dict(case["state"])
    for step, batch in enumerate(case["batches"]):
        z = batch["z"].clone().requires_grad_()
        loss.zero_grad()
        value = loss(z, batch["y"], context=LossContext(domains=batch["domains"], teacher=batch["teacher"]))
        value.backward()
        ranks = [out["losses"][index]["steps"][step] for out in outs]
        torch.testing.assert_close((ranks[0]["value"] + ranks[1]["value"]) / 2, value.detach())
        # a training loop over several processes averages gradients
        torch.testing.assert_close(torch.cat([r["z"] for r in ranks]) / 2, z.grad)
        for i, p in enumerate(loss.parameters()):
            torch.testing.assert_close((ranks[0]["parameters"][i] + ranks[1]["parameters"][i]) / 2, p.grad)
    for name, tensor in loss.state_dict().items():
        for out in outs:
            torch.testing.assert_close(out["losses"][index]["state"][name], tensor)


def test_gathering_keeps_the_order_of_ranks_and_uneven_sizes(two_processes):
    _, outs = two_processes
    expected = torch.cat([torch.arange(3.0).reshape(1, 3), torch.arange(6.0).reshape(2, 3)])
    for out in outs:
        assert torch.equal(out["parts"]["gathered"], expected)
        assert torch.equal(out["parts"]["plain"], expected.long())
    gradient = 3 * torch.arange(9.0).reshape(3, 3)  # the sum over both processes' losses
    assert torch.equal(outs[0]["parts"]["gradient"], gradient[:1])
    assert torch.equal(outs[1]["parts"]["gradient"], gradient[1:])


def test_sums_and_means_run_over_processes(two_processes):
    for out in two_processes[1]:
        assert out["parts"]["sum"] == 3 + 15
        assert out["parts"]["mean"] == 9


def test_alone_everything_is_as_given():
    x = torch.randn(3, 2, requires_grad=True)
    assert gather_with_gradient(x) is x
    assert torch.equal(gather_plain(x), x)
    assert not gather_plain(x).requires_grad
    assert torch.equal(all_reduce_mean(x), x)
    assert torch.equal(all_reduce_sum(x), x)
