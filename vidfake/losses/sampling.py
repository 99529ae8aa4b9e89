"""Whether a sampler's batches can feed a loss; asked before training."""

from __future__ import annotations

from vidfake.errors import SamplerError
from vidfake.losses.base import LossNeeds


def check_sampler(needs: LossNeeds, *, loss: str, classes_per_batch: int, clips_per_class: int) -> None:
    """Raise SamplerError with the P×K that the loss needs, unless the sampler's P×K supplies it.

    Args:
        needs: the loss's own `needs`.
        loss: its name, for the message.
        classes_per_batch: P, the least number of classes in any batch.
        clips_per_class: K, the least number of clips of each of them.
    """
    if classes_per_batch >= needs.classes_per_batch and clips_per_class >= needs.clips_per_class:
        return
    raise SamplerError(
        f"Loss '{loss}' needs batches of at least {needs.classes_per_batch} classes x {needs.clips_per_class} "
        f"clips (P x K); this sampler gives {classes_per_batch} x {clips_per_class}. Choose a sampler with "
        f"classes_per_batch >= {needs.classes_per_batch} and clips_per_class >= {needs.clips_per_class}, or "
        "another loss."
    )
