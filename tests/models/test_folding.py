"""Folding BatchNorm changes nothing but the time."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vidfake.models import build_detector
from vidfake.models.folding import fold_batch_norms
from vidfake.settings import AggregatorSettings, EncoderSettings, ModelSettings


@pytest.mark.parametrize(
    ("name", "folded"),
    # MobileNetV2: 52 convolutions, each with a norm; Lite0: stem, last, and 3 per block but 2 in the first
    [("mobilenet_v2", 52), ("mobilenet_v3_small", 34), ("efficientnet_lite0", 49), ("resnet18", 3), ("swin_t", 0)],
)
def test_outputs_stay_equal(name: str, folded: int) -> None:
    torch.manual_seed(0)
    encoder = EncoderSettings(name=name, weights="none", input_size=64)
    settings = ModelSettings(encoder=encoder, aggregator=AggregatorSettings(options={"width": 16}), embedding_dim=4)
    detector = build_detector(settings, num_frames=3)
    frames = torch.randint(0, 256, (2, 3, 3, 64, 64), dtype=torch.uint8)
    mask = torch.tensor([[True] * 3, [True, False, False]])
    inputs = (frames, mask, torch.zeros(2, 3))
    for _ in range(3):
        detector.train()(*inputs)  # statistics and scales that differ from 0 and 1
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    expected = detector.eval()(*inputs)
    left = sum(isinstance(m, nn.BatchNorm2d) for m in detector.modules()) - folded
    faster = detector.prepare_for_inference()(*inputs)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in detector.modules()) == left
    for a, b in zip(expected[:3], faster[:3], strict=True):
        torch.testing.assert_close(b, a.detach(), rtol=1e-3, atol=1e-4)
    assert not any(p.requires_grad for p in detector.parameters())


def test_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="evaluation mode"):
        fold_batch_norms(nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)))
