"""Checks of makers' options, so that each message says the same things in the same words."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vidfake.errors import ConfigError, UsageError
from vidfake.registry import nearest
from vidfake.synth.base import MakerClip


def check_range(maker: str, option: str, value: float, low: float, high: float) -> None:
    """Raises ConfigError unless `low` <= `value` <= `high`."""
    if not low <= value <= high:
        raise ConfigError(f"{maker}: {option} is {value}; it must be from {low} to {high}.")


def check_span(maker: str, option: str, span: Sequence[float], low: float, high: float) -> None:
    """Raises ConfigError unless `span` is (least, most) with `low` <= least <= most <= `high`."""
    if len(span) != 2 or not low <= span[0] <= span[1] <= high:
        raise ConfigError(
            f"{maker}: {option} is {tuple(span)}; it must be (least, most), rising, from {low} to {high}."
        )


def check_names(maker: str, option: str, names: Sequence[str], known: Collection[str]) -> None:
    """Raises ConfigError unless `names` holds at least one name and known ones only."""
    if not names or isinstance(names, str):
        raise ConfigError(
            f"{maker}: {option} is {names!r}; it must be a list of one or more of {', '.join(known)}."
        )
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{maker}: '{name}' in {option} is unknown. Known: {', '.join(known)}.{nearest(name, list(known))}"
            )


def require_frames(maker: str, clip: MakerClip, least: int = 2) -> None:
    """Raises UsageError for a clip too short to be manipulated over time."""
    if len(clip.faces) < least:
        raise UsageError(
            f"{maker}: the clip has {len(clip.faces)} frame(s), and at least {least} are needed. "
            "Train on longer clips (model.num_frames, extract.num_frames), or leave this maker out."
        )


def check_sizes(clip: MakerClip, donor: MakerClip) -> None:
    """Raises ValueError unless the donor's crops are as large as the clip's."""
    if donor.faces.shape[1:] != clip.faces.shape[1:]:
        raise ValueError(f"clip and donor must be of one size, got {clip.faces.shape} and {donor.faces.shape}")
