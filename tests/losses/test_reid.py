"""Re-identification auxiliaries: loops, a head's weights in a sum, domains that must be given."""

from __future__ import annotations

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES, LossContext, build_loss
from vidfake.settings import LossSettings

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])
DOMAINS = torch.tensor([0, 1, 1, 0, 2, 0, 1, 2, 2, 0, 1, 1])


def build(name, num_classes, **options):
    return LOSSES.build(name, num_classes=num_classes, embedding_dim=6, **options)


def cosine(a, b):
    return (a * b).sum() / a.norm() / b.norm()


def mean_above_zero(terms, like):
    kept = [t for t in terms if t > 0]
    return torch.stack(kept).mean() if kept else like.sum() * 0


def slow_global(centres_of):
    def loss(z, y, m):
        centres = centres_of(m)
        terms = []
        for v, label in zip(z, y, strict=True):
            for j, c in enumerate(centres):
                if j != label:
                    terms.append((1 - cosine(v, centres[label])) - (1 - cosine(v, c)))
        return mean_above_zero(terms, z[0])

    return loss


def slow_same_domain(z, y, m):
    terms = []
    for i in range(len(z)):
        for k in range(len(z)):
            if y[k] != y[i] and DOMAINS[k] == DOMAINS[i]:
                terms.append((1 - cosine(z[i], m.centres[y[i]])) - (1 - cosine(z[i], z[k])))
    return mean_above_zero(terms, z[0])


def slow_pull(z, y, _):
    terms = [
        1 - cosine(z[i], z[j])
        for i in range(len(z))
        for j in range(len(z))
        if i != j and y[i] == y[j] and DOMAINS[i] != DOMAINS[j]
    ]
    return torch.stack(terms).mean()


@CLASSES
def test_global_push(batch, assert_same, num_classes):
    assert_same(build("global_push_plus", num_classes), slow_global(lambda m: m.centres), *batch(num_classes))


@CLASSES
def test_same_compression_push(batch, assert_same, num_classes):
    context = LossContext(domains=DOMAINS)
    ours = build("same_compression_push", num_classes)
    assert_same(ours, slow_same_domain, *batch(num_classes), context=context)


@CLASSES
def test_cross_compression_pull(batch, assert_same, num_classes):
    context = LossContext(domains=DOMAINS)
    ours = build("cross_compression_pull", num_classes)
    assert_same(ours, slow_pull, *batch(num_classes), context=context)


@CLASSES
@pytest.mark.parametrize("beta", [0.085, 5.0])
def test_confidence_penalty(batch, assert_same, num_classes, beta):
    def slow(z, y, m):
        terms = []
        for v, label in zip(z, y, strict=True):
            logits = [4.0 * (cosine(v, w) - 0.3 * (j == label)) for j, w in enumerate(m.weight)]
            total = sum(v.exp() for v in logits)
            p = [v.exp() / total for v in logits]
            terms.append(-p[label].log() + beta * sum(q * q.log() for q in p))
        return mean_above_zero(terms, z[0])

    ours = build("confidence_penalty", num_classes, beta=beta, scale=4.0, margin=0.3)
    assert_same(ours, slow, *batch(num_classes))


def test_without_reward_the_confidence_penalty_is_cosface(batch):
    z, y = batch(5, dtype=torch.float32)
    ours, plain = build("confidence_penalty", 5, beta=0.0), build("cosface", 5)
    plain.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(z, y), plain(z, y))


@pytest.mark.parametrize("name", ["cosface + global_push_plus", "global_push_plus + cosface"])
def test_in_a_sum_a_head_s_weights_are_the_centres(batch, assert_same, name):
    z, y = batch(5)
    both = build_loss(LossSettings(name=name), num_classes=5, embedding_dim=6).double()
    push = slow_global(lambda m: m.parts["cosface"].weight)

    def slow(z, y, m):
        head = m.parts["cosface"](torch.stack(list(z)), torch.tensor(y))
        return head + push(z, y, m)

    assert_same(both, slow, z, y)
    both(z, y).backward()
    own = both.parts["global_push_plus"].centres
    assert own.grad is not None  # in the graph, for training in several processes
    assert not own.grad.any()


@pytest.mark.parametrize("name", ["same_compression_push", "cross_compression_pull"])
def test_domains_must_be_given_and_fit(batch, name):
    z, y = batch(2)
    ours = build(name, 2)
    assert "domains" in ours.needs.context
    with pytest.raises(LossInputError, match=r"needs LossContext\.domains"):
        ours(z, y)
    with pytest.raises(LossInputError, match=r"domains is \(5,\)"):
        ours(z, y, context=LossContext(domains=torch.zeros(5)))


def test_one_recording_condition_leaves_nothing_to_pull(batch):
    z, y = batch(2)
    z.requires_grad_()
    value = build("cross_compression_pull", 2)(z, y, context=LossContext(domains=torch.zeros(12)))
    value.backward()
    assert value == 0
    assert torch.equal(z.grad, torch.zeros_like(z))
