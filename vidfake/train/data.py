"""What a run trains and validates on: splits of a clip store, fakes made on the fly, augmentation, batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vidfake.data.clips import ClipDataset
from vidfake.data.items import class_names_of
from vidfake.data.splits import split_by_source
from vidfake.data.store import ClipStore
from vidfake.data.transforms import Augment
from vidfake.errors import ConfigError
from vidfake.seeding import generator
from vidfake.settings import RunConfig
from vidfake.synth import MAKERS, AnyMaker
from vidfake.synth.compose import build_by_tables, parts_of
from vidfake.types import FAKE, REAL, VideoRecord

MASK_CELLS = 28  # along each side of a manipulation mask in a batch; a mask head's own grid is brought to from it


@dataclass(frozen=True)
class RunData:
    """Datasets of one run. `reference` are the training clips as evaluation sees them, for fitting read-outs.

    `class_names` lists the classes of training first, then those that only validation has;
    `num_training_classes` counts the former, ``real`` included. `num_left_out` fakes of validation would have
    equalled their real, and are not among its items.
    """

    store: ClipStore
    training: ClipDataset
    reference: ClipDataset
    validation: ClipDataset
    class_names: tuple[str, ...]
    num_training_classes: int
    num_left_out: int = 0


def build_data(config: RunConfig) -> RunData:
    """Open the store and make the datasets. Raises ConfigError when there is nothing to learn from."""
    settings = config.data
    if not settings.store:
        raise ConfigError(
            "data.store is empty: name the clip store that `vidfake prepare` made (--set data.store=…)."
        )
    store = ClipStore(settings.store, settings=config.extract)
    train, validation = split_records(config, store)
    check_options(config)
    makers = build_makers(settings.makers, settings.maker_options)
    validation_makers = build_makers(settings.validation_makers or settings.makers, settings.maker_options)
    _check_fakes("training", train, makers)
    _check_fakes("validation", validation, validation_makers)
    names = class_names_of(train, list(makers))
    extra = [n for n in class_names_of(validation, list(validation_makers)) if n not in names]
    class_names = (*names, *extra)
    augment = None
    if not settings.cache_features:
        augment = Augment(settings.augment, _options(settings.augment, settings.augment_options))
    frames = config.extract.num_frames
    training = ClipDataset(
        store, records=train, class_names=class_names, num_frames=training_frames(config), training=True,
        transform=augment, makers=makers, seed=config.seed,
        mask_cells=MASK_CELLS if config.model.mask_loss_weight > 0 else 0,
    )  # fmt: skip
    reference = ClipDataset(
        store, records=train, class_names=class_names, num_frames=frames, makers=makers, seed=config.seed
    )
    held_out = ClipDataset(
        store, records=validation, class_names=class_names, num_frames=frames, makers=validation_makers,
        seed=validation_seed(config), transform=degradations(config),
    )  # fmt: skip
    if settings.cache_features:  # otherwise few of them are read (`batches.build_feeder`)
        reference.drop_unmade()
    left_out = held_out.drop_unmade()
    if left_out and not any(item.label == FAKE for item in held_out.items):
        raise ConfigError(
            f"nothing visible changed in any of the {left_out} fakes of validation: its faces do not move enough "
            f"for {', '.join(validation_makers)}. Add makers that need no movement to data.validation_makers."
        )
    return RunData(store, training, reference, held_out, class_names, len(names), left_out)


def degradations(config: RunConfig) -> Augment | None:
    """What validation clips go through after their fakes are made, or None.

    Found fakes have been encoded, shrunk and shared since they were made. A detector that is chosen on untouched
    ones may be chosen for traces that do not survive this.
    """
    names = config.data.validation_augment
    if not names:
        return None
    if config.data.cache_features:
        raise ConfigError("data.validation_augment degrades pictures; data.cache_features keeps none. Drop one.")
    return Augment(names, _options(names, config.data.augment_options))


def _options(names: Sequence[str], options: dict[str, Any]) -> dict[str, Any]:
    return {name: table for name, table in options.items() if name in names}


def training_frames(config: RunConfig) -> int:
    """Frames of a training clip. Raises ConfigError where the setting is out of range."""
    asked, stored = config.data.train_num_frames, config.extract.num_frames
    if not 0 <= asked <= stored:
        raise ConfigError(
            f"data.train_num_frames is {asked}; it must be from 1 to the {stored} frames of a clip, or 0 for all."
        )
    return asked or stored


def split_records(config: RunConfig, store: ClipStore) -> tuple[list[VideoRecord], list[VideoRecord]]:
    """Training and validation records: the store's own splits, or a part of training by source and person.

    Where no row names a split, all are of training. Raises ConfigError for splits that the store does not have.
    """
    settings = config.data
    records = [
        video.record
        for video in store.videos
        if video.record.label is not None
        and (video.record.label == REAL or video.record.manipulation not in settings.leave_out)
    ]
    everything = not settings.train_split or not any(r.split for r in records)
    train = [r for r in records if everything or r.split == settings.train_split]
    if not train:
        splits = sorted({r.split for r in records})
        raise ConfigError(
            f"data.train_split is '{settings.train_split}', but the store's splits are {splits}. Name one of them, "
            "or '' for all."
        )
    validation = [r for r in records if r.split == settings.validation_split]
    if settings.validation_split == settings.train_split:
        raise ConfigError(
            f"data.validation_split and data.train_split are both '{settings.train_split}'; a checkpoint would be "
            "chosen on what it was trained on."
        )
    if not validation:
        return split_by_source(train, fraction=settings.validation_fraction, seed=validation_seed(config))
    return train, validation


def validation_seed(config: RunConfig) -> int:
    """Of who is held out, and of validation's fakes: with `data.split_seed`, runs of every seed validate alike."""
    return config.seed if config.data.split_seed is None else config.data.split_seed


