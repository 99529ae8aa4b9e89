"""The mask head: where it reads, when it speaks, and who cannot have one."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from vidfake.errors import ConfigError
from vidfake.models import build_detector
from vidfake.models.checkpoint import load_checkpoint, save_checkpoint
from vidfake.models.interfaces import ENCODERS
from vidfake.settings import AggregatorSettings, EncoderSettings, ModelSettings, RunConfig

WITH_MAPS = [row.name for row in ENCODERS if row.details.get("map_layer")]


def settings(encoder: str, *, size: int = 64, frozen: bool = False, weight: float = 1.0) -> ModelSettings:
    return ModelSettings(
        encoder=EncoderSettings(name=encoder, weights="none", input_size=size, frozen=frozen),
        aggregator=AggregatorSettings(name="mean"),
        mask_loss_weight=weight,
    )


@pytest.mark.parametrize("name", WITH_MAPS)
def test_reads_a_sixteenth_of_the_input(name: str) -> None:
    detector = build_detector(settings(name, size=96), num_frames=2).train()
    frames = torch.randint(0, 256, (2, 2, 3, 96, 96), dtype=torch.uint8)
    mask = torch.tensor([[True, True], [True, False]])
    output = detector(frames, mask, torch.zeros(2, 2))
    assert output.mask_logits is not None
    assert output.mask_logits.shape == (3, 6, 6), "the frame of the padding has none"
    output.mask_logits.sum().backward()
    first = next(detector.encoder.parameters())
    assert first.grad is not None
    assert first.grad.abs().sum() > 0, "the mask teaches the encoder"


def test_speaks_in_training_only_and_changes_no_score() -> None:
    torch.manual_seed(0)
    detector = build_detector(settings("mobilenet_v2"), num_frames=2).eval()
    frames, mask, pts = torch.rand(1, 2, 3, 64, 64), torch.ones(1, 2, dtype=torch.bool), torch.zeros(1, 2)
    with_head = detector(frames, mask, pts)
    assert with_head.mask_logits is None
    plain = build_detector(settings("mobilenet_v2", weight=0.0), num_frames=2).eval()
    plain.load_state_dict({k: v for k, v in detector.state_dict().items() if not k.startswith("mask_head.")})
    without = plain(frames, mask, pts)
    assert torch.equal(with_head.embeddings, without.embeddings)
    assert torch.equal(with_head.frame_logits, without.frame_logits)


def test_a_copy_reads_its_own_encoder() -> None:
    detector = build_detector(settings("mobilenet_v2"), num_frames=1).train()
    copied = copy.deepcopy(detector)
    frames, mask, pts = torch.rand(2, 1, 3, 64, 64), torch.ones(2, 1, dtype=torch.bool), torch.zeros(2, 1)
    with torch.no_grad():
        for parameter in copied.encoder.parameters():
            parameter.zero_()
        copied.mask_head.weight.fill_(1.0)  # type: ignore[union-attr]
        copied.mask_head.bias.fill_(0.25)  # type: ignore[union-attr, operator]
    logits = copied(frames, mask, pts).mask_logits
    assert logits is not None
    assert torch.equal(logits, torch.full_like(logits, 0.25))


def test_comes_back_from_a_checkpoint(tmp_path: Path) -> None:
    model = settings("mobilenet_v2")
    detector = build_detector(model, num_frames=16)
    save_checkpoint(
        tmp_path / "a.vidfake",
        detector_state=detector.state_dict(),
        config=RunConfig(model=model),
        class_names=("real", "fake"),
    )
    loaded = load_checkpoint(tmp_path / "a.vidfake").detector
    assert loaded.mask_head is not None
    assert detector.mask_head is not None
    assert torch.equal(loaded.mask_head.weight, detector.mask_head.weight)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (settings("swin_t"), r"encoder 'swin_t' has no map .*train one of: mobilenet_v2"),
        (settings("mobilenet_v2", frozen=True), "is frozen, and the mask teaches the encoder alone"),
        (settings("mobilenet_v2", weight=-1.0), r"mask_loss_weight is -1.0. It takes 0 or more"),
    ],
)
def test_what_is_refused(model: ModelSettings, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_detector(model, num_frames=2)
