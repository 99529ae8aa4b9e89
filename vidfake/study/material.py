"""The clips of a study as sets of features on disk: training and validation now, tests when they are asked for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vidfake.config import to_dict
from vidfake.data.clips import ClipDataset
from vidfake.data.features import Encode, cache_key, cached_features
from vidfake.data.store import ClipStore
from vidfake.errors import ConfigError, StorageError
from vidfake.study.changes import fingerprint
from vidfake.study.clips import StudyClips, open_clips, study_encoder
from vidfake.study.definition import StudyDefinition
from vidfake.study.projection import Projection, fit_projection
from vidfake.study.sets import TensorSet, counts, pack

Report = Callable[[str, int, int | None], None]
LOADED_HERE = 500  # clips that are read without processes of their own


@dataclass(frozen=True)
class Sets:
    """Folders of packed sets, how many clips and videos of each class they hold, and what a reader should know."""

    folders: dict[str, Path]
    clips: dict[str, dict[str, int]]
    videos: dict[str, dict[str, int]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Material:
    """What a study's clips are. `prepare` makes training and validation ready for runs, `open_tests` the tests.
    `kept_from_search`: paths that a search may not open."""

    class_names: tuple[str, ...]
    fingerprint: str
    kept_from_search: tuple[str, ...]
    prepare: Callable[[], Sets]
    open_tests: Callable[[], Sets]


def cached_material(study: StudyDefinition, out: Path, report: Report) -> Material:
    """Features of every clip by the frozen encoder, computed once per study folder, when they are asked for.

    Raises ConfigError for data that cannot make a study, StorageError where the disk is too small.
    """
    clips = _opened(study)
    encode, facts = study_encoder(study, clips.config)
    packer = _Packer(study, out, encode, facts, report, clips.config.data.workers)
    stores = _stores(study)

    def prepare() -> Sets:
        sets = packer.pack(clips.datasets(), out / "sets")
        return replace(sets, notes=_notes(facts, packer.projection))

    return Material(
        class_names=clips.class_names,
        fingerprint=fingerprint(_hashes(stores), facts),
        kept_from_search=tuple(stores.values()),
        prepare=prepare,
        open_tests=lambda: _tests(study, clips, packer, out),
    )


def pixel_material(study: StudyDefinition, out: Path, report: Report) -> Material:
    """For an end-to-end study: clips stay in the stores, and every run trains on their pictures."""
    clips = _opened(study)
    stores = _stores(study)

    def tests() -> Sets:
        from vidfake.study.tests_data import open_tests  # not before every search is done

        return _counted(open_tests(study, clips))

    def prepare() -> Sets:
        notes = ("End-to-end mode: the encoder is trained in every run.",)
        return replace(_counted(clips.datasets()), notes=notes)

    return Material(
        class_names=clips.class_names,
        fingerprint=fingerprint(_hashes(stores), {"trained": to_dict(clips.config.model.encoder)}),
        kept_from_search=tuple(path for role, path in stores.items() if role != "study"),
        prepare=prepare,
        open_tests=tests,
    )


def _opened(study: StudyDefinition) -> StudyClips:
    if not study.tests:
        raise ConfigError("the study names no test. Add one: [[tests]] with name, split and makers.")
    return open_clips(study)


def _stores(study: StudyDefinition) -> dict[str, str]:
    return {"study": study.data.store, **{f"test {t.name}": t.store for t in study.tests if t.store}}


def _hashes(stores: dict[str, str]) -> dict[str, str]:
    return {role: ClipStore(path).content_hash for role, path in stores.items()}


def _counted(datasets: dict[str, ClipDataset]) -> Sets:
    clips: dict[str, dict[str, int]] = {}
    videos: dict[str, dict[str, int]] = {}
    for name, dataset in datasets.items():
        labels = {item.video_id: item.class_label for item in dataset.items}
        clips[name] = counts([item.class_label for item in dataset.items], dataset.class_names)
        videos[name] = counts(list(labels.values()), dataset.class_names)
    return Sets({}, clips, videos)


def _notes(facts: dict[str, Any], projection: Projection | None) -> tuple[str, ...]:
    notes = [
        "Cached mode: the encoder is frozen; aggregator, embedding and loss are trained on its features, without "
        "augmentation. Differences between losses that come from training the encoder cannot show here."
    ]
    if projection is not None:
        kept, share = projection.axes.shape[1], 100 * projection.share
        notes.append(f"Features are projected on {kept} main axes of training frames ({share:.1f} % of variance).")
    if "checkpoint" in facts:
        notes.append(f"Features are of the encoder of a trained detector ({str(facts['checkpoint'])[:12]}).")
    return tuple(notes)


def _tests(study: StudyDefinition, clips: StudyClips, packer: _Packer, out: Path) -> Sets:
    from vidfake.study.tests_data import open_tests  # not before every search is done

    return packer.pack(open_tests(study, clips), out / "tests")


@dataclass
class _Packer:
    study: StudyDefinition
    out: Path
    encode: Encode
    facts: dict[str, Any]
    report: Report
    workers: int
    projection: Projection | None = None  # fitted on the first set, which is training

    def pack(self, datasets: dict[str, ClipDataset], folder: Path) -> Sets:
        packed = {name: self._pack(name, dataset, folder / name) for name, dataset in datasets.items()}
        return Sets(
            folders={name: found.folder for name, found in packed.items()},
            clips={name: counts(found.class_labels, found.class_names) for name, found in packed.items()},
            videos={name: _videos(found) for name, found in packed.items()},
        )

    def _pack(self, name: str, dataset: ClipDataset, folder: Path) -> TensorSet:
        found = cached_features(
            self.out / "features",
            dataset,
            self.encode,
            encoder=self.facts,
            dtype="float32",
            workers=self.workers if len(dataset) > LOADED_HERE else 0,
            progress=lambda stage, done, total: self.report(f"features of {name}", done, total),
        )
        if self.study.data.feature_dim and self.projection is None:
            self.projection = fit_projection(found, self.study.data.feature_dim)
        needed = len(dataset) * dataset.num_frames * found.cache.dim * 4
        free = shutil.disk_usage(self.out).free
        if free < needed:
            raise StorageError(
                f"{self.out}: {free / 1e9:.1f} GB are free and the clips of '{name}' take {needed / 1e9:.1f} GB. "
                "Choose another folder, or fewer clips (data.max_clips_per_video)."
            )
        self.report(f"packing {name}", 0, None)
        return pack(folder, found, cache_key(dataset, self.facts, "float32"), self.projection)


def _videos(found: TensorSet) -> dict[str, int]:
    """Videos per class."""
    first: dict[str, int] = {}
    for video, label in zip(found.texts["video_ids"], found.table.class_labels.tolist(), strict=True):
        first.setdefault(video, label)
    return counts(list(first.values()), found.class_names)
