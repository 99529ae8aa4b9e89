"""Lifted structure loss: loops, the library, memory."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from vidfake.losses import LOSSES

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])
FORMS = pytest.mark.parametrize("form", ["generalised", "original"])


def build(num_classes, dim=6, **options):
    return LOSSES.build("lifted", num_classes=num_classes, embedding_dim=dim, **options)


def slow(form, margin):
    def loss(z, y, _):
        u = [v / v.norm() for v in z]
        everyone = range(len(z))

        def d(i, j):
            return (u[i] - u[j]).norm()

        def others(i):
            return [j for j in everyone if y[j] != y[i]]

        def same(i):
            return [j for j in everyone if j != i and y[j] == y[i]]

        terms = []
        for i in everyone:
            if form == "generalised":
                pull = sum(d(i, p).exp() for p in same(i)).log()
                push = sum((margin - d(i, n)).exp() for n in others(i)).log()
                terms.append(torch.relu(pull + push))
                continue
            for j in same(i):
                pushes = [(margin - d(i, n)).exp() for n in others(i)]
                pushes += [(margin - d(j, n)).exp() for n in others(j)]
                terms.append(torch.relu(sum(pushes).log() + d(i, j)) ** 2 / 2)
        return torch.stack(terms).mean()

    return loss


@CLASSES
@FORMS
@pytest.mark.parametrize("margin", [0.3, 1.0])
def test_values_and_gradients(batch, assert_same, num_classes, form, margin):
    z, y = batch(num_classes)
    assert_same(build(num_classes, form=form, margin=margin), slow(form, margin), z, y)


@CLASSES
@FORMS
def test_metric_learning_library_agrees(batch, num_classes, form):
    from pytorch_metric_learning.losses import GeneralizedLiftedStructureLoss, LiftedStructureLoss

    z, y = batch(num_classes, size=20)
    library = GeneralizedLiftedStructureLoss if form == "generalised" else LiftedStructureLoss
    a, b = z.clone().requires_grad_(), z.clone().requires_grad_()
    mine, theirs = build(num_classes, form=form)(a, y), library(neg_margin=1, pos_margin=0)(b, y)
    torch.testing.assert_close(mine, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(v, x)[0] for v, x in ((mine, a), (theirs, b))))


def test_per_clip_of_the_generalised_form_averages_to_the_loss(batch):
    z, y = batch(2)
    torch.testing.assert_close(build(2).per_clip(z, y).mean(), build(2)(z, y))


PEAK = """
import resource, torch
torch.set_num_threads(1)
from vidfake.losses import LOSSES
loss = LOSSES.build("lifted", num_classes=2, embedding_dim=256, form="{form}")
def step(size):
    z = torch.randn(size, 256, requires_grad=True)
    loss(z, torch.arange(size) % 2).backward()
step(16)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
step(512)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@FORMS
def test_512_clips_of_two_classes_stay_under_200_megabytes(form):
    done = subprocess.run(
        [sys.executable, "-c", PEAK.format(form=form)], capture_output=True, text=True, check=True, timeout=120
    )
    unit = 1024 if sys.platform != "darwin" else 1
    assert int(done.stdout) * unit < 200e6
