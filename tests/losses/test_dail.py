"""DAIL against its equation: dataset-aware softmax, the reversed gradient, the leak, the score, its refusals."""

from __future__ import annotations

import math

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES, LossContext

DOMAINS = torch.tensor([0, 2, 1, 0, 2, 1, 0, 0, 2, 2, 1, 1])


def build(num_classes=2, **options):
    torch.manual_seed(0)
    given = {"num_domains": 3, "leak_probability": 0.0, "head_options": {"scale": 5.0}, **options}
    return LOSSES.build("dail_r", num_classes=num_classes, embedding_dim=6, **given).double()


def margin(c, m=0.5):
    return torch.cos(torch.acos(c) + m) if torch.acos(c) + m <= math.pi else c - m * math.sin(m)


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("adversarial_weight", [0.0, 0.3])
def test_values_and_gradients(batch, assert_same, cosine, slow_cross_entropy, num_classes, adversarial_weight):
    progress = 0.3
    strength = 2 / (1 + math.exp(-10 * progress)) - 1

    class Against(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return -strength * gradient

    def oracle(z, y, loss):
        total = 0
        adversary = torch.zeros(num_classes, 3, 6) if loss.adversary is None else loss.adversary
        for row, k, d in zip(z, y, DOMAINS.tolist(), strict=True):
            own = loss.head.weight[d * num_classes : (d + 1) * num_classes]
            cosines = [cosine(row, w) for w in own]
            logits = [5.0 * (margin(c) if j == k else c) for j, c in enumerate(cosines)]
            total = total + slow_cross_entropy(logits, k)
            x = Against.apply(row / row.norm())
            guesses = [(x * adversary[k, e]).sum() for e in range(3)]
            total = total + adversarial_weight * slow_cross_entropy(guesses, d)
        return total / len(z)

    loss = build(num_classes, adversarial_weight=adversarial_weight)
    if loss.adversary is not None:
        loss.adversary.data.normal_()
    context = LossContext(domains=DOMAINS, progress=progress)
    assert_same(loss, oracle, *batch(num_classes), context=context)


def test_any_softmax_head_fits(batch):
    z, y = batch(2)
    for head in ("softmax", "cosface", "curricularface", "adaface"):
        loss = build(head=head, head_options={})
        assert torch.isfinite(loss(z, y, context=LossContext(domains=DOMAINS)))
    assert build(head="adaface", head_options={}).needs.norm_must_vary


def test_leak_lets_other_datasets_in(batch):
    z, y = batch(2)
    context = LossContext(domains=DOMAINS)
    none, some, all_ = (build(leak_probability=p)(z, y, context=context).item() for p in (0.0, 0.5, 1.0))
    assert none < some < all_
    leaking = build(leak_probability=1.0).eval()
    assert leaking(z, y, context=context).item() == none


def test_score_reads_only_datasets_seen(batch, cosine):
    z, y = batch(2)
    loss = build()
    loss(z, y, context=LossContext(domains=DOMAINS.clamp_max(1)))
    assert loss.seen.tolist() == [True] * 4 + [False] * 2
    w = loss.head.weight
    for row, got in zip(z, loss.score(z), strict=True):
        fakes = math.log(sum(math.exp(5 * cosine(row, w[r]).item()) for r in (1, 3)))
        reals = math.log(sum(math.exp(5 * cosine(row, w[r]).item()) for r in (0, 2)))
        assert got.item() == pytest.approx((fakes - reals) / 5)


def test_missing_and_wrong_domains_are_errors(batch):
    z, y = batch(2)
    with pytest.raises(LossInputError, match="DAIL needs LossContext.domains"):
        build()(z, y)
    with pytest.raises(LossInputError, match="from 4 datasets or more; num_domains is 3. Raise num_domains"):
        build()(z, y, context=LossContext(domains=torch.arange(12) % 4))


def test_datasets_take_the_next_free_rows_in_training_only(batch):
    z, y = batch(2)
    big = 2**62
    loss = build()
    loss.eval()(z, y, context=LossContext(domains=torch.full((12,), big)))
    assert loss.domain_ids.tolist() == [-1, -1, -1]
    loss.train()(z, y, context=LossContext(domains=torch.tensor([big, 7] * 6)))
    loss(z, y, context=LossContext(domains=torch.tensor([3, big] * 6)))
    assert loss.domain_ids.tolist() == [7, big, 3]
    resumed = build()
    resumed.load_state_dict(loss.state_dict())
    context = LossContext(domains=torch.tensor([3, 7] * 6))
    assert resumed(z, y, context=context) == loss(z, y, context=context)


@pytest.mark.parametrize("head", ["p2sgrad", "magface", "uniface"])
def test_heads_whose_loss_is_not_their_cross_entropy_are_refused(head):
    with pytest.raises(LossInputError, match=f"head is '{head}'"):
        build(head=head, head_options={})


def test_label_smoothing_inside_is_refused():
    with pytest.raises(LossInputError, match="label_smoothing"):
        build(head_options={"label_smoothing": 0.1})
