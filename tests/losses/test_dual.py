"""Dual loss: loops, its radii, its weights."""

from __future__ import annotations

import pytest
import torch

from vidfake.losses import LOSSES, LossContext

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def build(name, num_classes, **options):
    return LOSSES.build(name, num_classes=num_classes, embedding_dim=6, **options)


def slow(feature_ring, class_ring, feature_exponent=0.0, class_exponent=0.0):
    def loss(z, y, m):
        rows = list(m.weight)
        norms = [v.norm() for v in z]
        lengths = [w.norm() for w in rows]
        mean_norm, mean_length = sum(norms).item() / len(z), sum(lengths).item() / len(rows)

        def ratio(value, mean):
            return min(max(value.item() / mean, 0.1), 10.0)

        u = [
            ratio(norms[i], mean_norm) ** feature_exponent * ratio(lengths[y[i]], mean_length) ** class_exponent
            for i in range(len(z))
        ]
        total = 0
        for i in range(len(z)):
            logits = [(w * z[i]).sum() + b for w, b in zip(rows, m.bias, strict=True)]
            ce = torch.log(sum(v.exp() for v in logits)) - logits[y[i]]
            total = total + u[i] / (sum(u) / len(u)) * ce + feature_ring * (norms[i] - m.feature_radius) ** 2
        return total / len(z) + class_ring * sum((n - m.class_radius) ** 2 for n in lengths) / len(rows)

    return loss


def scaled_classes(loss):
    """Class weights of different norms, and a radius that has started."""
    loss = loss.double()
    loss(torch.ones(2, 6).double() * 2, torch.tensor([0, 1]))
    with torch.no_grad():
        loss.weight.mul_(torch.linspace(0.5, 2.0, len(loss.weight))[:, None])
    return loss


@CLASSES
def test_ring_values_and_gradients(batch, assert_same, num_classes):
    ours = scaled_classes(build("dual_ring_r", num_classes, feature_ring=0.05, class_ring=0.3))
    assert_same(ours, slow(0.05, 0.3), *batch(num_classes))


@CLASSES
@pytest.mark.parametrize("exponents", [(0.0, -1.0), (1.0, 0.0), (-1.0, 1.0)])
def test_reweighted_values_and_gradients(batch, assert_same, num_classes, exponents):
    a, b = exponents
    ours = scaled_classes(build("dual_reweighted_r", num_classes, feature_exponent=a, class_exponent=b))
    assert_same(ours, slow(0.01, 0.01, a, b), *batch(num_classes))


def test_without_rings_and_exponents_it_is_cross_entropy(batch):
    z, y = batch(5, dtype=torch.float32)
    ours = build("dual_reweighted_r", 5, feature_ring=0.0, class_ring=0.0, class_exponent=0.0)
    plain = build("softmax", 5)
    plain.load_state_dict({k: v for k, v in ours.state_dict().items() if k in plain.state_dict()})
    torch.testing.assert_close(ours(z, y), plain(z, y))


def test_the_radius_starts_once_at_the_first_batch_s_mean_norm(batch):
    z, y = batch(2, dtype=torch.float32)
    ours = build("dual_ring_r", 2)
    ours.eval()(z, y)
    assert ours.feature_radius.item() == 1.0
    ours.train()(z, y)
    ours(5 * z, y)
    torch.testing.assert_close(ours.feature_radius.detach(), z.norm(dim=1).mean())


def test_a_class_with_short_weights_counts_more_by_default():
    ours = build("dual_reweighted_r", 2)
    with torch.no_grad():
        ours.weight[1] *= 0.25
    u = ours._importance(torch.ones(4, 6), torch.tensor([0, 0, 1, 1]))
    torch.testing.assert_close(u[2] / u[0], torch.tensor(4.0))
    torch.testing.assert_close(u.mean(), torch.tensor(1.0))


def test_a_zero_embedding_is_finite():
    ours = build("dual_reweighted_r", 2, feature_exponent=-1.0)
    z = torch.cat([torch.zeros(1, 6), torch.randn(3, 6)]).requires_grad_()
    value = ours(z, torch.tensor([0, 1, 0, 1]), context=LossContext())
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(z.grad).all()
