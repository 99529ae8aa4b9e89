"""Distances, masks and masked sums; and what every loss on pairs or centres does with a difficult batch."""

from __future__ import annotations

import math

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES, LossContext
from vidfake.losses.heads import HeadLoss
from vidfake.losses.pairs import (
    AnchorLoss,
    PairLoss,
    Pairs,
    cosines,
    distances,
    masked_logsumexp,
    mean_of_positive,
    mean_where,
    squared_distances,
)

HERE = [
    "center",
    "circle_pair",
    "code_balance_r",
    "cc_r",
    "centre_similarity_r",
    "confidence_penalty",
    "contrastive",
    "cross_batch_memory",
    "cross_compression_pull",
    "dual_reweighted_r",
    "dual_ring_r",
    "gce",
    "global_push_plus",
    "lifted",
    "mcfl_r",
    "multi_similarity",
    "npair",
    "pairwise_arcface_r",
    "ranked_list",
    "ring",
    "same_compression_push",
    "single_center",
    "soft_hgr",
    "supcon",
    "supcon_two_level_r",
    "teacher_kd",
    "teacher_triplet",
    "triplet",
]
VARIANTS = {
    "center cosine": ("center", {"form": "cosine"}),
    "lifted original": ("lifted", {"form": "original"}),
    "multi_similarity unmined": ("multi_similarity", {"mining_epsilon": None}),
    "ring scale-free": ("ring", {"scale_free": True}),
    "single_center unit": ("single_center", {"unit_norm": True}),
    "triplet all": ("triplet", {"mining": "all"}),
    "triplet hard": ("triplet", {"mining": "hard"}),
    "triplet soft": ("triplet", {"mining": "hard", "soft": True}),
    "triplet squared": ("triplet", {"squared": True, "normalise": False, "mining": "all"}),
}
EVERY = {**{name: (name, {}) for name in HERE}, **VARIANTS}
DIM = 8

FOUR = torch.randn(4, DIM, generator=torch.Generator().manual_seed(1))
DIFFICULT = {
    "duplicates": (FOUR[[0, 0, 1, 1, 0, 1]], [0, 0, 1, 1, 1, 0]),
    "collapsed": (FOUR[:1].expand(6, DIM), [0, 1, 0, 1, 0, 1]),
    "antipodal": (torch.cat([FOUR, -FOUR]), [0, 0, 1, 1, 1, 1, 0, 0]),
    "a zero vector": (torch.cat([FOUR, torch.zeros(2, DIM)]), [0, 1, 0, 1, 0, 1]),
    "all zero": (torch.zeros(4, DIM), [0, 1, 0, 1]),
    "no fakes": (FOUR, [0, 0, 0, 0]),
    "no reals": (FOUR, [1, 1, 1, 1]),
    "no positives": (FOUR[:2], [0, 1]),
    "one clip": (FOUR[:1], [1]),
    "tiny": (FOUR * 1e-18, [0, 1, 0, 1]),
    "huge": (FOUR * 1e9, [0, 1, 0, 1]),
}


def build(name, num_classes, dim=DIM, **options):
    needed = 3 if name == "npair" else 2
    return LOSSES.build(name, num_classes=max(needed, num_classes), embedding_dim=dim, **options)


def context(size, dim=DIM):
    generator = torch.Generator().manual_seed(4)
    return LossContext(domains=torch.arange(size) % 2, teacher=torch.randn(size, dim, generator=generator))


@pytest.mark.parametrize("key", EVERY)
@pytest.mark.parametrize("case", DIFFICULT)
def test_difficult_batches_give_finite_values_and_gradients(key, case):
    name, options = EVERY[key]
    rows, labels = DIFFICULT[case]
    z, loss = rows.clone().requires_grad_(), build(name, 2, **options)
    value = loss(z, torch.tensor(labels), context=context(len(z)))
    value.backward()
    assert torch.isfinite(value)
    for tensor in (z, *loss.parameters()):
        assert tensor.grad is not None
        assert torch.isfinite(tensor.grad).all()


@pytest.mark.parametrize(
    "key", [key for key, (name, _) in EVERY.items() if issubclass(LOSSES.row(name).factory, PairLoss)]
)
@pytest.mark.parametrize("case", ["no positives", "one clip"])
def test_batches_without_a_pair_of_one_class_never_pull(key, case):
    """No positive pair: the loss is 0, or all it does is push the two classes apart."""
    name, options = EVERY[key]
    rows, labels = DIFFICULT[case]
    z = rows.clone().requires_grad_()
    value = build(name, 2, **options)(z, torch.tensor(labels), context=context(len(z)))
    value.backward()
    if case == "one clip":
        assert value == 0
        assert torch.equal(z.grad, torch.zeros_like(z))
    else:
        before = cosines(rows[:1], rows[1:])
        after = cosines(*(rows - 1e-3 * z.grad).split(1))
        assert after <= before + 1e-6


