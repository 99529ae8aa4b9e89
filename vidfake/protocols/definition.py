"""Protocols as data: which rows of which corpora train a detector, choose it, and measure it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vidfake.config import from_dict, read_toml
from vidfake.errors import ConfigError, ProtocolError
from vidfake.registry import nearest

SHIPPED = Path(__file__).resolve().parents[2] / "configs" / "protocols"
"""The protocols of the repository; an installed package has none and takes paths."""


@dataclass(frozen=True)
class Selection:
    """Rows of one corpus. An empty field selects everything; fields are combined by *and*, values by *or*.

    `manipulations` and `exclude_manipulations` are about fakes: reals pass them. `where` asks columns of the
    manifest that vidfake does not know, such as ``ffpp_split``.
    """

    dataset: str
    splits: tuple[str, ...] = ()
    compressions: tuple[str, ...] = ()
    labels: tuple[Literal["real", "fake"], ...] = ()
    manipulations: tuple[str, ...] = ()
    exclude_manipulations: tuple[str, ...] = ()
    where: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Role:
    """One role's rows. `frames_per_video` is what the protocol's authors use; 0 where they do not say."""

    select: tuple[Selection, ...]
    frames_per_video: int = 0

    def __post_init__(self) -> None:
        if not self.select:
            raise ValueError("selects nothing; give it at least one `select` with a dataset")
        if self.frames_per_video < 0:
            raise ValueError(f"frames_per_video is {self.frames_per_video}; it must not be negative")


@dataclass(frozen=True)
class Protocol:
    """Train, validation and any number of named test sets.

    Validation is a role of its own, or `validation_fraction` of the training sources, chosen by people and sources.
    `overlap`: what becomes of rows of training (and validation) that share a person, source or file with a later
    role: the protocol is refused, or they are dropped and counted. Test rows are never dropped.
    """

    name: str
    summary: str
    test: dict[str, Role]
    source: str = ""
    train: Role | None = None
    validation: Role | None = None
    validation_fraction: float = 0.0
    overlap: Literal["refuse", "drop"] = "refuse"

    def __post_init__(self) -> None:
        if not self.test:
            raise ValueError("has no test set; write [test.NAME] with a select")
        if not 0 <= self.validation_fraction <= 0.5:
            raise ValueError(f"validation_fraction is {self.validation_fraction}; it must be in 0 to 0.5")
        if self.train is not None and (self.validation is None) == (self.validation_fraction == 0):
            raise ValueError(
                "needs either [validation] or validation_fraction: a detector is never chosen on test data"
            )
        if self.train is None and self.validation_fraction:
            raise ValueError("validation_fraction is taken from [train], which is not there")


def load_protocol(name_or_path: Path | str) -> Protocol:
    """A protocol from a TOML file, or by the name of a shipped one.

    Raises ConfigError for a wrong file, ProtocolError for a name that is not shipped.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        known = shipped_protocols()
        if str(name_or_path) not in known:
            raise ProtocolError(
                f"No protocol '{name_or_path}'. Known: {', '.join(known) or 'none in this installation'}."
                f"{nearest(str(name_or_path), known)} Or name a .toml file."
            )
        path = SHIPPED / f"{name_or_path}.toml"
    try:
        return from_dict(Protocol, {"name": path.stem} | read_toml(path))
    except ConfigError as error:
        if str(error).startswith(str(path)):
            raise
        raise ConfigError(f"{path}: {error}") from error


def shipped_protocols() -> list[str]:
    """Names of the protocols in configs/protocols/."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))
