"""Runs the command line in this process, and makes what it needs: a detector of random weights, drawn videos."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from vidfake.cli.main import main
from vidfake.losses.combine import build_loss
from vidfake.models.checkpoint import save_checkpoint
from vidfake.models.detector import build_detector
from vidfake.settings import AggregatorSettings, EncoderSettings, ExtractSettings, ModelSettings, RunConfig
from vidfake.video.writer import write_video

EXTRACT = ExtractSettings(crop_size=64, num_frames=4, min_frames=2)


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Outcome:
    """`vidfake ARGUMENTS`: exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "argv", ["vidfake", *map(str, arguments)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main()
    captured = capsys.readouterr()
    code = stop.value.code
    return Outcome(0 if code is None else int(code), captured.out, captured.err)


def write_checkpoint(folder: Path) -> Path:
    """A detector that never learnt what a fake is: ImageNet features, random heads. Random features would hardly
    differ from picture to picture, and tests of equal scores would pass for nothing."""
    torch.manual_seed(0)
    config = RunConfig(
        name="untrained",
        extract=EXTRACT,
        model=ModelSettings(
            encoder=EncoderSettings(name="efficientnet_lite0", input_size=64),
            aggregator=AggregatorSettings(name="mean"),
            embedding_dim=8,
        ),
    )
    detector = build_detector(config.model, num_frames=4)
    loss = build_loss(config.loss, num_classes=2, embedding_dim=8)
    save_checkpoint(
        folder / "untrained.vidfake",
        detector_state=detector.state_dict(),
        config=config,
        class_names=("real", "fake"),
        loss_state=loss.state_dict(),
        extra={"readout": "native"},
    )
    return folder / "untrained.vidfake"


def face_video(path: Path, *, frames: int = 20, seed: int = 0) -> Path:
    """The public-domain portrait that ships with scikit-image, animated."""
    from vidfake.demo.media import portrait
    from vidfake.faces.detect import build_detector as build_face_detector
    from vidfake.synth.animate import animate

    photo = portrait()
    face = build_face_detector(ExtractSettings()).detect(photo)[0]
    write_video(path, animate(photo, face, seed=seed, num_frames=frames, frame_rate=25, side=240), frame_rate=25)
    return path


def empty_video(path: Path, *, frames: int = 12, side: int = 64) -> Path:
    """A moving gradient: no face."""
    y, x = np.mgrid[:side, :side]
    pictures = ((np.stack([x, y, x + y], -1) * 2 + 3 * t).astype(np.uint8) for t in range(frames))
    write_video(path, pictures, frame_rate=25)
    return path
