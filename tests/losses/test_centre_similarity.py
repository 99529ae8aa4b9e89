"""Centre similarity: loops over several steps, its identity with scaled cosines, where centres go."""

from __future__ import annotations

import pytest
import torch

from vidfake.losses import LOSSES, LossContext

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def build(num_classes, **options):
    return LOSSES.build("centre_similarity_r", num_classes=num_classes, embedding_dim=6, **options)


@CLASSES
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_values_gradients_and_centres_over_steps(batch, num_classes, dtype):
    ours = build(num_classes, scale=8.0, rate=0.3, push_rate=0.1).to(dtype)
    ours.weight /= ours.weight.norm(dim=1, keepdim=True)  # to this precision
    centres = [row.double() for row in ours.weight.clone()]
    tolerance = 1e-8 if dtype == torch.float64 else 1e-4
    for step in range(4):
        z, y = batch(num_classes, seed=step, size=12 if step else 7)
        y = y.clamp(max=num_classes - 2) if step == 2 else y  # a class missing
        a, b = z.to(dtype).requires_grad_(), z.clone().requires_grad_()
        x = [v / v.norm() for v in b]
        terms = []
        for v, label in zip(x, y.tolist(), strict=True):
            exponents = [-8.0 * (v - c).square().sum() / 2 for c in centres]
            terms.append(torch.log(sum(e.exp() for e in exponents)) - exponents[label])
        expected, value = torch.stack(terms).mean(), ours(a, y)
        torch.testing.assert_close(value.double(), expected, rtol=tolerance, atol=tolerance)
        gradients = (torch.autograd.grad(v, w)[0].double() for v, w in ((value, a), (expected, b)))
        torch.testing.assert_close(*gradients, rtol=tolerance, atol=tolerance)
        moved = []
        for j, c in enumerate(centres):
            own = [v.detach() for v, label in zip(x, y.tolist(), strict=True) if label == j]
            moved.append(0.7 * c + 0.3 * sum(own) / len(own) if own else c)
        slopes = [sum(d for d in moved if d is not c and (c * d).sum() > -1 / (num_classes - 1)) for c in moved]
        centres = [c - 0.1 * g for c, g in zip(moved, slopes, strict=True)]
        centres = [c / c.norm() for c in centres]
        torch.testing.assert_close(ours.weight.double(), torch.stack(centres), rtol=tolerance, atol=tolerance)


def test_it_is_cross_entropy_on_scaled_cosines(batch):
    z, y = batch(5, dtype=torch.float32)
    ours, plain = build(5, scale=16.0).eval(), LOSSES.build("normface", num_classes=5, embedding_dim=6, scale=16.0)
    with torch.no_grad():
        plain.weight.copy_(ours.weight)
    torch.testing.assert_close(ours(z, y), plain(z, y))
    torch.testing.assert_close(ours.score(z), plain.score(z))


@pytest.mark.parametrize("num_classes", [2, 5])
def test_pushed_centres_end_at_a_simplex(num_classes):
    ours = build(num_classes, rate=1e-6, push_rate=0.02)
    z, y = torch.randn(num_classes, 6), torch.arange(num_classes)
    for _ in range(600):
        ours(z, y)
    cosines = ours.weight @ ours.weight.T
    off = cosines[~torch.eye(num_classes, dtype=torch.bool)]
    assert off.max() < -1 / (num_classes - 1) + 0.03


def test_evaluation_and_repeated_passes_move_nothing(batch):
    z, y = batch(2, dtype=torch.float32)
    ours = build(2)
    before = ours.weight.clone()
    ours(z, y, context=LossContext(repeated=True))
    ours.per_clip(z, y)
    ours.eval()(z, y)
    assert torch.equal(ours.weight, before)
    assert not list(ours.parameters())
