"""Angles and margins on cosines, safe at cosine -1 and 1: clamped before acos and sqrt, never after."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

ArcGuard = Literal["linear", "clamp", "easy", "none"]
ARC_GUARDS: tuple[ArcGuard, ...] = ("linear", "clamp", "easy", "none")

EDGE = 1e-5
"""Distance kept from cosine -1 and 1: acos and sqrt(1 - c²) have infinite gradients there. 1e-7 would survive
float32 but not its rounding in sums."""

TINY_NORM = 1e-6
"""A vector shorter than this has no direction: its cosines are 0 and it receives no gradient."""


def inside(cosine: Tensor) -> Tensor:
    """Cosine clamped to [-1 + EDGE, 1 - EDGE]."""
    return cosine.clamp(-1.0 + EDGE, 1.0 - EDGE)


def angle_of(cosine: Tensor) -> Tensor:
    """Angle in radians, in (0, π), with a finite gradient everywhere."""
    return torch.acos(inside(cosine))


def inverse_norm(vectors: Tensor) -> Tensor:
    """1 / ||v|| of each row (N, 1), and 0 for rows shorter than TINY_NORM."""
    norm = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return torch.where(norm > TINY_NORM, norm.clamp_min(TINY_NORM).reciprocal(), 0.0)


def unit_rows(vectors: Tensor) -> Tensor:
    """Rows divided by their norm; a row without direction becomes zero."""
    return vectors * inverse_norm(vectors)


def cosine_plus(cosine: Tensor, margin: Tensor | float) -> Tensor:
    """cos(θ + margin) without acos: c·cos m - sqrt(1 - c²)·sin m. `margin` in radians, a number or (B,)."""
    c = inside(cosine)
    sine = torch.sqrt(1.0 - c * c)
    if isinstance(margin, Tensor):
        return c * margin.cos() - sine * margin.sin()
    return c * math.cos(margin) - sine * math.sin(margin)


def add_angle(cosine: Tensor, margin: Tensor | float, guard: ArcGuard) -> Tensor:
    """cos(θ + margin), kept from rising again where θ + margin passes π.

    `linear`: beyond the seam cos θ - m sin m (falls with θ everywhere; one downward step at the seam).
    `clamp`: θ + margin is held at π. `easy`: the margin holds only where cos θ > 0. `none`: no guard.
    """
    shifted = cosine_plus(cosine, margin)
    if guard == "none":
        return shifted
    if guard == "easy":
        return torch.where(cosine > 0, shifted, cosine)
    if isinstance(margin, Tensor):
        seam, beyond = -margin.cos(), cosine - margin * margin.sin()
    else:
        seam, beyond = cosine.new_tensor(-math.cos(margin)), cosine - margin * math.sin(margin)
    if guard == "clamp":
        beyond = torch.full_like(cosine, -1.0)
    return torch.where(cosine > seam, shifted, beyond)


def falling_cosine(angle: Tensor) -> Tensor:
    """cos continued beyond π so that it keeps falling: (-1)^k cos(a) - 2k with k = floor(a / π)."""
    with torch.no_grad():
        k = torch.floor(angle / math.pi)
        sign = 1.0 - 2.0 * torch.remainder(k, 2.0)
    return sign * angle.cos() - 2.0 * k
