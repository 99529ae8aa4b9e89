"""How an evaluation is made."""

from __future__ import annotations

from dataclasses import dataclass, field

from vidfake.metrics.sections import Resampling


@dataclass(frozen=True)
class Options:
    """How an evaluation is made. `control` names the detector that all others are compared with."""

    how: Resampling = field(default_factory=Resampling)
    workers: int = 1
    control: str = ""
    margin: float | None = None
    allow_training_overlap: bool = False
