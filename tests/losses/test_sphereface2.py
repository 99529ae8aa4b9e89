"""SphereFace2 against its equation, and its start for two classes."""

from __future__ import annotations

import pytest
import torch

from vidfake.errors import LossInputError


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("gradient", ["full", "detached"])
@pytest.mark.parametrize("positive_weight", [None, 0.7])
def test_values_and_gradients(batch, assert_same, build_head, cosine, num_classes, gradient, positive_weight):
    r, m, t = 6.0, 0.4, 3.0
    share = (num_classes - 1) / num_classes if positive_weight is None else positive_weight

    def warped(c):
        g = 2 * ((c + 1) / 2) ** t - 1
        return g if gradient == "full" else c + (g - c).detach()

    def oracle(z, y, loss):
        total = 0
        for row, k in zip(z, y, strict=True):
            for j, w in enumerate(loss.weight):
                g = warped(cosine(row, w))
                if j == k:
                    total = total + share * torch.log(1 + torch.exp(-(r * (g - m) + loss.bias)))
                else:
                    total = total + (1 - share) * torch.log(1 + torch.exp(r * (g + m) + loss.bias))
        return total / len(z)

    loss = build_head(
        "sphereface2", num_classes, scale=r, margin=m, warp=t, gradient=gradient, positive_weight=positive_weight
    )
    assert_same(loss, oracle, *batch(num_classes))


def test_bias_starts_where_a_cosine_of_zero_is_undecided(build_head):
    loss = build_head("sphereface2", 2, scale=40.0, warp=3.0)
    assert loss.bias.item() == pytest.approx(30.0)
    assert loss.positive_weight == 0.5
    assert loss.logits(torch.zeros(1, 6, dtype=torch.float64)).abs().max() < 1e-5


def test_options_out_of_range_are_refused(build_head):
    with pytest.raises(LossInputError, match=r"positive_weight is 1\.5"):
        build_head("sphereface2", 2, positive_weight=1.5)