def build_makers(
    names: Iterable[str], options: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, AnyMaker]:
    """The named makers of fakes, with their `options` by maker; 'a+b' applies a and then b (`synth.compose`)."""
    return {name: build_by_tables(name, options or {}) for name in names}


def check_options(config: RunConfig) -> None:
    """What can be said of makers and degradations before a store is opened.

    Raises ConfigError and UnknownNameError: for options of what is not used, wrong ones, and unknown names.
    """
    settings = config.data
    check_maker_options((*settings.makers, *settings.validation_makers), settings.maker_options)
    build_makers((*settings.makers, *settings.validation_makers), settings.maker_options)
    if settings.cache_features:
        return
    used = (*settings.augment, *settings.validation_augment)
    for name in settings.augment_options:
        if name not in used:
            raise ConfigError(
                f"data.augment_options has a table for '{name}', which is in neither data.augment nor "
                "data.validation_augment. Add it to one of them, or remove the table."
            )
    Augment(settings.augment, _options(settings.augment, settings.augment_options))
    degradations(config)


def check_maker_options(names: Iterable[str], options: Mapping[str, Any]) -> None:
    """Raises ConfigError for options of a maker that is not used, and for what is no table."""
    used = sorted({part for name in names for part in parts_of(name)})
    for name, table in options.items():
        if name not in used:
            raise ConfigError(
                f"data.maker_options has a table for '{name}', which is in neither data.makers nor "
                f"data.validation_makers ({', '.join(used) or 'both are empty'}). Add it, or remove the table."
            )
        if not isinstance(table, Mapping):
            raise ConfigError(
                f"data.maker_options.{name} is {table!r}; it is a table of options, as in "
                f'data.maker_options.{name}.outlines=["inner"].'
            )


def _check_fakes(role: str, records: Sequence[VideoRecord], makers: dict[str, AnyMaker]) -> None:
    reals = sum(r.label == REAL for r in records)
    fakes = sum(r.label == FAKE for r in records)
    if reals == 0 or (fakes == 0 and not makers):
        raise ConfigError(
            f"{role} has {reals} real and {fakes} fake videos and no makers; it takes both classes. Add videos, or "
            "have fakes made from the real ones: --set 'data.makers=[\"self_blend\"]' "
            f"(known: {', '.join(MAKERS.names())})."
        )


def reference_subset(dataset: ClipDataset, most: int, seed: int) -> list[int]:
    """Up to `most` item indices, as many of each label as possible, drawn by `seed`, in ascending order."""
    rng = generator(seed, "reference")
    chosen: list[int] = []
    for label in (REAL, FAKE):
        indices = [i for i, item in enumerate(dataset.items) if item.label == label]
        chosen += [indices[i] for i in rng.permutation(len(indices))[: most // 2]]
    return sorted(chosen)
