"""One function that seeds everything, and the rule for seeds of parts."""

from __future__ import annotations

import hashlib
import random

import numpy as np


def seed_everything(seed: int) -> None:
    """Seed python, numpy and torch (every device)."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def derived_seed(*parts: int | str) -> int:
    """A 63-bit seed from any mix of numbers and names, the same on every machine and in every process.

    Use it wherever randomness must not depend on order: ``derived_seed(seed, epoch, video_id, clip_index)``.
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big") >> 1


def generator(*parts: int | str) -> np.random.Generator:
    """A numpy generator for `derived_seed(*parts)`."""
    return np.random.default_rng(derived_seed(*parts))
