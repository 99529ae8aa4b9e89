"""Sharpness-aware steps on functions whose steps are known."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from vidfake.errors import ConfigError
from vidfake.train.sam import SAM


def test_on_a_quadratic_the_step_is_known_in_closed_form():
    """f = 1/2 wᵀAw: gradient Aw, e = ρ Aw/||Aw||, step w - lr A(w + e)."""
    a = torch.diag(torch.tensor([1.0, 4.0, 9.0], dtype=torch.float64))
    start = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    w = start.clone().requires_grad_()
    sam = SAM(torch.optim.SGD([w], lr=0.1), rho=0.3)
    expected = start
    for _ in range(5):
        (0.5 * w @ a @ w).backward()
        sam.first_step()
        (0.5 * w @ a @ w).backward()
        sam.second_step()
        sam.optimizer.zero_grad()
        g = a @ expected
        expected = expected - 0.1 * a @ (expected + 0.3 * g / g.norm())
        torch.testing.assert_close(w.detach(), expected, rtol=1e-12, atol=1e-12)


def test_the_norm_runs_over_all_parameters_and_groups():
    a, b = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    sam = SAM(torch.optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1), rho=1.0)
    (3 * a.sum() + 4 * b.sum()).backward()
    sam.first_step()
    norm = math.sqrt(2 * 9 + 3 * 16)
    torch.testing.assert_close(a.detach(), torch.full((2,), 1 + 3 / norm))
    torch.testing.assert_close(b.detach(), torch.full((3,), 1 + 4 / norm))
    assert a.grad is None
    assert sam.is_moved


def test_weights_return_bit_for_bit():
    model = torch.nn.Linear(7, 3)
    before = copy.deepcopy(model.state_dict())
    sam = SAM(torch.optim.AdamW(model.parameters()), rho=0.123)
    model(torch.randn(4, 7)).square().sum().backward()
    sam.first_step()
    assert any(not torch.equal(v, before[k]) for k, v in model.state_dict().items())
    model(torch.randn(4, 7)).square().sum().backward()
    sam.restore()
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.grad is not None for p in model.parameters())
    assert not sam.is_moved


@pytest.mark.parametrize("gradient", [None, 0.0, float("nan"), float("inf")])
def test_without_a_usable_gradient_nothing_moves(gradient):
    w = torch.ones(3, requires_grad=True)
    if gradient is not None:
        w.grad = torch.full((3,), gradient)
    sam = SAM(torch.optim.SGD([w], lr=0.1))
    sam.first_step()
    torch.testing.assert_close(w.detach(), torch.ones(3))
    sam.restore()


def test_two_first_steps_are_a_mistake():
    w = torch.ones(3, requires_grad=True)
    sam = SAM(torch.optim.SGD([w], lr=0.1))
    w.sum().backward()
    sam.first_step()
    with pytest.raises(RuntimeError, match="twice"):
        sam.first_step()


@pytest.mark.parametrize("rho", [0.0, -1.0, float("nan")])
def test_rho_must_be_above_zero(rho):
    with pytest.raises(ConfigError, match="rho"):
        SAM(torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.1), rho=rho)
