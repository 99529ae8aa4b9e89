"""Center loss: every variant against loops over several steps, its centres, its collapse."""

from __future__ import annotations

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES, LossContext, build_loss
from vidfake.settings import LossSettings

CLASSES = pytest.mark.parametrize("num_classes", [2, 5])


def build(num_classes, dim=6, **options):
    return LOSSES.build("center", num_classes=num_classes, embedding_dim=dim, **options)


def key(label, variant):
    return {"per_method": label, "all": min(label, 1), "real_only": 0 if label == 0 else None}[variant]


class Slow:
    """The loss and its centres, clip by clip."""

    def __init__(self, variant, form, rate):
        self.variant, self.form, self.rate, self.centres = variant, form, rate, {}

    def point(self, v):
        return v / v.norm() if self.form == "cosine" else v

    def __call__(self, z, y, *, move):
        members = {}
        for v, label in zip(z, y, strict=True):
            if key(label, self.variant) is not None:
                members.setdefault(key(label, self.variant), []).append(v)
        for k, clips in members.items():
            points = [self.point(v.detach()) for v in clips]
            self.centres.setdefault(k, sum(points) / len(points))
        terms = []
        for k, clips in members.items():
            c = self.centres[k]
            for v in clips:
                cosine = 1 - (v * c).sum() / v.norm() / c.norm()
                terms.append(cosine if self.form == "cosine" else ((v - c) ** 2).sum() / 2)
        if move:
            for k, clips in members.items():
                c = self.centres[k]
                delta = sum(c - self.point(v.detach()) for v in clips) / (1 + len(clips))
                self.centres[k] = c - self.rate * delta
        return torch.stack(terms).mean() if terms else z[0].sum() * 0


@CLASSES
@pytest.mark.parametrize("variant", ["per_method", "all", "real_only"])
@pytest.mark.parametrize("form", ["euclidean", "cosine"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_values_gradients_and_centres_over_steps(batch, num_classes, variant, form, dtype):
    ours = build(num_classes, variant=variant, form=form, rate=0.3).to(dtype)
    slow = Slow(variant, form, 0.3)
    tolerance = {"rtol": 1e-8, "atol": 1e-8} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-4}
    for step in range(3):
        z, y = batch(num_classes, seed=step)
        a, b = z.to(dtype).requires_grad_(), z.clone().requires_grad_()
        mine, theirs = ours(a, y), slow(list(b), y.tolist(), move=True)
        torch.testing.assert_close(mine.double(), theirs, **tolerance)
        gradients = (torch.autograd.grad(v, x)[0].double() for v, x in ((mine, a), (theirs, b)))
        torch.testing.assert_close(*gradients, **tolerance)
    expected = torch.stack([slow.centres[k] for k in sorted(slow.centres)])
    torch.testing.assert_close(ours.centres.double(), expected, **tolerance)


@CLASSES
@pytest.mark.parametrize("form", ["euclidean", "cosine"])
def test_centres_as_parameters(batch, assert_same, num_classes, form):
    ours = build(num_classes, update="gradient", form=form).double()
    ours(*batch(num_classes, seed=9))  # centres start here
    assert [name for name, _ in ours.named_parameters()] == ["centres"]

    def slow(z, y, loss):
        terms = []
        for v, label in zip(z, y, strict=True):
            c = loss.centres[label]
            cosine = 1 - (v * c).sum() / v.norm() / c.norm()
            terms.append(cosine if form == "cosine" else ((v - c) ** 2).sum() / 2)
        return torch.stack(terms).mean()

    assert_same(ours, slow, *batch(num_classes))


def test_a_centre_starts_at_its_first_clips_mean_and_not_before(batch):
    ours = build(3)
    z = torch.randn(4, 6)
    ours(z, torch.tensor([0, 0, 1, 1]))
    assert ours.seen.tolist() == [True, True, False]
    torch.testing.assert_close(ours.centres[0], z[:2].mean(0))
    assert ours.eval()(z[:2], torch.tensor([2, 2])) == 0


def test_evaluation_and_repeated_passes_move_nothing(batch):
    z, y = batch(2, dtype=torch.float32)
    ours = build(2)
    ours(z, y)
    before = {k: v.clone() for k, v in ours.state_dict().items()}
    ours(z + 1, y, context=LossContext(repeated=True))
    ours.per_clip(z + 1, y)
    ours.eval()(z + 1, y)
    for k, v in ours.state_dict().items():
        assert torch.equal(v, before[k])
    ours.train()(z + 1, y)
    assert not torch.equal(ours.centres, before["centres"])


def test_an_embedding_on_its_centre_has_no_gradient():
    for form in ("euclidean", "cosine"):
        z = torch.ones(4, 6, requires_grad=True)
        value = build(2, form=form)(z, torch.tensor([0, 0, 1, 1]))
        value.backward()
        assert value.item() == pytest.approx(0, abs=1e-6)
        torch.testing.assert_close(z.grad, torch.zeros_like(z), rtol=0, atol=1e-6)


def test_per_clip_leaves_out_fakes_of_real_only(batch):
    z, y = batch(5)
    ours = build(5, variant="real_only").double()
    value = ours(z, y)
    values = ours.eval().per_clip(z, y)
    assert (values[y > 0] == 0).all()
    torch.testing.assert_close(values[y == 0].mean(), value)


@pytest.mark.parametrize("form", ["euclidean", "cosine"])
def test_alone_the_euclidean_form_shrinks_norms_and_the_cosine_form_does_not(form):
    z = torch.randn(16, 6, requires_grad=True)
    start, ours = z.detach().norm(dim=1).mean(), build(2, form=form)
    for _ in range(100):
        (gradient,) = torch.autograd.grad(ours(z, torch.arange(16) % 2), z)
        z = (z - 3.0 * gradient).detach().requires_grad_()
    end = z.detach().norm(dim=1).mean()
    assert end < 0.5 * start if form == "euclidean" else end >= start


def test_in_a_sum_it_adds_its_weighted_value(batch):
    z, y = batch(2, dtype=torch.float32)
    both = build_loss(LossSettings(name="softmax + 0.01*center"), num_classes=2, embedding_dim=6)
    alone = build(2)
    torch.testing.assert_close(both(z, y), both.parts["softmax"](z, y) + 0.01 * alone(z, y))


def test_an_unknown_variant_is_refused():
    with pytest.raises(LossInputError, match="per_method"):
        build(2, variant="fake_only")
