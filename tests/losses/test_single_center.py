"""Single-center loss: loops, missing classes, its score."""

from __future__ import annotations

import math

import pytest
import torch

from vidfake.losses import LOSSES

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def build(num_classes=2, **options):
    return LOSSES.build("single_center", num_classes=num_classes, embedding_dim=6, **options)


def slow(margin, unit_norm):
    def loss(z, y, module):
        d = [((v / v.norm() if unit_norm else v) - module.centre).norm() for v in z]
        real = [a for a, label in zip(d, y, strict=True) if label == 0]
        fake = [a for a, label in zip(d, y, strict=True) if label > 0]
        mean_real, mean_fake = sum(real) / len(real), sum(fake) / len(fake)
        return mean_real + torch.relu(mean_real - mean_fake + margin * (1 if unit_norm else math.sqrt(6)))

    return loss


@CLASSES
@pytest.mark.parametrize(("margin", "unit_norm"), [(0.3, False), (0.01, False), (0.3, True), (1.0, True)])
def test_values_and_gradients(batch, assert_same, num_classes, margin, unit_norm):
    ours = build(num_classes, margin=margin, unit_norm=unit_norm)
    assert_same(ours, slow(margin, unit_norm), *batch(num_classes))


def test_without_fakes_reals_are_pulled_and_without_reals_nothing_happens():
    ours, z = build(), torch.randn(4, 6)
    torch.testing.assert_close(ours(z, torch.zeros(4, dtype=torch.int64)), ours.score(z).mean())
    z = z.requires_grad_()
    value = ours(z, torch.ones(4, dtype=torch.int64))
    value.backward()
    assert value == 0
    assert torch.equal(z.grad, torch.zeros_like(z))


def test_a_clip_on_the_centre_has_a_finite_gradient():
    ours = build()
    z = torch.cat([ours.centre.detach()[None], torch.randn(1, 6)]).requires_grad_()
    ours(z, torch.tensor([0, 1])).backward()
    assert torch.isfinite(z.grad).all()
    assert torch.isfinite(ours.centre.grad).all()


def test_the_score_is_the_distance_from_the_centre():
    ours = build()
    centre = ours.centre.detach()
    z = torch.stack([centre, centre + torch.eye(6)[0], centre + 3 * torch.eye(6)[0]])
    torch.testing.assert_close(ours.score(z), torch.tensor([0.0, 1.0, 3.0]))
