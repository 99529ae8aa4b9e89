"""Ring loss: loops, its radius, its indifference to direction."""

from __future__ import annotations

import pytest
import torch

from vidfake.errors import ConfigError
from vidfake.losses import LOSSES, build_loss
from vidfake.settings import LossSettings

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def build(**options):
    return LOSSES.build("ring", **{"num_classes": 2, "embedding_dim": 6, **options})


def slow(scale_free):
    def loss(z, y, module):
        norms = [v.norm() for v in z]
        unit = sum(n.detach() for n in norms) / len(norms) if scale_free else 1.0
        return sum(((n - module.radius) / unit) ** 2 for n in norms) / len(norms) / 2

    return loss


@CLASSES
@pytest.mark.parametrize("scale_free", [False, True])
def test_values_and_gradients(batch, assert_same, num_classes, scale_free):
    ours = build(num_classes=num_classes, scale_free=scale_free).double()
    ours(*batch(num_classes, seed=5))  # the radius starts here
    assert_same(ours, slow(scale_free), *batch(num_classes))


def test_the_radius_starts_once_at_the_first_batch_s_mean_norm(batch):
    z, y = batch(2)
    ours = build().double()
    ours(z, y)
    torch.testing.assert_close(ours.radius.detach(), z.norm(dim=1).mean())
    ours(3 * z, y)
    torch.testing.assert_close(ours.radius.detach(), z.norm(dim=1).mean())


def test_evaluation_does_not_start_the_radius(batch):
    ours = build().eval()
    ours(*batch(2))
    assert ours.radius.item() == 1.0
    assert not ours.started


def test_scale_free_values_do_not_change_with_the_unit(batch):
    z, y = batch(2)
    values = []
    for factor in (1.0, 100.0):
        ours = build(scale_free=True).double()
        ours(factor * z, y)
        values.append(ours(factor * z, y))
    torch.testing.assert_close(*values)


def test_the_gradient_is_along_the_embedding_and_zero_at_zero():
    z = torch.tensor([[3.0, 4.0, 0.0, 0.0, 0.0, 0.0], [0.0] * 6], requires_grad=True)
    ours = build()
    ours(z, torch.tensor([0, 1])).backward()
    assert ours.radius.item() == pytest.approx(2.5)
    torch.testing.assert_close(z.grad[0], (5 - 2.5) / 2 * z.detach()[0] / 5)
    assert torch.equal(z.grad[1], torch.zeros(6))


def test_an_embedding_of_fixed_norm_is_refused():
    with pytest.raises(ConfigError, match="reads the norm"):
        build_loss(LossSettings(name="softmax + 0.01*ring"), num_classes=2, embedding_dim=6, norm_can_vary=False)
