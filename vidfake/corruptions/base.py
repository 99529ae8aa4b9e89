"""What a corruption is: a way of damaging whole decoded frames, at five severities, seeded.

Three kinds: of each frame by itself, of the order of frames, and by a codec. The first two keep nothing but the
seed and the last picture between frames, so that a clip and a streamed video of its frames come out the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Literal

import numpy as np

from vidfake.errors import ConfigError
from vidfake.registry import Registry
from vidfake.seeding import generator
from vidfake.types import ByteArray

NUM_SEVERITIES = 5

Event = Literal["show", "drop", "repeat", "black"]


class Corruption(ABC):
    """Damage at severities 1 (mildest) to 5: `levels` are the values of its parameter, `parameter` names it."""

    name: ClassVar[str]
    levels: ClassVar[tuple[float, ...]]
    parameter: ClassVar[str]

    def value(self, severity: int) -> float:
        """The parameter at a severity. Raises ConfigError outside of 1 to 5."""
        if isinstance(severity, bool) or not isinstance(severity, int) or not 1 <= severity <= NUM_SEVERITIES:
            raise ConfigError(f"severity is {severity!r}; it must be a whole number from 1 to {NUM_SEVERITIES}.")
        return self.levels[severity - 1]

    @abstractmethod
    def apply(self, frames: ByteArray, *, severity: int, seed: int = 0) -> ByteArray:
        """The damaged clip, (T, H, W, 3) uint8 RGB like `frames`; `frame_drop` alone gives fewer frames."""


class StreamCorruption(Corruption):
    """A corruption that needs no more than one frame and the one before it."""

    @abstractmethod
    def stream(
        self, frames: Iterable[tuple[float, ByteArray]], *, severity: int, seed: int = 0
    ) -> Iterator[tuple[float, ByteArray]]:
        """Damaged (pts_seconds, picture) pairs, one in, at most one out."""

    def apply(self, frames: ByteArray, *, severity: int, seed: int = 0) -> ByteArray:
        """The damaged clip; see `Corruption.apply`."""
        check_frames(frames)
        numbered = ((float(i), frame) for i, frame in enumerate(frames))
        damaged = [picture for _, picture in self.stream(numbered, severity=severity, seed=seed)]
        return np.stack(damaged) if damaged else frames.copy()


class FrameCorruption(StreamCorruption):
    """Each frame by itself, with a random state of the seed and the frame's index: the same at every severity, so
    that the steps of a curve differ by strength alone."""

    @abstractmethod
    def frame(self, frame: ByteArray, value: float, rng: np.random.Generator) -> ByteArray:
        """The damaged (H, W, 3) uint8 picture; `frame` is not changed."""

    def stream(
        self, frames: Iterable[tuple[float, ByteArray]], *, severity: int, seed: int = 0
    ) -> Iterator[tuple[float, ByteArray]]:
        """Damaged pictures at the same times."""
        value = self.value(severity)
        for index, (pts_seconds, picture) in enumerate(frames):
            yield pts_seconds, self.frame(picture, value, generator(seed, self.name, index))


class TimingCorruption(StreamCorruption):
    """Frames are lost, frozen or blacked out, at a higher severity the same ones and more; never the first."""

    @abstractmethod
    def event(self, value: float, rng: np.random.Generator) -> Event:
        """What becomes of one frame."""

    def stream(
        self, frames: Iterable[tuple[float, ByteArray]], *, severity: int, seed: int = 0
    ) -> Iterator[tuple[float, ByteArray]]:
        """Pictures at their own times; a dropped one leaves its time empty."""
        value = self.value(severity)
        shown: ByteArray | None = None
        for index, (pts_seconds, picture) in enumerate(frames):
            event = self.event(value, generator(seed, self.name, index))
            if shown is None or event == "show":
                shown = picture
                yield pts_seconds, picture
            elif event == "repeat":
                yield pts_seconds, shown
            elif event == "black":
                yield pts_seconds, np.zeros_like(picture)


class CodecCorruption(Corruption):
    """The clip or file goes through a video encoder at a constant rate factor (CRF)."""

    codec: ClassVar[str]
    parameter: ClassVar[str] = "CRF"

    def apply(self, frames: ByteArray, *, severity: int, seed: int = 0) -> ByteArray:
        """The clip, encoded and decoded; `seed` is not used."""
        from vidfake.video.writer import reencode

        check_frames(frames)
        return reencode(frames, codec=self.codec, crf=self.value(severity))


CORRUPTIONS: Registry[Corruption] = Registry("corruption")
"""Corruptions by name; `details` has `levels`, `parameter` and `family`."""


def register(name: str, *, source: str, family: str) -> Any:
    """Class decorator: sets `name` and adds the class to the catalogue with its levels."""

    def decorate(cls: type[Corruption]) -> type[Corruption]:
        if len(cls.levels) != NUM_SEVERITIES:
            raise ValueError(f"corruption '{name}' has {len(cls.levels)} levels; it must have {NUM_SEVERITIES}")
        cls.name = name
        CORRUPTIONS.register(name, source=source, family=family, levels=cls.levels, parameter=cls.parameter)(cls)
        return cls

    return decorate


def check_frames(frames: ByteArray) -> None:
    """Raise ValueError for what is not a clip."""
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"frames must be (T, H, W, 3) uint8, got {frames.shape} {frames.dtype}")


def corrupt_clip(name: str, frames: ByteArray, *, severity: int, seed: int = 0) -> ByteArray:
    """(T, H, W, 3) uint8 RGB damaged by the corruption `name`. Raises UnknownNameError, ConfigError."""
    return CORRUPTIONS.build(name).apply(frames, severity=severity, seed=seed)


def parse_corruption(text: str) -> list[tuple[str, int]]:
    """``GB:3`` -> [("GB", 3)]; ``GB`` -> all five severities; ``all`` -> every corruption. Raises ConfigError."""
    name, colon, severity = text.partition(":")
    names = CORRUPTIONS.names() if name == "all" else [CORRUPTIONS.row(name).name]
    if colon and not (severity.isascii() and severity.isdigit() and 1 <= int(severity) <= NUM_SEVERITIES):
        raise ConfigError(f"'{text}': the severity is a number from 1 to {NUM_SEVERITIES}, as in {name}:3.")
    severities = [int(severity)] if colon else list(range(1, NUM_SEVERITIES + 1))
    return [(each, s) for each in names for s in severities]
