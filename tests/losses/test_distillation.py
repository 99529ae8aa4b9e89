"""Teacher and student: loops over triplets, soft targets, and that the teacher learns nothing."""

from __future__ import annotations

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES, LossContext

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])
TEACHER = torch.randn(12, 6, generator=torch.Generator().manual_seed(8), dtype=torch.float64)


def build(name, num_classes, **options):
    return LOSSES.build(name, num_classes=num_classes, embedding_dim=6, **options)


@CLASSES
@pytest.mark.parametrize("margin", [0.2, 1.0])
def test_triplet_values_and_gradients(batch, assert_same, num_classes, margin):
    def slow(z, y, _):
        x, t = [v / v.norm() for v in z], [v / v.norm() for v in TEACHER]
        everyone = range(len(x))
        terms = []
        for i in everyone:
            for p in everyone:
                for n in everyone:
                    if y[p] == y[i] and y[n] != y[i]:
                        hinge = (x[i] - t[p]).norm() - (x[i] - x[n]).norm() + margin
                        if hinge > 0:
                            terms.append(hinge)
        return torch.stack(terms).mean()

    ours = build("teacher_triplet", num_classes, margin=margin)
    assert_same(ours, slow, *batch(num_classes), context=LossContext(teacher=TEACHER))


@CLASSES
@pytest.mark.parametrize(("temperature", "share"), [(4.0, 0.5), (1.0, 0.9), (2.0, 0.0)])
def test_soft_target_values_and_gradients(batch, assert_same, num_classes, temperature, share):
    def softened(v, m, t):
        logits = [((w * v).sum() + b) / t for w, b in zip(m.weight, m.bias, strict=True)]
        total = sum(value.exp() for value in logits)
        return [value.exp() / total for value in logits]

    def slow(z, y, m):
        terms = []
        for v, t, label in zip(z, TEACHER, y, strict=True):
            p, q = softened(v, m, temperature), [value.detach() for value in softened(t, m, temperature)]
            kl = sum(b * (b / a).log() for a, b in zip(p, q, strict=True))
            terms.append((1 - share) * -softened(v, m, 1.0)[label].log() + share * temperature**2 * kl)
        return torch.stack(terms).mean()

    ours = build("teacher_kd", num_classes, temperature=temperature, teacher_share=share)
    assert_same(ours, slow, *batch(num_classes), context=LossContext(teacher=TEACHER))


def test_a_student_that_equals_its_teacher_costs_no_divergence(batch):
    z, y = batch(2)
    ours = build("teacher_kd", 2, teacher_share=1.0)
    assert ours(z, y, context=LossContext(teacher=z)).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", ["teacher_triplet", "teacher_kd"])
def test_the_teacher_is_a_constant_and_must_be_given(batch, name):
    z, y = batch(2)
    ours, teacher = build(name, 2), TEACHER.clone().requires_grad_()
    assert ours.needs.context == ("teacher",)
    (ours(z.requires_grad_(), y, context=LossContext(teacher=teacher))).backward()
    assert teacher.grad is None
    with pytest.raises(LossInputError, match=r"needs LossContext\.teacher"):
        ours(z, y)
    with pytest.raises(LossInputError, match=r"teacher is \(12, 3\)"):
        ours(z, y, context=LossContext(teacher=teacher[:, :3]))
