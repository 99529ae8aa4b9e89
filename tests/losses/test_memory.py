"""Cross-batch memory: what is remembered, for how long, and that it changes nothing else."""

from __future__ import annotations

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES, LossContext
from vidfake.losses.pairs import PairLoss

INNER = [
    row.name
    for row in LOSSES
    if isinstance(row.factory, type) and issubclass(row.factory, PairLoss) and row.factory.takes_references
]


def build(num_classes=2, **options):
    return LOSSES.build(
        "cross_batch_memory", **{"num_classes": num_classes, "embedding_dim": 6, **options}
    ).double()


def test_contrastive_over_steps_is_the_loops_over_batch_and_memory(batch):
    ours, remembered = build(size=30), []
    for step in range(4):
        z, y = batch(2, seed=step)
        a, b = z.clone().requires_grad_(), z.clone().requires_grad_()
        mine = ours(a, y)
        references = [(b[i], int(y[i])) for i in range(len(b))] + remembered
        pulls, pushes = [], []
        for i in range(len(b)):
            for j, (v, label) in enumerate(references):
                if j == i:
                    continue
                d = (b[i] / b[i].norm() - v / v.norm()).norm()
                if label == y[i]:
                    pulls.append(d)
                elif d < 1:
                    pushes.append(1 - d)
        theirs = torch.stack(pulls).mean() + torch.stack(pushes).mean()
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-8)
        gradients = (torch.autograd.grad(v, x)[0] for v, x in ((mine, a), (theirs, b)))
        torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-8)
        remembered = (remembered + [(z[i], int(y[i])) for i in range(len(z))])[-30:]


def test_metric_learning_library_agrees(batch):
    from pytorch_metric_learning.losses import ContrastiveLoss, CrossBatchMemory

    ours = build(size=60)
    theirs = CrossBatchMemory(ContrastiveLoss(pos_margin=0, neg_margin=1), 6, memory_size=60)
    for step in range(3):
        z, y = batch(2, seed=step)
        torch.testing.assert_close(ours(z, y), theirs(z, y))


@pytest.mark.parametrize("name", INNER)
def test_an_empty_memory_is_the_loss_itself_and_a_full_one_is_finite(batch, name):
    z, y = batch(5)
    inner = LOSSES.build(name, num_classes=5, embedding_dim=6).double()
    wrapped = build(5, loss=name, size=50)
    torch.testing.assert_close(wrapped(z, y), inner(z, y))
    for step in range(1, 6):
        z, y = batch(5, seed=step)
        z.requires_grad_()
        value = wrapped(z, y)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(z.grad).all()


def test_options_reach_the_inner_loss(batch):
    z, y = batch(2)
    wrapped = build(loss="supcon", loss_options={"temperature": 0.5})
    torch.testing.assert_close(
        wrapped(z, y), LOSSES.build("supcon", num_classes=2, embedding_dim=6, temperature=0.5)(z, y)
    )


def test_a_batch_larger_than_the_memory_keeps_its_last_clips(batch):
    z, y = batch(2)
    ours = build(size=5)
    ours(z, y)
    torch.testing.assert_close(ours.clips, z[-5:])
    assert int(ours.filled) == 5


def test_the_memory_waits_for_its_share_of_training(batch):
    z, y = batch(2)
    ours = build(start_progress=0.5)
    ours(z, y, context=LossContext(progress=0.4))
    assert int(ours.filled) == 0
    ours(z, y, context=LossContext(progress=0.5))
    assert int(ours.filled) == len(z)


def test_a_repeated_pass_sees_and_leaves_the_same_memory(batch):
    ours = build(size=40)
    (first, labels), (z, y) = batch(2, seed=1), batch(2, seed=2)
    ours(first, labels)
    value = ours(z, y)
    state = {k: v.clone() for k, v in ours.state_dict().items()}
    torch.testing.assert_close(ours(z, y, context=LossContext(repeated=True)), value)
    assert all(torch.equal(v, state[k]) for k, v in ours.state_dict().items())


def test_evaluation_neither_reads_nor_writes(batch):
    ours = build()
    ours(*batch(2, seed=1))
    z, y = batch(2, seed=2)
    ours.eval()
    torch.testing.assert_close(ours(z, y), LOSSES.build("contrastive", num_classes=2, embedding_dim=6)(z, y))
    assert int(ours.filled) == len(z)


def test_state_goes_through_a_checkpoint(batch):
    ours, other = build(size=20), build(size=20)
    for step in range(3):
        ours(*batch(2, seed=step))
    other.load_state_dict(ours.state_dict())
    z, y = batch(2, seed=9)
    torch.testing.assert_close(ours(z, y), other(z, y))


@pytest.mark.parametrize("name", ["npair", "softmax", "cross_batch_memory"])
def test_losses_without_references_are_refused(name):
    with pytest.raises(LossInputError, match="contrastive"):
        build(5, loss=name)
