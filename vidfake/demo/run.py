"""The demo: prepare, train, score and evaluate on small media, ending with the files to look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vidfake.demo.media import DemoMedia, make_media, own_videos, record_portrait
from vidfake.settings import (
    AggregatorSettings,
    DataSettings,
    EncoderSettings,
    ExtractSettings,
    ModelSettings,
    OptimSettings,
    RunConfig,
)

Report = Callable[[str, int, int | None], None]
MAKER = "self_blend"


def demo_media(out: Path, data: Path | None, *, recordings: int, seconds: float, report: Report) -> DemoMedia:
    """Make the demo's videos under `out`; a second run finds them there."""
    if data is None:
        paths = record_portrait(out, count=recordings, seconds=seconds, report=report)
    else:
        paths = own_videos(data, most=recordings)
    return make_media(out, paths, maker=MAKER, report=report)


def demo_config(out: Path, *, epochs: int) -> RunConfig:
    """A short run: a MobileNetV2 at 128 pixels, a small transformer, plain cross-entropy."""
    return RunConfig(
        name="demo",
        out=str(out / "runs"),
        extract=ExtractSettings(num_frames=8, clip_interval_seconds=0.8),
        data=DataSettings(store=str(out / "store"), augment=("flip", "colour", "jpeg"), workers=0),
        model=ModelSettings(
            encoder=EncoderSettings(name="mobilenet_v2", weights="imagenet", input_size=128),
            aggregator=AggregatorSettings(name="transformer", options={"depth": 1, "width": 128}),
            embedding_dim=64,
        ),
        optim=OptimSettings(epochs=epochs, batch_size=8),
    )
