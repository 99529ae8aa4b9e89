"""Training and validation clips of a study, from its store. Tests are made elsewhere (`study.tests_data`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from vidfake.data.clips import ClipDataset
from vidfake.data.features import Encode
from vidfake.data.items import UNNAMED_FAKE, class_names_of
from vidfake.data.store import ClipStore
from vidfake.errors import ConfigError
from vidfake.models.checkpoint import load_checkpoint
from vidfake.models.detector import build_detector
from vidfake.settings import DataSettings, RunConfig
from vidfake.study.definition import StudyData, StudyDefinition
from vidfake.synth import MAKERS
from vidfake.synth.compose import is_maker
from vidfake.train.batches import frozen_encoder
from vidfake.train.data import build_makers, split_records
from vidfake.types import FAKE, REAL, VideoRecord

TRAINING, IN_DOMAIN, HELD_OUT = "training", "in_domain", "held_out"


@dataclass(frozen=True)
class StudyClips:
    """Datasets as evaluation sees them. `class_names` are training's, ``real`` first; `held_out` is None where the
    study names no held-out fakes for validation. The class lists of validation may be longer."""

    store: ClipStore
    config: RunConfig
    class_names: tuple[str, ...]
    training: ClipDataset
    in_domain: ClipDataset
    held_out: ClipDataset | None

    def datasets(self) -> dict[str, ClipDataset]:
        """By name."""
        found = {TRAINING: self.training, IN_DOMAIN: self.in_domain}
        return found if self.held_out is None else {**found, HELD_OUT: self.held_out}


def open_clips(study: StudyDefinition) -> StudyClips:
    """The datasets of training and validation. Raises ConfigError when there is nothing to learn from or to choose
    by, or a held-out name is neither a maker nor a manipulation of the store."""
    data = study.data
    if not data.store:
        raise ConfigError(
            "data.store is empty: name the clip store that `vidfake prepare` made (--set data.store=…)."
        )
    store = ClipStore(data.store)
    base = study.base_config(variant=study.variants[0].name if study.variants else "")
    config = replace(base, extract=store.settings, data=data_settings(base, data), seed=data.split_seed)
    train, validation = split_records(config, store)
    held_makers = [name for name in data.validation_held_out if is_maker(name)]
    held_stored = set(data.validation_held_out) - set(held_makers)
    stored = {manipulation_of(r) for r in (*train, *validation) if r.label == FAKE}
    if held_stored - stored:
        raise ConfigError(
            f"data.validation_held_out has {sorted(held_stored - stored)}; it takes makers "
            f"({', '.join(MAKERS.names())}) or manipulations of the store ({', '.join(sorted(stored)) or 'none'})."
        )
    train = [r for r in train if r.label == REAL or manipulation_of(r) not in held_stored]
    own = [r for r in validation if r.label == REAL or manipulation_of(r) not in held_stored]
    other = [r for r in validation if r.label == REAL or manipulation_of(r) in held_stored]
    names = class_names_of(train, list(data.makers))
    for role, records in (("training", train), ("validation", own)):
        _check_both(role, records, data.makers)

    def dataset(records: Sequence[VideoRecord], makers: Iterable[str]) -> ClipDataset:
        return make_dataset(
            store, records, makers, names, seed=data.split_seed, most=data.max_clips_per_video,
            options=config.data.maker_options,
        )  # fmt: skip

    return StudyClips(
        store=store,
        config=config,
        class_names=names,
        training=dataset(train, data.makers),
        in_domain=dataset(own, data.makers),
        held_out=dataset(other, held_makers) if data.validation_held_out else None,
    )


def data_settings(config: RunConfig, data: StudyData) -> DataSettings:
    """The run's settings of data, with the study's store and splits."""
    return replace(
        config.data,
        store=data.store,
        train_split=data.train_split,
        validation_split=data.validation_split,
        validation_fraction=data.validation_fraction,
    )


def make_dataset(
    store: ClipStore,
    records: Sequence[VideoRecord],
    makers: Iterable[str],
    class_names: Sequence[str],
    *,
    seed: int,
    most: int = 0,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> ClipDataset:
    """Clips of the records, and fakes made of the real ones; up to `most` clips of a video, evenly spread.

    Classes that training does not know come after those it does. Fakes that would equal their real are left out.
    """
    built = build_makers(makers, options)
    extra = [n for n in class_names_of(records, list(built)) if n not in class_names]
    dataset = ClipDataset(store, records=records, class_names=(*class_names, *extra), makers=built, seed=seed)
    if most:
        kept = _spread(dataset, most)
        dataset.items = [item for item in dataset.items if id(item.clip) in kept]
    dataset.drop_unmade()
    return dataset


def _spread(dataset: ClipDataset, most: int) -> set[int]:
    """Stored clips to keep: the first, the last and evenly between, of each video (and of what is made of it)."""
    clips: dict[str, dict[int, None]] = {}
    for item in dataset.items:
        clips.setdefault(item.clip.video.video_id, {})[id(item.clip)] = None
    kept: set[int] = set()
    for found in clips.values():
        places = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int))
        names = list(found)
        kept.update(names[place] for place in places)
    return kept


def manipulation_of(record: VideoRecord) -> str:
    """The class of a fake's record."""
    return record.manipulation or UNNAMED_FAKE


def _check_both(role: str, records: Sequence[VideoRecord], makers: Sequence[str]) -> None:
    reals, fakes = (sum(r.label == label for r in records) for label in (REAL, FAKE))
    if not reals or not (fakes or makers):
        raise ConfigError(
            f"{role} has {reals} real and {fakes} fake videos and {len(makers)} makers; it takes both. "
            "Add videos, or makers (data.makers)."
        )


def study_encoder(study: StudyDefinition, config: RunConfig) -> tuple[Encode, dict[str, Any]]:
    """The frozen encoder behind all features: of a trained detector, or as config.model.encoder says."""
    if study.data.encoder_checkpoint:
        loaded = load_checkpoint(study.data.encoder_checkpoint)
        loaded.detector.encoder.freeze()
        name = loaded.config.model.encoder.name
        encode, facts = frozen_encoder(loaded.detector, torch.device("cpu"), name=name)
        return encode, {**facts, "checkpoint": loaded.sha256}
    detector = build_detector(config.model, num_frames=config.extract.num_frames)
    detector.encoder.freeze()
    return frozen_encoder(detector, torch.device("cpu"), name=config.model.encoder.name)
