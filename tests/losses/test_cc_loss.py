"""Channel consistency: loops, and what its pair part does to attentions."""

from __future__ import annotations

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def build(num_classes, **options):
    return LOSSES.build("cc_r", num_classes=num_classes, embedding_dim=6, reduction=2, **options)


def slow(consistency, margin):
    def loss(z, y, m):
        cross_entropies, attentions = [], []
        for v, label in zip(z, y, strict=True):
            logits = m.weight @ v + m.bias
            cross_entropies.append(torch.log(logits.exp().sum()) - logits[label])
            hidden = [torch.clamp((row * v).sum(), min=0) for row in m.squeeze.weight]
            attentions.append(1 / (1 + (-(m.excite.weight @ torch.stack(hidden))).exp()))
        agree, differ = [], []
        for i in range(len(z)):
            for j in range(len(z)):
                if i != j:
                    d = (attentions[i] - attentions[j]).norm()  # its gradient at 0 is 0
                    (agree if y[i] == y[j] else differ).append(d if y[i] == y[j] else torch.relu(margin - d))
        pairs = torch.stack(agree).mean() + torch.stack(differ).mean()
        return torch.stack(cross_entropies).mean() + consistency * pairs

    return loss


@CLASSES
@pytest.mark.parametrize(("consistency", "margin"), [(0.1, 1.0), (1.0, 0.1)])
def test_values_and_gradients(batch, assert_same, num_classes, consistency, margin):
    z, y = batch(num_classes)
    assert_same(build(num_classes, consistency=consistency, margin=margin), slow(consistency, margin), z, y)


def test_alone_the_pair_part_separates_attentions(batch):
    z, y = batch(2, size=16, dtype=torch.float32)
    ours = build(2, consistency=10.0)
    optimizer = torch.optim.Adam(ours.parameters(), lr=0.05)
    for _ in range(100):
        optimizer.zero_grad()
        ours(z, y).backward()
        optimizer.step()
    g = ours.attention(z).detach()
    d = torch.cdist(g, g)
    same = (y[:, None] == y[None]) & ~torch.eye(16, dtype=torch.bool)
    assert d[same].mean() < 0.5 * d[y[:, None] != y[None]].mean()


def test_scores_are_the_linear_layer_s(batch):
    z, _ = batch(2, dtype=torch.float32)
    ours = build(2)
    logits = z @ ours.weight.T + ours.bias
    torch.testing.assert_close(ours.score(z), logits[:, 1] - logits[:, 0])


def test_there_is_no_per_clip_value(batch):
    with pytest.raises(LossInputError, match="no per-clip"):
        build(2).per_clip(*batch(2))
