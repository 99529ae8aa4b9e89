"""The detector as a whole: shapes, masks, gradients, parameter groups."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from vidfake.errors import ConfigError, UnknownNameError
from vidfake.models import Detector, build_detector
from vidfake.models.detector import spread_tokens
from vidfake.settings import AggregatorSettings, EncoderSettings, ModelSettings

SIZE = 64


def settings(**changes: Any) -> ModelSettings:
    encoder = EncoderSettings(name="mobilenet_v3_small", weights="none", input_size=SIZE)
    values = {"encoder": encoder, "aggregator": AggregatorSettings(options={"width": 32}), "embedding_dim": 8}
    return ModelSettings(**{**values, **changes})


def batch(lengths: tuple[int, ...] = (4, 2), *, size: int = SIZE) -> tuple[Tensor, Tensor, Tensor]:
    """uint8 frames, mask and times of clips with these many frames, padded to the longest."""
    longest = max(lengths)
    frames = torch.randint(0, 256, (len(lengths), longest, 3, size, size), dtype=torch.uint8)
    steps = torch.arange(longest).expand(len(lengths), longest)
    last = torch.tensor(lengths).unsqueeze(1)
    return frames, steps < last, torch.minimum(steps, last - 1) * 0.04


@pytest.fixture
def detector() -> Detector:
    torch.manual_seed(0)
    return build_detector(settings(), num_frames=4)


def test_shapes_and_types(detector: Detector) -> None:
    frames, mask, pts = batch()
    output = detector(frames, mask, pts)
    assert output.embeddings.shape == (2, 8)
    assert output.frame_logits.shape == (2, 4)
    assert output.features.shape == (2, 4, detector.feature_dim) == (2, 4, 576)
    assert output.mask_logits is None
    assert all(part.dtype == torch.float32 for part in output[:3])
    assert detector.embedding_dim == 8
    assert detector.norm_can_vary


def test_encode_then_aggregate_is_forward(detector: Detector) -> None:
    detector.eval()
    frames, mask, pts = batch()
    whole = detector(frames, mask, pts)
    features = detector.encode(frames, mask)
    for a, b in zip(whole[:3], detector.aggregate(features, mask, pts)[:3], strict=True):
        assert torch.equal(a, b)
    without_mask = detector.encode(frames)
    torch.testing.assert_close(without_mask[mask], features[mask])


@pytest.mark.parametrize("training", [False, True])
def test_padding_content_changes_nothing(detector: Detector, training: bool) -> None:
    detector.train(training)
    frames, mask, pts = batch((4, 2))
    noisy = frames.clone()
    noisy[~mask] = 255 - noisy[~mask]
    outputs, buffers = [], []
    for pixels in (frames, noisy):
        state = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
        torch.manual_seed(1)
        outputs.append(detector(pixels, mask, pts))
        buffers.append({name: tensor.clone() for name, tensor in detector.named_buffers()})
        detector.load_state_dict(state)
    for a, b in zip(*(output[:3] for output in outputs), strict=True):
        assert torch.equal(a, b)
    assert all(torch.equal(buffers[0][name], buffers[1][name]) for name in buffers[0])


def test_cached_features_may_hold_anything_in_the_padding(detector: Detector) -> None:
    detector.eval()
    _, mask, pts = batch()
    features = torch.randn(2, 4, detector.feature_dim)
    broken = features.masked_fill(~mask.unsqueeze(-1), float("nan"))
    for a, b in zip(
        detector.aggregate(features, mask, pts)[:3], detector.aggregate(broken, mask, pts)[:3], strict=True
    ):
        assert torch.equal(a, b)


def test_gradients_reach_everything_trainable(detector: Detector) -> None:
    output = detector(*batch())
    (output.embeddings.square().sum() + output.frame_logits.square().sum()).backward()
    without = [name for name, p in detector.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_embeddings_of_different_clips_differ_in_norm(detector: Detector) -> None:
    for norm in ("none", "batch"):
        model = build_detector(settings(embedding_norm=norm), num_frames=4).train()
        features = torch.randn(6, 4, model.feature_dim)
        everywhere = torch.ones(6, 4, dtype=torch.bool)
        norms = model.aggregate(features, everywhere, torch.zeros(6, 4)).embeddings.norm(dim=1)
        assert norms.std() > 0.01 * norms.mean()


def test_frozen_encoder_stays_as_it_is() -> None:
    encoder = EncoderSettings(name="mobilenet_v3_small", weights="none", input_size=SIZE, frozen=True)
    detector = build_detector(settings(encoder=encoder), num_frames=4)
    before = {name: tensor.clone() for name, tensor in detector.encoder.state_dict().items()}
    optimiser = torch.optim.SGD([p for group in detector.parameter_groups() for p in group.parameters], lr=0.1)
    detector.train()
    output = detector(*batch())
    assert not output.features.requires_grad
    (output.embeddings.sum() + output.frame_logits.sum()).backward()
    optimiser.step()
    after = detector.encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not detector.encoder.training
    assert detector.aggregator.training
    assert {group.part for group in detector.parameter_groups()} == {"new"}


def test_unfrozen_encoder_moves_its_statistics(detector: Detector) -> None:
    before = {name: tensor.clone() for name, tensor in detector.encoder.named_buffers()}
    detector.train()(*batch())
    assert any(not torch.equal(before[name], tensor) for name, tensor in detector.encoder.named_buffers())


def test_parameter_groups_partition_what_trains(detector: Detector) -> None:
    groups = detector.parameter_groups()
    names = [name for group in groups for name in group.names]
    assert sorted(names) == sorted(name for name, _ in detector.named_parameters())
    by_key = {(group.part, group.decay): group.names for group in groups}
    assert "aggregator.cls_token" in by_key["new", False]
    assert "embedding.0.weight" in by_key["new", True]
    assert "embedding.0.bias" in by_key["new", False]
    assert "aggregator.norm.weight" in by_key["new", False]
    assert all(name.startswith("encoder.") for name in by_key["encoder", True] + by_key["encoder", False])


def test_learned_positions_do_not_decay() -> None:
    options = {"width": 32, "positions": "learned", "frame_difference": True}
    detector = build_detector(settings(aggregator=AggregatorSettings(options=options)), num_frames=4)
    without_decay = [name for g in detector.parameter_groups() if not g.decay for name in g.names]
    assert "aggregator.positions.position_table" in without_decay


def test_autocast_leaves_embeddings_in_float32(detector: Detector) -> None:
    detector.eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = detector(*batch())
    assert output.embeddings.dtype == output.frame_logits.dtype == torch.float32
    assert torch.isfinite(output.embeddings).all()


def test_spread_tokens() -> None:
    tokens = torch.tensor([[[0.0], [1.0]], [[0.0], [1.0]]])
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    spread = spread_tokens(tokens, mask).squeeze(-1)
    # four frames, two tokens: frame centres at -0.25, 0.25, 0.75, 1.25 tokens; the ends are held
    torch.testing.assert_close(spread, torch.tensor([[0.0, 0.25, 0.75, 1.0], [0.0, 0.25, 0.0, 0.0]]))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"embedding_dim": 0}, ConfigError, "embedding_dim is 0"),
        ({"dropout": 1.0}, ConfigError, "dropout is 1.0"),
        ({"encoder": EncoderSettings(name="mobilenet_v1")}, UnknownNameError, "mobilenet_v2"),
        ({"encoder": EncoderSettings(weights="none", input_size=8)}, ConfigError, "input_size is 8"),
        ({"aggregator": AggregatorSettings(name="transfomer")}, UnknownNameError, "'transformer'"),
        ({"aggregator": AggregatorSettings(options={"widht": 8})}, ConfigError, "'width'"),
        ({"aggregator": AggregatorSettings(options={"width": 7})}, ConfigError, "width is 7"),
        ({"aggregator": AggregatorSettings(options={"depth": 10**9})}, ConfigError, "depth is"),
        ({"aggregator": AggregatorSettings(options={"positions": "rotary"})}, ConfigError, "sinusoidal"),
    ],
)
def test_bad_settings_are_named(change: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        build_detector(settings(**change))


@pytest.mark.parametrize("frames", [torch.zeros(2, 4, 8, 8, 3), torch.zeros(2, 3, 8, 8)])
def test_frames_of_the_wrong_shape_are_refused(detector: Detector, frames: Tensor) -> None:
    with pytest.raises(ValueError, match=r"\(B, T, 3, H, W\)"):
        detector.encode(frames)
