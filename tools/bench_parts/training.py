"""Training: clips per second end to end and on cached features; the clip store's size and read rate."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from table import Table


def make_store(folder: Path, *, recordings: int = 8, seconds: float = 3.0) -> Path:
    """Clips of the animated portrait, at the default settings but closer together."""
    from vidfake.data.manifest import records_from_paths
    from vidfake.data.prepare import prepare
    from vidfake.demo.media import record_portrait
    from vidfake.settings import ExtractSettings

    paths = record_portrait(folder, count=recordings, seconds=seconds, report=lambda stage, done, total: None)
    records = [replace(r, label=0, split="train") for r in records_from_paths(paths)]
    prepare(records, folder / "store", ExtractSettings(clip_interval_seconds=0.7), workers=0)
    return folder / "store"


def steps_per_second(store: Path, out: Path, *, cached: bool) -> tuple[float, float]:
    """Seconds of one epoch of training, and clips per second, without start-up and validation."""
    import torch

    from vidfake.data.store import ClipStore
    from vidfake.losses import LossContext
    from vidfake.losses.combine import build_loss
    from vidfake.models.detector import build_detector
    from vidfake.settings import DataSettings, EncoderSettings, ModelSettings, OptimSettings, RunConfig
    from vidfake.train.batches import build_feeder
    from vidfake.train.data import build_data
    from vidfake.train.distributed import World
    from vidfake.train.module import TrainingModule

    config = RunConfig(
        out=str(out),
        extract=ClipStore(store).settings,
        data=DataSettings(
            store=str(store), makers=("self_blend",), workers=0 if cached else 1, cache_features=cached,
            augment=() if cached else ("flip", "colour", "jpeg"),
        ),
        model=ModelSettings(encoder=EncoderSettings(weights="none", frozen=cached)),
        optim=OptimSettings(batch_size=8),
    )  # fmt: skip
    data = build_data(config)
    detector = build_detector(config.model, num_frames=config.extract.num_frames)
    loss = build_loss(config.loss, num_classes=2, embedding_dim=detector.embedding_dim)
    module = TrainingModule(detector, loss, task="binary", frame_loss_weight=0.5).train()
    feeder = build_feeder(config, data, detector, loss, World(), lambda stage, done, total: None)
    optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad])
    clips, start = 0, 0.0
    for number, batch in enumerate(b for epoch in range(40) for b in feeder.training_batches(epoch, 0)):
        if number == 1:  # the first batch pays for start-up
            start = time.perf_counter()
        optimizer.zero_grad()
        module(batch, LossContext()).total.backward()
        optimizer.step()
        clips += len(batch) if number >= 1 else 0
        if number >= 1 and time.perf_counter() - start > 20:
            break
    seconds = time.perf_counter() - start
    return seconds, clips / seconds


def store_figures(store: Path) -> list[list[object]]:
    """Size per clip and read rates of a clip store."""
    from vidfake.data.store import ClipStore

    opened = ClipStore(store)
    size = sum(p.stat().st_size for p in store.rglob("*") if p.is_file())
    rows: list[list[object]] = [["size per clip of 16 faces", f"{size / len(opened.clips) / 1000:.0f} kB"]]
    for name, read in (
        ("read and verified", opened.read_encoded),
        ("read, verified and decoded", opened.read_faces),
    ):
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < 5:
            for clip in opened.clips:
                read(clip)
                count += 1
        rows.append([name, f"{count / (time.perf_counter() - start):.0f} clips/s"])
    return rows


def run() -> list[Table]:
    """All of it, in one temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        store = make_store(Path(name))
        _, end_to_end = steps_per_second(store, Path(name), cached=False)
        _, cached = steps_per_second(store, Path(name), cached=True)
        rows = store_figures(store)
    return [
        Table(
            "Training, MobileNetV2 at 224 px, clips of 16 frames, batches of 8",
            ["what", "clips/s"],
            [["end to end: read, fakes made, augmented, encoder trained", end_to_end],
             ["frozen encoder, cached features: transformer and head trained", cached],
             ["ratio", cached / end_to_end]],
        ),
        Table("Clip store", ["what", "figure"], rows),
    ]  # fmt: skip
