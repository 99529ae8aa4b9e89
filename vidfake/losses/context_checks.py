"""Checks of what the context of a batch must bring."""

from __future__ import annotations

from torch import Tensor

from vidfake.errors import LossInputError
from vidfake.losses.base import LossContext


def context_tensor(context: LossContext, name: str, *, owner: str, shape: tuple[int, ...], why: str) -> Tensor:
    """The context's tensor of that name, or LossInputError that says what it is for.

    Args:
        owner: the loss, for the message.
        shape: what the tensor must be.
        why: what the loss does with it.
    """
    value = getattr(context, name)
    if value is None:
        raise LossInputError(f"{owner} needs LossContext.{name} {shape}: {why}. The context brought none.")
    if not isinstance(value, Tensor) or value.shape != shape:
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise LossInputError(f"{owner}: LossContext.{name} is {got}; expected a tensor {shape}: {why}.")
    return value
