"""Makers composed by name: one after the other, masks united, what they need added up."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vidfake.errors import ConfigError, UnknownNameError
from vidfake.synth import MAKERS, MakerClip
from vidfake.synth.compose import (
    MakerFacts,
    apply_maker,
    build_by_tables,
    build_maker,
    build_plain_maker,
    is_maker,
    maker_facts,
    parts_of,
)


def test_one_is_applied_to_the_others_result(clip: MakerClip) -> None:
    made = build_plain_maker("resynthesis+self_blend")(clip, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    first = MAKERS.build("resynthesis")(clip, rng)
    second = MAKERS.build("self_blend")(MakerClip(first.faces, clip.landmarks), rng)
    assert np.array_equal(made.faces, second.faces)
    assert np.array_equal(made.mask, np.maximum(first.mask, second.mask))
    assert made.parameters == {"maker": "resynthesis+self_blend", "parts": [first.parameters, second.parameters]}
    json.dumps(made.parameters, allow_nan=False)
    outside = made.mask == 0
    assert outside.any()
    assert np.array_equal(made.faces[outside], clip.faces[outside])
    other = build_plain_maker("self_blend+resynthesis")(clip, np.random.default_rng(3))
    assert not np.array_equal(made.faces, other.faces)


def test_a_single_name_is_the_row_itself(clip: MakerClip) -> None:
    alone = build_plain_maker("self_blend", drift=0.0)(clip, np.random.default_rng(1))
    assert np.array_equal(alone.faces, MAKERS.build("self_blend", drift=0.0)(clip, np.random.default_rng(1)).faces)


def test_a_donor_reaches_the_part_that_needs_one(clip: MakerClip) -> None:
    donor = MakerClip(255 - clip.faces, clip.landmarks + 1)
    made = build_maker("self_blend+cross_blend")(clip, donor, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    first = MAKERS.build("self_blend")(clip, rng)
    second = MAKERS.build("cross_blend")(MakerClip(first.faces, clip.landmarks), donor, rng)
    assert np.array_equal(made.faces, second.faces)


def test_needs_add_up() -> None:
    assert maker_facts("self_blend") == MakerFacts(1, False)
    assert maker_facts("self_blend + temporal_face") == MakerFacts(2, False)
    assert maker_facts("temporal_face+swap_warp+self_blend") == MakerFacts(2, True)
    assert parts_of(" self_blend +resynthesis") == ["self_blend", "resynthesis"]
    assert is_maker("self_blend+resynthesis")
    assert not is_maker("self_blend+swap")
    assert not is_maker("self_blend+")


def test_what_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Unknown maker 'resyntesis'.*Did you mean 'resynthesis'"):
        build_maker("self_blend+resyntesis")
    with pytest.raises(ConfigError, match="'self_blend[+]' has an empty part"):
        build_maker("self_blend+")
    with pytest.raises(ConfigError, match="takes no options, got drift"):
        build_maker("self_blend+resynthesis", drift=0.0)
    with pytest.raises(ConfigError, match="'self_blend[+]swap_warp' needs a clip of another person"):
        build_plain_maker("self_blend+swap_warp")


def test_options_reach_the_part_that_they_are_for(clip: MakerClip) -> None:
    """A table per maker, with lists where the options are tuples, as TOML has them."""
    tables = {"self_blend": {"drift": 0.0, "shapes": ["inner"]}, "swap_warp": {"pyramid": 0.0}}
    made = apply_maker(build_by_tables("resynthesis+self_blend", tables), clip, None, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    first = MAKERS.build("resynthesis")(clip, rng)
    second = MAKERS.build("self_blend", drift=0.0, shapes=("inner",))(MakerClip(first.faces, clip.landmarks), rng)
    assert np.array_equal(made.faces, second.faces)
    alone = apply_maker(build_by_tables("self_blend", tables), clip, None, np.random.default_rng(3))
    assert alone.parameters["shape"] == "inner"
    with pytest.raises(ConfigError, match="self_blend: drift"):
        build_by_tables("self_blend", {"self_blend": {"drift": "much"}})
    with pytest.raises(ConfigError, match="takes no option 'dirft'"):
        build_by_tables("resynthesis+self_blend", {"self_blend": {"dirft": 0.0}})
