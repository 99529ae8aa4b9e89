"""From a trained run to what ships: as small as keeps its scores, nothing that scoring does not need, described."""

from __future__ import annotations

import datetime
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vidfake.config import load, to_dict
from vidfake.data.batch import ClipBatch, ClipItem, collate
from vidfake.default.card import DataUsed, ModelCard, TrainingFacts, Weights, read_card, write_card
from vidfake.default.shipped import MAX_BYTES
from vidfake.errors import CheckpointError, ConfigError
from vidfake.files import sha256_file
from vidfake.inference.load import LoadedDetector, load_detector
from vidfake.models.checkpoint import LoadedCheckpoint, load_checkpoint, save_checkpoint
from vidfake.models.checkpoint_files import JSON_NAME, TENSORS_NAME
from vidfake.settings import RunConfig

PARITY_CLIPS = 16
MAX_RELATIVE_DIFFERENCE = 0.02
"""Largest |a - b| / (1 + |b|) of scores a in half and b in single precision."""


@dataclass(frozen=True)
class Parity:
    """Largest difference of clip and of frame scores between half and single precision, and the relative one."""

    clip_difference: float
    frame_difference: float
    relative: float


@dataclass(frozen=True)
class CardFields:
    """What only people know about a detector: the part of its card that is written by hand (a .toml file)."""

    licence: str = ""
    date: str = ""
    summary: str = ""
    intended_use: tuple[str, ...] = ()
    not_for: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()
    data: tuple[DataUsed, ...] = ()
    command: str = ""
    hardware: str = ""
    minutes: float | None = None


def read_fields(path: Path) -> CardFields:
    """The hand-written part of a card from a .toml file. Raises ConfigError for unknown keys or wrong types."""
    return load(CardFields, path)


def with_fields(card: ModelCard, fields: CardFields) -> ModelCard:
    """The card with those hand-written parts that `fields` gives; the others stay."""
    given = {name: value for name, value in vars(fields).items() if value}
    training = {name: given.pop(name) for name in ("command", "hardware", "minutes") if name in given}
    return replace(card, training=replace(card.training, **training), **given)


def ship(
    run: Path,
    out: Path,
    *,
    fields: CardFields | None = None,
    data: tuple[DataUsed, ...] = (),
    is_trial: bool = False,
) -> tuple[ModelCard, Parity]:
    """Write the shippable form of RUN (a run folder or a checkpoint) to the folder `out`, with its model card.

    Only the selected read-out goes along; paths and the rest of the run stay behind. `data` describes the training
    data where `fields` does not; `is_trial` lets weights without thresholds pass, which nobody will use. The card
    keeps the measured figures of a card that `out` has for the very same weights (`figures.add_figures` adds some).
    Half precision where it scores alike (within `MAX_RELATIVE_DIFFERENCE`), else single precision.

    Raises CheckpointError when the checkpoint has no calibration or thresholds or is too large; StorageError when
    `out` cannot be written.
    """
    before = read_card(out)
    best = run / "best.vidfake"
    source = load_checkpoint(best if best.is_dir() else run)
    _check_complete(source, is_trial)
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "trial.vidfake"
        _save(source, trial, half=True)
        parity = compare(load_detector(trial), load_detector(source.path))
        half = parity.relative <= MAX_RELATIVE_DIFFERENCE
        if not half:
            _save(source, trial, half=False)
        _check_size(trial)
    sha256 = _save(source, out, half=half)
    card = _card(source, sha256, out, parity, data, half=half)
    card = with_fields(card, fields or CardFields())
    if before is not None and before.weights.sha256 == sha256:
        card = replace(
            card, measured=before.measured, verdicts=before.verdicts, parts=before.parts,
            measured_with=before.measured_with,
        )  # fmt: skip
    write_card(out, card)
    return card, parity


def _check_complete(source: LoadedCheckpoint, is_trial: bool) -> None:
    for what, there in (("calibration", source.calibration), ("thresholds", source.extra.get("thresholds"))):
        if not there and not is_trial:
            raise CheckpointError(
                f"{source.path}: has no {what}, so its verdicts would mean nothing. Ship a finished run whose "
                "validation has both classes and enough videos."
            )
    if source.extract.detector_weights is not None:
        raise ConfigError(
            f"{source.path}: needs the face detector file {source.extract.detector_weights}, which does not ship. "
            "Train without extract.detector_weights."
        )


