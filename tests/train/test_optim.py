"""Schedule, parameter groups and the weight average."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from vidfake.models.detector import Detector, build_detector
from vidfake.settings import AggregatorSettings, EncoderSettings, ModelSettings, OptimSettings
from vidfake.train.optim import WeightAverage, parameter_groups, schedule, set_rates


def test_schedule_warms_up_linearly_then_falls_as_half_a_cosine() -> None:
    values = [schedule(s, total_steps=100, warmup_fraction=0.1) for s in range(101)]
    assert values[:10] == pytest.approx([(s + 1) / 10 for s in range(10)])
    assert values[10] == 1.0
    assert values[55] == pytest.approx(0.5)
    assert values[100] == pytest.approx(0.0)
    assert all(a >= b for a, b in itertools.pairwise(values[10:]))


def test_schedule_without_warmup_starts_at_one() -> None:
    assert schedule(0, total_steps=10, warmup_fraction=0.0) == 1.0
    assert schedule(50, total_steps=10, warmup_fraction=0.0) == pytest.approx(0.0)


def small_detector() -> Detector:
    settings = ModelSettings(
        encoder=EncoderSettings(weights="none", input_size=32), aggregator=AggregatorSettings(name="mean")
    )
    return build_detector(settings, num_frames=2)


def test_every_trained_parameter_is_in_exactly_one_group_with_its_own_rate() -> None:
    detector, loss = small_detector(), nn.Linear(2, 2)
    groups = parameter_groups(detector, loss, OptimSettings(learning_rate=1.0, encoder_learning_rate=0.1))
    found = [id(p) for g in groups for p in g["params"]]  # type: ignore[attr-defined]
    assert sorted(found) == sorted(id(p) for m in (detector, loss) for p in m.parameters())
    by_name = {g["name"]: g for g in groups}
    assert by_name["encoder"]["lr"] == 0.1
    assert by_name["new"]["weight_decay"] == 0.05
    assert by_name["new without decay"]["weight_decay"] == 0.0
    assert by_name["loss"]["weight_decay"] == 0.0
    assert by_name["loss"]["lr"] == OptimSettings().head_learning_rate


def test_set_rates_scales_each_group_from_its_base() -> None:
    optimizer = torch.optim.AdamW(parameter_groups(small_detector(), nn.Identity(), OptimSettings()))
    set_rates(optimizer, 0.5)
    set_rates(optimizer, 0.25)
    assert all(g["lr"] == pytest.approx(0.25 * g["base_lr"]) for g in optimizer.param_groups)


def test_average_equals_the_recursion_written_out_and_swaps_back() -> None:
    module = nn.Linear(1, 1, bias=False)
    average = WeightAverage(module, decay=0.9)
    expected = module.weight.item()
    for step in range(5):
        with torch.no_grad():
            module.weight.fill_(float(step))
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        average.update(module)
    with average.swapped(module):
        assert module.weight.item() == pytest.approx(expected, rel=1e-6)
    assert module.weight.item() == 4.0
    assert not math.isclose(expected, 4.0)
