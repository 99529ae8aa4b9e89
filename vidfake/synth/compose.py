"""Makers by name, alone or composed: `resynthesis+self_blend` applies the one and then the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from vidfake.config import typed
from vidfake.errors import ConfigError
from vidfake.synth.base import MAKERS, AnyMaker, DonorMaker, MadeClip, Maker, MakerClip

PLUS = "+"


@dataclass(frozen=True)
class MakerFacts:
    """What a maker needs of its input: the fewest frames, and whether a clip of somebody else."""

    min_frames: int = 1
    needs_donor: bool = False


def parts_of(name: str) -> list[str]:
    """The registered makers that a name is made of, in order. Raises UnknownNameError, and ConfigError for 'a+'."""
    parts = [part.strip() for part in name.split(PLUS)]
    if not all(parts):
        raise ConfigError(
            f"maker '{name}' has an empty part. Write makers' names with '{PLUS}' between them, as in "
            f"'resynthesis{PLUS}self_blend'."
        )
    return [MAKERS.row(part).name for part in parts]


def is_maker(name: str) -> bool:
    """Whether the name is that of a registered maker or of a composition of such."""
    return all(part.strip() in MAKERS for part in name.split(PLUS))


def maker_facts(name: str) -> MakerFacts:
    """What the maker or composition of that name needs. Raises UnknownNameError and ConfigError as `parts_of`."""
    details = [MAKERS.row(part).details for part in parts_of(name)]
    return MakerFacts(
        min_frames=max(int(d.get("min_frames", 1)) for d in details),
        needs_donor=any(bool(d.get("needs_donor", False)) for d in details),
    )


def build_maker(name: str, /, **options: Any) -> AnyMaker:
    """The maker of that name, or the composition 'a+b+…' of several with their defaults.

    A composition manipulates the result of each part by the next; its mask is the greatest of the parts' masks, its
    parameters are ``{"maker": name, "parts": [...]}``. It is a `DonorMaker` if any part is, and all such parts get
    the same donor. Options are for a single maker only.

    Raises UnknownNameError, and ConfigError for wrong options and for options of a composition.
    """
    parts = parts_of(name)
    if len(parts) > 1 and options:
        raise ConfigError(
            f"maker '{name}' is a composition and takes no options, got {', '.join(sorted(options))}. Build its "
            "parts by themselves to set theirs."
        )
    return build_by_tables(name, {parts[0]: options})


def build_by_tables(name: str, tables: Mapping[str, Mapping[str, Any]]) -> AnyMaker:
    """As `build_maker`, each part with the options of its own table in `tables`, where it has one.

    Values are taken as the types that the options have, so that they may come from TOML or JSON.
    Raises UnknownNameError and ConfigError.
    """
    parts = parts_of(name)
    makers = [_with_options(part, tables.get(part, {})) for part in parts]
    if len(makers) == 1:
        return makers[0]
    needs = [maker_facts(part).needs_donor for part in parts]

    def compose(clip: MakerClip, donor: MakerClip | None, rng: np.random.Generator) -> MadeClip:
        faces, masks, records = clip.faces, [], []
        for maker, needs_donor in zip(makers, needs, strict=True):
            made = apply_maker(maker, MakerClip(faces, clip.landmarks), donor if needs_donor else None, rng)
            faces = made.faces
            masks.append(made.mask)
            records.append(made.parameters)
        return MadeClip(faces, np.maximum.reduce(masks), {"maker": name, "parts": records})

    if any(needs):
        return compose

    def make(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
        return compose(clip, None, rng)

    return make


def _with_options(part: str, options: Mapping[str, Any]) -> AnyMaker:
    return MAKERS.build(part, **typed(MAKERS.row(part).factory, options, f"{part}: "))


def build_plain_maker(name: str, /, **options: Any) -> Maker:
    """As `build_maker`, where there is no donor. Raises ConfigError for a maker that needs one."""
    if maker_facts(name).needs_donor:
        alone = ", ".join(row.name for row in MAKERS if not row.details.get("needs_donor"))
        raise ConfigError(
            f"maker '{name}' needs a clip of another person, and there is none here. Use one of {alone}."
        )
    return cast(Maker, build_maker(name, **options))


def apply_maker(maker: AnyMaker, clip: MakerClip, donor: MakerClip | None, rng: np.random.Generator) -> MadeClip:
    """The fake that `maker` makes of `clip`; `donor` is None for makers that need none."""
    if donor is None:
        return cast(Maker, maker)(clip, rng)
    return cast(DonorMaker, maker)(clip, donor, rng)