def _save(source: LoadedCheckpoint, out: Path, *, half: bool) -> str:
    readout = str(source.extra["readout"])
    extra: dict[str, Any] = {
        key: source.extra[key]
        for key in ("readout", "thresholds", "threshold", "num_training_classes", "training_datasets",
                    "training_sources")
        if key in source.extra
    }  # fmt: skip
    return save_checkpoint(
        out,
        detector_state=source.detector.state_dict(),
        config=without_paths(source.config),
        class_names=source.class_names,
        extract=source.extract,
        loss_state=source.loss_state,
        readout_state={k: v for k, v in source.readout_state.items() if k.startswith(f"{readout}.")},
        calibration=source.calibration,
        metrics=source.metrics,
        extra={**extra, "shipped_from": source.sha256, "trained_with": source.versions},
        half=half,
    )


def without_paths(config: RunConfig) -> RunConfig:
    """The config as it can be published: no folder or file of the machine it ran on."""
    encoder = config.model.encoder
    if encoder.weights not in ("imagenet", "none"):
        encoder = replace(encoder, weights="none")
    return replace(
        config,
        out="runs",
        data=replace(config.data, store=""),
        model=replace(config.model, encoder=encoder),
        loss=replace(config.loss, teacher=""),
    )


def _check_size(folder: Path) -> None:
    size = sum(path.stat().st_size for path in folder.iterdir())
    if size > MAX_BYTES:
        raise CheckpointError(
            f"{folder.name}: {size / 1e6:.1f} MB; at most {MAX_BYTES / 1e6:.0f} MB ship. Train a smaller encoder "
            "or aggregator."
        )


def _card(
    source: LoadedCheckpoint, sha256: str, out: Path, parity: Parity, data: tuple[DataUsed, ...], *, half: bool
) -> ModelCard:
    config = without_paths(source.config)
    return ModelCard(
        name=config.name,
        weights=Weights(
            sha256=sha256,
            num_bytes=sum((out / name).stat().st_size for name in (TENSORS_NAME, JSON_NAME)),
            encoder=config.model.encoder.name,
            aggregator=config.model.aggregator.name,
            loss=config.loss.name,
            readout=str(source.extra["readout"]),
            source_sha256=source.sha256,
            max_relative_difference=parity.relative,
            precision="half" if half else "single",
        ),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        data=data,
        training=TrainingFacts(config=to_dict(config)),
        thresholds=dict(source.extra.get("thresholds") or {}),
        validation=dict(source.metrics),
    )


def compare(half: LoadedDetector, single: LoadedDetector) -> Parity:
    """Both detectors on the same random clips, half of them noise, half of them smooth."""
    batch = random_clips(single.checkpoint.extract.crop_size, single.checkpoint.extract.num_frames)
    a, b = half.scorer(batch), single.scorer(batch)
    pairs: list[tuple[Any, Any]] = [(a.clip_scores, b.clip_scores), (a.frame_scores, b.frame_scores)]
    clip, frame = (float(np.abs(x - y).max()) for x, y in pairs)
    return Parity(clip, frame, max(float((np.abs(x - y) / (1 + np.abs(y))).max()) for x, y in pairs))


def random_clips(side: int, num_frames: int, *, number: int = PARITY_CLIPS, seed: int = 0) -> ClipBatch:
    """`number` clips of random colours, every second one smooth, as a face is. Equal seeds give equal clips."""
    import cv2

    rng = np.random.default_rng(seed)
    items = []
    for index in range(number):
        size = side if index % 2 else 6
        faces = [
            cv2.resize(rng.integers(0, 256, (size, size, 3), dtype=np.uint8), (side, side))
            for _ in range(num_frames)
        ]
        items.append(
            ClipItem(
                faces=np.stack(faces), features=None, pts_seconds=np.arange(num_frames) / 25, length=num_frames,
                label=0, class_label=0, video_id="", source_id="", dataset="", compression="", track_id=0,
                clip_index=index,
            )
        )  # fmt: skip
    return collate(items)


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that ships, by name."""
    return {path.name: sha256_file(path) for path in sorted(folder.iterdir())}
