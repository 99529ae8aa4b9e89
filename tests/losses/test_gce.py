"""Generalised cross-entropy: loops and its two limits."""

from __future__ import annotations

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def build(num_classes, **options):
    return LOSSES.build("gce", num_classes=num_classes, embedding_dim=6, **options)


@CLASSES
@pytest.mark.parametrize("q", [0.3, 0.7, 1.0])
def test_values_and_gradients(batch, assert_same, num_classes, q):
    def slow(z, y, m):
        terms = []
        for v, label in zip(z, y, strict=True):
            exponentials = (m.weight @ v + m.bias).exp()
            terms.append((1 - (exponentials[label] / exponentials.sum()) ** q) / q)
        return torch.stack(terms).mean()

    assert_same(build(num_classes, q=q), slow, *batch(num_classes))


def test_a_small_q_is_cross_entropy_and_q_of_one_the_absolute_error(batch):
    z, y = batch(5)
    plain = LOSSES.build("softmax", num_classes=5, embedding_dim=6)
    near, absolute = build(5, q=1e-9), build(5, q=1.0)
    for ours in (near, absolute):
        ours.load_state_dict(plain.state_dict())
    torch.testing.assert_close(near(z, y), plain(z, y), rtol=1e-6, atol=1e-6)
    p = plain.logits(z).softmax(1).gather(1, y[:, None])
    torch.testing.assert_close(absolute(z, y), (1 - p).mean())


def test_it_is_bounded_and_finite_on_a_hopeless_clip():
    ours = build(2)
    z = (1e4 * ours.weight[1:].detach()).requires_grad_()
    value = ours(z, torch.tensor([0]))
    value.backward()
    assert value.item() == pytest.approx(1 / 0.7, rel=1e-5)
    assert torch.isfinite(z.grad).all()


def test_q_out_of_range_is_refused():
    with pytest.raises(LossInputError, match="q is 0"):
        build(2, q=0.0)