@pytest.mark.parametrize("key", EVERY)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_embeddings_are_computed_in_float32(batch, key, dtype):
    name, options = EVERY[key]
    z, y = batch(5, dim=DIM, dtype=dtype)
    half, full = build(name, 5, **options), build(name, 5, **options)
    full.load_state_dict(half.state_dict())
    z.requires_grad_()
    with torch.autocast("cpu", dtype=dtype):
        value = half(z, y, context=context(len(z)))
    value.backward()
    assert value.dtype == torch.float32
    assert z.grad.dtype == dtype
    assert torch.isfinite(z.grad).all()
    torch.testing.assert_close(value, full(z.detach().float(), y, context=context(len(z))))
    assert all(p.dtype == torch.float32 for p in half.parameters())


@pytest.mark.parametrize("key", [key for key in EVERY if key != "npair"])  # it takes the first two clips of a class
def test_the_order_of_the_batch_does_not_matter(batch, key):
    name, options = EVERY[key]
    z, y = batch(5, dim=DIM)
    order = torch.randperm(len(z))
    first, second = build(name, 5, **options).double(), build(name, 5, **options).double()
    second.load_state_dict(first.state_dict())
    c = context(len(z))
    shuffled = LossContext(domains=c.domains[order], teacher=c.teacher[order])
    torch.testing.assert_close(first(z, y, context=c), second(z[order], y[order], context=shuffled))


@pytest.mark.parametrize("name", [n for n in HERE if issubclass(LOSSES.row(n).factory, AnchorLoss | HeadLoss)])
def test_per_clip_values_average_to_the_loss(batch, name):
    z, y = batch(5, dim=DIM)
    loss = build(name, 5).double().eval()
    if name == "cc_r":  # half of it is a mean over pairs
        with pytest.raises(LossInputError, match="no per-clip"):
            loss.per_clip(z, y)
        return
    values = loss.per_clip(z, y, context=context(len(z)))
    assert values.shape == (len(z),)
    mean = values[values > 0].mean() if name == "confidence_penalty" else values.mean()
    torch.testing.assert_close(mean, loss(z, y, context=context(len(z))))


def test_distances_equal_the_differences_norms():
    a, b = torch.randn(7, 5, dtype=torch.float64), torch.randn(9, 5, dtype=torch.float64)
    expected = torch.stack([torch.stack([(u - v).norm() for v in b]) for u in a])
    torch.testing.assert_close(distances(a, b), expected)
    torch.testing.assert_close(squared_distances(a, b), expected**2)
    torch.testing.assert_close(distances(a.float(), b.float()).double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_duplicates_are_at_distance_zero_without_a_gradient(dtype):
    a = torch.randn(5, 64, dtype=dtype, requires_grad=True)
    d = distances(a, a)
    d.diagonal().sum().backward()
    assert not d.diagonal().any()
    assert not a.grad.any()


@pytest.mark.parametrize(("dtype", "gap"), [(torch.float32, 0.01), (torch.float64, 1e-6)])
def test_near_clips_are_still_told_apart(dtype, gap):
    a = torch.nn.functional.normalize(torch.randn(1, 64, dtype=dtype), dim=1)
    b = a + gap * torch.nn.functional.normalize(torch.randn(1, 64, dtype=dtype), dim=1)
    assert distances(a, b).item() == pytest.approx((a - b).norm().item(), rel=0.01)


def test_masked_logsumexp_of_nothing_is_minus_infinity_without_a_gradient():
    values = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, False, True, True], [False] * 4, [False, True, False, False]])
    result = masked_logsumexp(values, mask)
    assert result[0].item() == pytest.approx(math.log(sum(math.exp(v) for v in values[0, [0, 2, 3]].tolist())))
    assert result[1].item() == -math.inf
    assert result[2] == values[2, 1]
    torch.nn.functional.softplus(result).sum().backward()
    assert torch.isfinite(values.grad).all()
    assert not values.grad[~mask].any()


def test_means_of_nothing_are_zero_and_solved_terms_do_not_count():
    values = torch.tensor([3.0, 0.0, 1.0, 5.0], requires_grad=True)
    mask = torch.tensor([True, True, True, False])
    assert mean_where(values, mask).item() == pytest.approx(4 / 3)
    assert mean_of_positive(values, mask).item() == 2
    nothing = mean_where(values, torch.zeros(4, dtype=torch.bool))
    nothing.backward()
    assert nothing == 0
    assert not values.grad.any()


def test_pairs_mark_every_pair_once_and_never_a_clip_with_itself():
    y, more = torch.tensor([0, 1, 1]), torch.tensor([1, 0])
    pairs = Pairs.of(torch.randn(3, 2), y, torch.randn(2, 2), more)
    labels = torch.cat([y, more])
    for i in range(3):
        for j in range(5):
            assert pairs.positives[i, j] == (i != j and y[i] == labels[j])
            assert pairs.negatives[i, j] == (y[i] != labels[j])
