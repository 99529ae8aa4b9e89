"""The accelerator says what the processor says."""

from __future__ import annotations

import pytest
import torch

from vidfake.losses import LOSSES
from vidfake.models import build_detector
from vidfake.settings import EncoderSettings, ModelSettings


@pytest.mark.gpu
def test_embeddings_frame_logits_and_loss_agree_with_the_cpu() -> None:
    torch.manual_seed(0)
    settings = ModelSettings(encoder=EncoderSettings(weights="none", input_size=96))
    detector = build_detector(settings, num_frames=4).eval()
    frames = torch.randint(0, 255, (2, 4, 3, 96, 96), dtype=torch.uint8)
    mask, pts = torch.ones(2, 4, dtype=torch.bool), torch.arange(4).expand(2, 4) / 25
    loss = LOSSES.build("arcface", num_classes=2, embedding_dim=detector.embedding_dim)
    labels = torch.tensor([0, 1])
    with torch.no_grad():
        cpu = detector(frames, mask, pts)
        cpu_loss = loss(cpu.embeddings, labels)
        there = detector.cuda()(frames.cuda(), mask.cuda(), pts.cuda())
        cuda_loss = loss.cuda()(there.embeddings, labels.cuda())
    assert torch.allclose(cpu.embeddings, there.embeddings.cpu(), atol=1e-2)
    assert torch.allclose(cpu.frame_logits, there.frame_logits.cpu(), atol=1e-2)
    assert abs(float(cpu_loss) - float(cuda_loss)) < 1e-2
