"""Aggregators: masks are exact, order matters only where it should, everything trains."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vidfake.errors import ConfigError
from vidfake.models import AGGREGATORS, Aggregator
from vidfake.models.aggregators.transformer import TemporalTransformer

D, T = 12, 6
SMALL: dict[str, dict[str, Any]] = {
    "transformer": {"width": 16, "heads": 2},
    "temporal_convolution": {"width": 16, "depth": 2},
    "lstm": {"hidden": 8},
    "attention": {"hidden": 8},
    "mean": {},
    "max": {},
}
KNOWS_ORDER = {"transformer", "temporal_convolution", "lstm"}
TRANSFORMERS = [
    {"positions": positions, "time_unit": unit, "frame_difference": difference}
    for positions in ("sinusoidal", "learned")
    for unit in ("seconds", "frames")
    for difference in (False, True)
]
CASES = list(SMALL.items()) + [("transformer", {**SMALL["transformer"], **o}) for o in TRANSFORMERS]
IDS = [name + "-" + "-".join(str(v) for k, v in o.items() if k in TRANSFORMERS[0]) for name, o in CASES]
every_aggregator = pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)


def build(name: str, options: dict[str, Any]) -> Aggregator:
    torch.manual_seed(0)
    frames = {"num_frames": T} if name == "transformer" else {}
    return AGGREGATORS.build(name, feature_dim=D, **frames, **options).eval()


def clips(lengths: tuple[int, ...] = (6, 4, 1)) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    steps = torch.arange(T).expand(len(lengths), T)
    last = torch.tensor(lengths).unsqueeze(1)
    return torch.randn(len(lengths), T, D), steps < last, torch.minimum(steps, (last - 1).clamp(min=0)) * 0.04


def test_every_row_is_tested() -> None:
    assert set(AGGREGATORS.names()) == set(SMALL)


@every_aggregator
def test_shape(name: str, options: dict[str, Any]) -> None:
    aggregator = build(name, options)
    output = aggregator(*clips())
    assert output.shape == (3, aggregator.output_dim)
    assert output.dtype == torch.float32


@every_aggregator
@pytest.mark.parametrize("filler", [0.0, 1e30, float("nan"), float("inf")])
def test_padding_content_never_matters(name: str, options: dict[str, Any], filler: float) -> None:
    aggregator = build(name, options)
    features, mask, pts = clips()
    expected = aggregator(features, mask, pts)
    filled = features.masked_fill(~mask.unsqueeze(-1), filler)
    assert torch.equal(aggregator(filled, mask, pts.masked_fill(~mask, 1e9)), expected)


@every_aggregator
def test_padding_gets_no_gradient(name: str, options: dict[str, Any]) -> None:
    features, mask, pts = clips()
    features.requires_grad_()
    build(name, options)(features, mask, pts).square().sum().backward()
    assert features.grad is not None
    assert torch.equal(features.grad[~mask], torch.zeros_like(features.grad[~mask]))
    assert (features.grad[0].abs().sum(dim=1) > 0).all() or name == "max"


@every_aggregator
def test_a_padded_clip_is_the_same_as_the_short_one(name: str, options: dict[str, Any]) -> None:
    aggregator = build(name, options)
    features, mask, pts = clips((4,))
    alone = aggregator(features[:, :4], mask[:, :4], pts[:, :4])
    torch.testing.assert_close(aggregator(features, mask, pts), alone, rtol=1e-5, atol=1e-6)


@every_aggregator
def test_clips_do_not_see_each_other(name: str, options: dict[str, Any]) -> None:
    aggregator = build(name, options)
    features, mask, pts = clips()
    one = aggregator(features[1:2], mask[1:2], pts[1:2])
    torch.testing.assert_close(aggregator(features, mask, pts)[1:2], one, rtol=1e-5, atol=1e-6)


@every_aggregator
def test_order_matters_only_where_it_should(name: str, options: dict[str, Any]) -> None:
    aggregator = build(name, options)
    features, mask, pts = clips((6,))
    forwards = aggregator(features, mask, pts)
    backwards = aggregator(features.flip(1), mask, pts)
    assert (not torch.allclose(forwards, backwards, rtol=1e-4, atol=1e-5)) is (name in KNOWS_ORDER)


@every_aggregator
def test_an_empty_clip_gives_finite_numbers(name: str, options: dict[str, Any]) -> None:
    aggregator = build(name, options)
    features, mask, pts = clips((6, 0))
    features.requires_grad_()
    output = aggregator(features, mask, pts)
    output.sum().backward()
    assert torch.isfinite(output).all()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in aggregator.parameters() if p.grad is not None)


@every_aggregator
def test_gradients_reach_every_parameter(name: str, options: dict[str, Any]) -> None:
    aggregator = build(name, options)
    features, mask, pts = clips()
    features.requires_grad_()  # the mean has no parameters
    # weights that do not sum to a constant, as a plain sum after LayerNorm would
    (aggregator(features, mask, pts) * torch.randn(3, aggregator.output_dim)).sum().backward()
    without = [n for n, p in aggregator.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@every_aggregator
@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_features_of_any_scale_stay_finite(name: str, options: dict[str, Any], scale: float) -> None:
    features, mask, pts = clips()
    aggregator = build(name, options)
    features = (features * scale).requires_grad_()
    output = aggregator(features, mask, pts)
    output.sum().backward()
    assert torch.isfinite(output).all()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


@every_aggregator
def test_state_round_trip(name: str, options: dict[str, Any]) -> None:
    source, target = build(name, options), build(name, options)
    for parameter in target.parameters():
        nn.init.zeros_(parameter)
    target.load_state_dict(source.state_dict())
    assert torch.equal(source(*clips()), target(*clips()))


def test_mean_and_max_are_what_their_names_say() -> None:
    features, mask, pts = clips((6, 4))
    torch.testing.assert_close(build("mean", {})(features, mask, pts)[1], features[1, :4].mean(dim=0))
    assert torch.equal(build("max", {})(features, mask, pts)[1], features[1, :4].max(dim=0).values)
    negative = -features.abs() - 1
    assert (build("max", {})(negative, mask, pts) < 0).all()


def test_attention_is_the_formula() -> None:
    aggregator: Any = build("attention", SMALL["attention"])
    features, mask, pts = clips((6, 4))
    clip = features[1, :4].double()
    normed = torch.nn.functional.layer_norm(clip, (D,))
    content, gate = aggregator.content.double(), aggregator.gate.double()
    logits = (torch.tanh(content(normed)) * torch.sigmoid(gate(normed))) @ aggregator.weigh.double().weight[0]
    expected = logits.exp() / logits.exp().sum() @ clip
    aggregator.float()
    torch.testing.assert_close(aggregator(features, mask, pts)[1], expected.float(), rtol=1e-5, atol=1e-6)
    shares = aggregator.weights(features, mask)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(2))
    assert (shares[~mask] == 0).all()


def test_lstm_equals_one_direction_at_a_time() -> None:
    """Oracle: run each clip alone, forwards and reversed, through the same weights."""
    aggregator: Any = build("lstm", SMALL["lstm"])
    features, mask, pts = clips((6, 4))
    clip = aggregator.feature_norm(features[1:2, :4])
    states = []
    for suffix, sequence in (("", clip), ("_reverse", clip.flip(1))):
        single = nn.LSTM(D, 8, batch_first=True)
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(single, f"{kind}_l0").data.copy_(getattr(aggregator.lstm, f"{kind}_l0{suffix}").data)
        states.append(single(sequence)[1][0][-1])
    expected = torch.cat(states, dim=1)
    torch.testing.assert_close(aggregator(features, mask, pts)[1:2], expected, rtol=1e-5, atol=1e-6)


def test_convolution_sees_as_far_as_it_says() -> None:
    aggregator: Any = AGGREGATORS.build("temporal_convolution", feature_dim=D, width=8, depth=2, kernel=3).eval()
    length, middle = 15, 7
    features = torch.randn(1, length, D, requires_grad=True)
    mask = torch.ones(1, length, dtype=torch.bool)
    tokens = aggregator.project(aggregator.feature_norm(features))
    for block in aggregator.blocks:
        tokens = block(tokens, mask)
    tokens[0, middle].sum().backward()
    assert features.grad is not None
    seen = features.grad[0].abs().sum(dim=1).nonzero().squeeze(1)
    reach = (3 - 1) * (2**2 - 1) // 2  # docstring: 1 + (kernel - 1)(2^depth - 1) frames in all
    assert seen.tolist() == list(range(middle - reach, middle + reach + 1))


def test_seconds_and_frames_differ_in_what_they_see() -> None:
    features, mask, pts = clips((6,))
    for positions in ("sinusoidal", "learned"):
        in_seconds = build("transformer", {**SMALL["transformer"], "positions": positions, "time_unit": "seconds"})
        in_frames = build("transformer", {**SMALL["transformer"], "positions": positions, "time_unit": "frames"})
        assert not torch.allclose(in_seconds(features, mask, pts), in_seconds(features, mask, 3 * pts), atol=1e-6)
        assert torch.equal(in_frames(features, mask, pts), in_frames(features, mask, 3 * pts))


def test_seconds_at_the_stated_rate_are_frames() -> None:
    """Frames 1/25 s apart, 25 positions per second: both units give the same positions."""
    features, mask, pts = clips((6,))
    small = SMALL["transformer"]
    in_seconds = build("transformer", {**small, "time_unit": "seconds", "positions_per_second": 25.0})
    in_frames = build("transformer", {**small, "time_unit": "frames"})(features, mask, pts)
    torch.testing.assert_close(in_seconds(features, mask, pts), in_frames, rtol=1e-4, atol=1e-5)


def test_differences_are_of_neighbours_inside_the_clip() -> None:
    aggregator: Any = build("transformer", {**SMALL["transformer"], "frame_difference": True})
    features, mask, pts = clips((6, 4, 1))
    tokens, token_mask = aggregator._tokens(features, mask, pts)
    assert tokens.shape[1] == 1 + T + (T - 1)
    assert token_mask.sum(dim=1).tolist() == [1 + 6 + 5, 1 + 4 + 3, 1 + 1 + 0]
    still = features[:, :1].expand_as(features)
    moving, _ = aggregator._tokens(still, mask, pts)
    middle = (pts[:, 1:] + pts[:, :-1]) / 2
    bias = aggregator.project_difference.bias + aggregator.positions(torch.zeros_like(middle), middle)
    torch.testing.assert_close(moving[:, 1 + T :], bias, rtol=1e-5, atol=1e-6)


def test_one_frame_has_no_difference_token() -> None:
    aggregator = build("transformer", {**SMALL["transformer"], "frame_difference": True})
    output = aggregator(torch.randn(2, 1, D), torch.ones(2, 1, dtype=torch.bool), torch.zeros(2, 1))
    assert torch.isfinite(output).all()


def test_more_frames_than_learned_positions_is_an_error() -> None:
    aggregator = build("transformer", {**SMALL["transformer"], "positions": "learned", "time_unit": "frames"})
    features = torch.randn(1, T + 1, D)
    with pytest.raises(ValueError, match=f"{T + 1} frames, but positions were learned for {T}"):
        aggregator(features, torch.ones(1, T + 1, dtype=torch.bool), torch.zeros(1, T + 1))


def test_stochastic_depth_grows_and_has_its_rate() -> None:
    """A block that always adds 1 per branch, in training: kept branches are scaled by 1 / (1 - rate)."""
    aggregator = TemporalTransformer(feature_dim=D, width=8, heads=1, depth=3, dropout=0.0, stochastic_depth=0.4)
    rates = [block.drop_path.p for block in aggregator.blocks]  # type: ignore[union-attr]
    assert rates == pytest.approx([0.0, 0.2, 0.4])
    torch.manual_seed(0)
    block: Any = aggregator.blocks[2]
    for branch in (block.attention.output, block.mlp[3]):
        nn.init.zeros_(branch.weight)
        nn.init.ones_(branch.bias)
    count = 20_000
    tokens, mask = torch.zeros(count, 1, 8), torch.ones(count, 1, dtype=torch.bool)
    added = block.train()(tokens, mask)
    kept = added * (1 - 0.4)
    assert set(kept.round(decimals=4).unique().tolist()) == {0.0, 1.0, 2.0}
    assert (kept == kept[:, :, :1]).all()  # a branch is dropped for a whole clip
    mean, deviation = added[:, 0, 0].mean().item(), (2 * 0.4 / 0.6 / count) ** 0.5
    assert abs(mean - 2.0) < 5 * deviation
    dropped = (kept[:, 0, 0] == 0).float().mean().item()
    assert abs(dropped - 0.16) < 5 * (0.16 * 0.84 / count) ** 0.5
    assert torch.equal(block.eval()(tokens, mask), torch.full_like(tokens, 2.0))


def test_transformer_attends_like_torchs_own() -> None:
    """Oracle: torch's TransformerEncoderLayer (pre-norm, GELU) with the same weights."""
    aggregator = TemporalTransformer(feature_dim=D, width=8, heads=2, depth=1, mlp_ratio=2.0).eval()
    block: Any = aggregator.blocks[0]
    oracle = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True, norm_first=True).eval()
    pairs = {
        "self_attn.in_proj_": block.attention.queries_keys_values,
        "self_attn.out_proj.": block.attention.output,
        "linear1.": block.mlp[0],
        "linear2.": block.mlp[3],
        "norm1.": block.attention_norm,
        "norm2.": block.mlp_norm,
    }
    oracle.load_state_dict(
        {f"{key}{kind}": getattr(m, kind) for key, m in pairs.items() for kind in ("weight", "bias")}
    )
    tokens, mask = torch.randn(3, 5, 8), torch.arange(5) < torch.tensor([[5], [3], [1]])
    expected = oracle(tokens, src_key_padding_mask=~mask)
    torch.testing.assert_close(block(tokens, mask)[mask], expected[mask], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("transformer", {"width": 9, "heads": 3}, "width is 9"),
        ("transformer", {"width": 16, "heads": 3}, "divisible"),
        ("transformer", {"depth": 0}, "depth is 0"),
        ("transformer", {"mlp_ratio": 0.0}, "mlp_ratio"),
        ("transformer", {"dropout": 1.0}, "dropout is 1.0"),
        ("transformer", {"stochastic_depth": -0.1}, "stochastic_depth"),
        ("transformer", {"time_unit": "minutes"}, "time_unit"),
        ("transformer", {"span_seconds": 0.0}, "span_seconds"),
        ("temporal_convolution", {"kernel": 4}, "kernel is 4"),
        ("temporal_convolution", {"depth": 99}, "depth 99"),
        ("temporal_convolution", {"dropout": 2.0}, "dropout"),
        ("lstm", {"hidden": 0}, "hidden is 0"),
        ("lstm", {"dropout": 1.5}, "dropout"),
        ("attention", {"hidden": 0}, "hidden is 0"),
    ],
)
def test_options_out_of_range_are_named(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        AGGREGATORS.build(name, feature_dim=D, **options)


def test_shapes_that_do_not_fit_are_refused() -> None:
    features, mask, pts = clips()
    with pytest.raises(ValueError, match="do not fit"):
        build("mean", {})(features, mask[:, :-1], pts)


def test_rows_say_what_they_are() -> None:
    for row in AGGREGATORS:
        assert row.summary
        assert row.source
