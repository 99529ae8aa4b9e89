"""Test clips of a study. Imported and opened only when every search is done; search code never sees this module."""

from __future__ import annotations

from vidfake.data.clips import ClipDataset
from vidfake.data.manifest_rows import identities_of
from vidfake.data.store import ClipStore
from vidfake.errors import ConfigError, ProtocolError
from vidfake.study.clips import StudyClips, make_dataset
from vidfake.study.definition import StudyDefinition, StudyTest
from vidfake.synth.autoencoder import sources_seen
from vidfake.types import FAKE, REAL, VideoRecord


def open_tests(study: StudyDefinition, clips: StudyClips) -> dict[str, ClipDataset]:
    """The datasets of the study's tests, by name.

    Raises ConfigError for a test without both classes, ProtocolError when one holds a source or a person of
    training or validation, or one that a maker's weights were trained on.
    """
    return {test.name: _open(test, study, clips) for test in study.tests}


def _open(test: StudyTest, study: StudyDefinition, clips: StudyClips) -> ClipDataset:
    store = ClipStore(test.store, settings=clips.store.settings) if test.store else clips.store
    records = [
        video.record
        for video in store.videos
        if video.record.label is not None
        and (not test.split or video.record.split == test.split)
        and (test.stored_fakes or video.record.label == REAL)
    ]
    reals, fakes = (sum(r.label == label for r in records) for label in (REAL, FAKE))
    if not reals or not (fakes or test.makers):
        raise ConfigError(
            f"test '{test.name}' (split '{test.split}') has {reals} real and {fakes} fake videos and "
            f"{len(test.makers)} makers; it takes both classes. Name another split, or makers."
        )
    seen = {key for part in clips.datasets().values() for r in part.records.values() for key in _keys(r)}
    shared = sorted({r.video_id for r in records if seen & _keys(r)})
    if shared:
        raise ProtocolError(
            f"test '{test.name}' holds {len(shared)} videos whose source or person is in training or validation, "
            f"first '{shared[0]}'. Take them out of one of the two."
        )
    options = clips.config.data.maker_options
    for maker in test.makers:
        known = sources_seen(maker, options, (r.source_id or r.video_id for r in records))
        if known:
            raise ProtocolError(
                f"test '{test.name}': the weights of maker '{maker}' were trained on {len(known)} of its sources, "
                f"first '{known[0]}'. Train them on other people (tools/train_autoencoder --split train)."
            )
    return make_dataset(
        store,
        records,
        test.makers,
        clips.class_names,
        seed=study.data.split_seed,
        most=test.max_clips_per_video,
        options=options,
    )


def _keys(record: VideoRecord) -> set[tuple[str, str, str]]:
    """Source and people of a record, within its data set."""
    names = {("source", record.source_id or record.video_id), *(("person", p) for p in identities_of(record))}
    return {(record.dataset, *name) for name in names}
