"""Angles and margins on cosines, safe at cosine -1 and 1: clamped before acos and sqrt, never after."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

ArcGuard = Literal["linear", "clamp", "easy", "none"]
ARC_GUARDS: tuple[ArcGuard, ...] = ("linear", "clamp", "easy", "none")

EDGE = 1e-5
"""Distance kept from cosine -1 and 1: acos and sqrt(1 - c²) have infinite gradients there. 1e-7 would survive
float32 but not its rounding in sums."""

TINY_NORM = 1e-6
"""A vector shorter than this has no direction: its cosines are 0 and it receives no gradient."""


def inverse_norm(vectors: Tensor) -> Tensor:
    """1 / ||v|| of each row (N, 1), and 0 for rows shorter than TINY_NORM."""
    norm = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    inverse: Tensor = norm.masked_fill(norm <= TINY_NORM, torch.inf).reciprocal()
    return inverse


def unit_rows(vectors: Tensor) -> Tensor:
    """Rows divided by their norm; a row without direction becomes zero."""
    unit: Tensor = vectors * inverse_norm(vectors)
    return unit


def cosines_to(z: Tensor, weight: Tensor) -> Tensor:
    """Cosine of every row of z (B, E) to every row of weight (K, E): (B, K)."""
    found: Tensor = _Cosines.apply(z, weight)
    return found


class _Cosines(torch.autograd.Function):
    """c = z w / (|z| |w|);  dc/dz = (w/|w| - c z/|z|) / |z|, and the same for w.

    Written out because autograd takes three times as long over the same handful of small operations.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, weight: Tensor) -> Tensor:
        z_inverse, w_inverse = inverse_norm(z), inverse_norm(weight).T
        cosines = (z @ weight.T).mul_(z_inverse).mul_(w_inverse)
        ctx.save_for_backward(z, weight, z_inverse, w_inverse, cosines)
        return cosines

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        z, weight, z_inverse, w_inverse, cosines = ctx.saved_tensors
        scaled = gradient * z_inverse * w_inverse
        radial = gradient * cosines
        by_z = by_weight = None
        if ctx.needs_input_grad[0]:
            by_z = torch.addmm(z * (radial.sum(1, keepdim=True) * z_inverse.square()), scaled, weight, beta=-1)
        if ctx.needs_input_grad[1]:
            by_weight = torch.addmm(weight * (radial.sum(0) * w_inverse[0].square())[:, None], scaled.T, z, beta=-1)
        return by_z, by_weight


def inside(cosine: Tensor) -> Tensor:
    """Cosine clamped to [-1 + EDGE, 1 - EDGE]."""
    return cosine.clamp(-1.0 + EDGE, 1.0 - EDGE)


def angle_of(cosine: Tensor) -> Tensor:
    """Angle in radians, in (0, π), with a finite gradient everywhere."""
    return torch.acos(inside(cosine))


class _Curve(torch.autograd.Function):
    """A value computed without a graph, and its slopes by the one or two things it was computed from."""

    @staticmethod
    def forward(
        ctx: Any, value: Tensor, x: Tensor, slope: Tensor, m: Tensor | None, m_slope: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(slope, m_slope)
        return value.view_as(value)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None, Tensor | None, None]:
        slope, m_slope = ctx.saved_tensors
        return None, gradient * slope, None, None if m_slope is None else gradient * m_slope, None


def with_slope(value: Tensor, x: Tensor, slope: Tensor) -> Tensor:
    """`value`, with the gradient `slope` by x: quicker than autograd along a chain of small operations."""
    curve: Tensor = _Curve.apply(value, x, slope, None, None)
    return curve


def cosine_plus(cosine: Tensor, margin: Tensor | float) -> Tensor:
    """cos(θ + margin), unguarded. `margin` in radians, a number or (B,)."""
    return add_angle(cosine, margin, "none")


def add_angle(cosine: Tensor, margin: Tensor | float, guard: ArcGuard) -> Tensor:
    """cos(θ + margin), kept from rising again where θ + margin passes π. `margin` in radians, a number or (B,).

    `linear`: beyond the seam cos θ - m sin m (falls with θ everywhere; one downward step at the seam).
    `clamp`: θ + margin is held at π. `easy`: the margin holds only where cos θ > 0. `none`: no guard.

    Without acos: cos(θ + m) = c·cos m - sin θ·sin m, with slopes cos m + c·sin m / sin θ by c and
    -(c·sin m + sin θ·cos m) by m.
    """
    by_margin = isinstance(margin, Tensor) and margin.requires_grad
    with torch.no_grad():
        c = inside(cosine)
        sine = torch.sqrt(1.0 - c * c)
        cos_m, sin_m = _cos_sin(margin)
        value = c * cos_m - sine * sin_m
        slope = (cos_m + c * sin_m / sine) * (c == cosine)  # no slope where the clamp holds c
        m_slope = -(c * sin_m + sine * cos_m) if by_margin else None
        if guard != "none":
            within = cosine > 0 if guard == "easy" else cosine > -cos_m
            beyond, flat, m_flat = _beyond(cosine, margin, guard)
            value, slope = torch.where(within, value, beyond), torch.where(within, slope, flat)
            m_slope = None if m_slope is None else torch.where(within, m_slope, m_flat)
    curve: Tensor = _Curve.apply(value, cosine, slope, margin if by_margin else None, m_slope)
    return curve


def _cos_sin(margin: Tensor | float) -> tuple[Tensor | float, Tensor | float]:
    if isinstance(margin, Tensor):
        return margin.cos(), margin.sin()
    return math.cos(margin), math.sin(margin)


def _beyond(
    cosine: Tensor, margin: Tensor | float, guard: ArcGuard
) -> tuple[Tensor | float, float, Tensor | float]:
    """Value where the margin is not simply added, its slope by the cosine, and its slope by the margin."""
    if guard == "easy":
        return cosine, 1.0, 0.0
    if guard == "clamp":
        return -1.0, 0.0, 0.0
    cos_m, sin_m = _cos_sin(margin)
    return cosine - margin * sin_m, 1.0, -(sin_m + margin * cos_m)


def falling_cosine(angle: Tensor) -> Tensor:
    """cos continued beyond π so that it keeps falling: (-1)^k cos(a) - 2k with k = floor(a / π)."""
    with torch.no_grad():
        k = torch.floor(angle / math.pi)
        sign = 1.0 - 2.0 * torch.remainder(k, 2.0)
    return sign * angle.cos() - 2.0 * k
