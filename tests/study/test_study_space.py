"""Search spaces: points stay inside, budgets are alike, sums carry their weight."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_study
from hypothesis import given
from hypothesis import strategies as st

from vidfake.config import to_toml
from vidfake.errors import ConfigError
from vidfake.settings import RunConfig
from vidfake.study.analysis import controls_of
from vidfake.study.analysis_effects import seeds_needed
from vidfake.study.arms import plan_arms
from vidfake.study.definition import StudyData, StudyDefinition, StudyTest, Variant, load_study
from vidfake.study.space import Dimension, bounds_at, grid_points, settings_at, sobol_points

UNIT = st.floats(min_value=0.0, max_value=1.0, exclude_max=True)


@given(u=UNIT, low=st.floats(1e-6, 1.0), ratio=st.floats(1.5, 1e4))
def test_logarithmic_values_lie_within_their_range(u: float, low: float, ratio: float) -> None:
    dimension = Dimension("optim.learning_rate", low=low, high=low * ratio)
    assert low * (1 - 1e-3) <= dimension.value(u) <= low * ratio * (1 + 1e-3)


@given(u=UNIT, choices=st.lists(st.floats(0, 10), min_size=1, max_size=9, unique=True))
def test_every_choice_has_its_share_of_the_unit_interval(u: float, choices: list[float]) -> None:
    dimension = Dimension("loss.scale", tuple(choices))
    assert dimension.value(u) == choices[min(int(np.floor(u * len(choices))), len(choices) - 1)]


def test_sobol_points_are_a_prefix_and_fill_the_cube() -> None:
    points = np.array(sobol_points(24, 3, seed=0))
    assert points.shape == (24, 3)
    assert ((points >= 0) & (points < 1)).all()
    assert np.array_equal(points[:10], np.array(sobol_points(10, 3, seed=0)))
    assert not np.array_equal(points, np.array(sobol_points(24, 3, seed=1)))
    for axis in range(3):  # the first 16 points of a scrambled sequence have one in every sixteenth
        assert sorted((points[:16, axis] * 16).astype(int).tolist()) == list(range(16))


def test_bounds_are_told() -> None:
    scale, kind = Dimension("loss.scale", (4.0, 8.0, 16.0)), Dimension("loss.form", ("a", "b", "c"))
    rate = Dimension("optim.learning_rate_factor", low=0.1, high=10.0)
    assert bounds_at((scale, kind, rate), [0.0, 0.0, 0.5]) == {"loss.scale": "low"}
    assert bounds_at((scale, kind, rate), [0.9, 0.9, 0.99]) == {
        "loss.scale": "high", "optim.learning_rate_factor": "high",
    }  # fmt: skip


def test_every_loss_searches_as_many_dimensions() -> None:
    arms, excluded = plan_arms(StudyDefinition(), 6)
    assert {len(arm.dimensions) for arm in arms} == {3}
    assert {(e.task, e.arm) for e in excluded} == {("binary", "adacos"), ("binary", "npair")}
    assert len(arms) + len(excluded) == 2 * len(StudyDefinition().loss_names())


def test_regularisers_stand_beside_cross_entropy_with_a_searched_weight() -> None:
    arms, _ = plan_arms(StudyDefinition(losses=("ring",), tasks=("binary",)), 2)
    values = settings_at(arms[0].dimensions, [0.9, 0.3, 0.5])
    config = arms[0].config(RunConfig(), values, seed=3)
    assert config.loss.name == "softmax + 0.01*ring"
    assert config.loss.options == {"ring": {"scale_free": True}}
    assert config.seed == 3
    assert config.optim.head_learning_rate == pytest.approx(0.01 * values["optim.head_learning_rate_factor"])


def test_grid_must_be_the_budget() -> None:
    grid = (Dimension("loss.a", (1, 2)), Dimension("loss.b", (1, 2, 3)))
    points = grid_points(grid, 6, "x")
    assert len({tuple(settings_at(grid, p).values()) for p in points}) == 6
    with pytest.raises(ConfigError, match="2 x 3 = 6 points, but trials is 24"):
        grid_points(grid, 24, "x")


def test_empty_space_is_refused() -> None:
    with pytest.raises(ConfigError, match="search space of 'loss.scale' is empty"):
        plan_arms(StudyDefinition(losses=("cosface",), spaces={"cosface": {"scale": []}}), 2)


def test_value_that_a_loss_refuses_is_found_before_the_first_run() -> None:
    with pytest.raises(ConfigError, match="holds a value it refuses"):
        plan_arms(StudyDefinition(losses=("cosface",), spaces={"cosface": {"scale": [-1.0]}}), 2)


def test_hash_forgets_paths_and_basis_forgets_what_is_added(tmp_path: Path) -> None:
    study = toy_study.study(tmp_path / "a")
    elsewhere = toy_study.study(tmp_path / "b")
    assert study.hash == elsewhere.hash
    more = toy_study.study(tmp_path / "a", seeds=(1, 2, 3), losses=("softmax", "cosface", "triplet"))
    assert more.hash != study.hash
    assert more.basis == study.basis
    assert toy_study.study(tmp_path / "a", steps=9).basis != study.basis


def test_tests_that_are_not_tests_are_refused() -> None:
    with pytest.raises(ValueError, match="not a test"):
        StudyDefinition(tests=(StudyTest("x", split="validation"),))
    with pytest.raises(ValueError, match="training or validation has"):
        StudyDefinition(
            data=StudyData(makers=("self_blend",)),
            tests=(StudyTest("x", role="held_out_makers", makers=("self_blend",)),),
        )


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "configs" / "studies").glob("*.toml")))
def test_shipped_studies_load_and_have_their_arms(path: Path, tmp_path: Path) -> None:
    study = load_study(path)
    arms, _ = plan_arms(study, 6)
    again = tmp_path / "again.toml"
    again.write_text(to_toml(study))
    assert load_study(again) == study
    assert study.tests
    for task in study.tasks:
        states = [arm.state() for arm in arms if arm.task == task]
        controls = controls_of(study.control, states)
        assert set(controls.values()) <= {state.arm for state in states}, "every comparison has its control"
        assert len(study.seeds) >= seeds_needed(len(controls), study.alpha), "enough seeds for a claim"


def test_control_that_is_no_arm_is_refused_before_the_first_run(tmp_path: Path) -> None:
    study = toy_study.study(tmp_path)
    path = tmp_path / "study.toml"
    for control, known in (("sofmax", False), ("softmax@mean", True), ("softmax@max", False), ("cosface", True)):
        path.write_text(to_toml(replace(study, control=control, variants=(Variant("mean"),))))
        if known:
            assert load_study(path).control == control
        else:
            with pytest.raises(ConfigError, match=f"control is '{control}'; it takes one of: softmax, cosface"):
                load_study(path)


def test_control_is_of_the_same_variant_or_one_for_all() -> None:
    variants = (Variant("a"), Variant("b"))
    arms, _ = plan_arms(StudyDefinition(losses=("softmax", "cosface"), tasks=("binary",), variants=variants), 2)
    states = [arm.state() for arm in arms]
    assert controls_of("softmax", states) == {"cosface@a": "softmax@a", "cosface@b": "softmax@b"}
    assert controls_of("softmax@a", states) == dict.fromkeys(("cosface@a", "softmax@b", "cosface@b"), "softmax@a")
