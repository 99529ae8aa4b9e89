"""The stages from videos and photographs to a trained run. Each is skipped when done, and gone on with when not.

Rows of ``split=test`` are dropped before a single file is looked at.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from vidfake.config import load, read_toml, to_dict
from vidfake.data.manifest import read_manifest, write_manifest
from vidfake.data.manifest_rows import identities_of
from vidfake.default.card import DataUsed
from vidfake.errors import ConfigError, ManifestError, ProtocolError, UsageError
from vidfake.faces.photo import is_photo
from vidfake.files import sha256_json, write_json
from vidfake.metrics.groups import origin_group
from vidfake.models.checkpoint import load_checkpoint
from vidfake.models.weights import checkpoints_in
from vidfake.settings import ExtractSettings, RunConfig
from vidfake.train.run import run_folder, train_run
from vidfake.types import NO_MANIPULATION, REAL, VideoRecord

Report = Callable[[str, int, int | None], None]
SPLITS = ("train", "validation")
SMOKE_VIDEOS, SMOKE_PHOTOS = 8, 6
SMOKE = (
    "extract.crop_size=64", "extract.num_frames=4", "extract.min_frames=2", "extract.max_clips=2",
    "data.train_num_frames=0", "data.workers=0", "data.sampler.options.steps=3",
    "model.encoder.input_size=64", "optim.epochs=1", "optim.batch_size=4", "optim.autocast=off",
)  # fmt: skip
"""Settings of a trial of the machinery: minutes on one core, and worthless weights."""


def training_records(videos: Path, images: Path | None = None) -> list[VideoRecord]:
    """Rows of both manifests to train and select on, photographs as real ones. No file is opened.

    A photograph without a split is of ``train``; one without a label is real.
    Raises ManifestError for a bad row or for no row left; ProtocolError for a source or person that is in the test
    rows too.
    """
    rows = read_manifest(videos, check_files=False)
    if images is not None:
        rows += [
            _photo(record, images) for record in read_manifest(images, require_labels=False, check_files=False)
        ]
    kept = [record for record in rows if record.split in SPLITS]
    if not any(record.split == "train" for record in kept):
        found = sorted({record.split for record in rows})
        raise ManifestError(f"{videos}: no row has split 'train'. Splits there: {', '.join(map(repr, found))}.")
    doubled = [name for name, count in Counter(record.video_id for record in kept).items() if count > 1]
    if doubled:
        raise ManifestError(f"{images}: '{doubled[0]}' is a row of {videos} too. Each video_id stands once.")
    _refuse_shared(kept, [record for record in rows if record.split not in SPLITS])
    return kept


def _photo(record: VideoRecord, path: Path) -> VideoRecord:
    if record.label not in (None, REAL):
        raise ManifestError(f"{path}: '{record.video_id}' is labelled fake; photographs are sources of fakes only.")
    return replace(record, label=REAL, manipulation=NO_MANIPULATION, split=record.split or "train")


def _refuse_shared(training: Sequence[VideoRecord], rest: Sequence[VideoRecord]) -> None:
    def keys(records: Sequence[VideoRecord]) -> set[str]:
        sources = {f"source {record.source_id}" for record in records}
        return sources | {f"person {person}" for record in records for person in identities_of(record)}

    shared = sorted(keys(training) & keys(rest))
    if shared:
        raise ProtocolError(
            f"{len(shared)} sources or people are in training and in other splits (first: {shared[0]}), so a "
            "figure there would not be a test. Keep each in one split."
        )


def fewest(records: Sequence[VideoRecord]) -> list[VideoRecord]:
    """A handful of videos and photographs, for a trial."""
    photos = [record for record in records if is_photo(record.path)]
    videos = [record for record in records if not is_photo(record.path)]
    return [*videos[:SMOKE_VIDEOS], *photos[:SMOKE_PHOTOS]]


def written(records: Sequence[VideoRecord], path: Path) -> list[VideoRecord]:
    """The records as a manifest at `path`, read back: every file must be there. Raises ManifestError."""
    write_manifest(path, records)
    return read_manifest(path)


def recipe(config: Path, settings: Sequence[str], *, out: Path, store: Path) -> RunConfig:
    """The config of a run in OUT/runs on `store`."""
    run = load(RunConfig, config, settings)
    return replace(run, out=str(out / "runs"), data=replace(run.data, store=str(store)))


def read_changes(path: Path) -> list[str]:
    """The KEY=VALUE texts of a .toml file with one list, `set`: what a further pass does otherwise.

    Raises ConfigError for any other content.
    """
    values = read_toml(path)
    changes = values.get("set")
    if set(values) != {"set"} or not isinstance(changes, list) or not all(isinstance(c, str) for c in changes):
        raise ConfigError(f'{path}: takes set = ["KEY=VALUE", …], a list of texts, and nothing else.')
    return changes


def going_on(config: RunConfig, earlier: Sequence[Path]) -> RunConfig:
    """`config` starting from the mean of the encoders of the runs in `earlier`; as it is where there are none."""
    if not earlier:
        return config
    weights = "+".join(str(folder / "best.vidfake") for folder in earlier)
    return replace(config, model=replace(config.model, encoder=replace(config.model.encoder, weights=weights)))


def on_store(config: RunConfig, extract: ExtractSettings, out: Path) -> RunConfig:
    """`config` with the clip store that `extract` has in the folder `out`, one for all that extract alike."""
    store = out / "stores" / sha256_json(to_dict(extract))[:16]
    return replace(config, extract=extract, data=replace(config.data, store=str(store)))


def trained(config: RunConfig, records: Sequence[VideoRecord], *, report: Report | None = None) -> Path:
    """The finished run of `config`: found, gone on with, or made. `records` are what its store was made of.

    A run that died before its first saved state starts anew. Raises UsageError for a folder that holds a run of
    other settings or rows, and whatever training raises.
    """
    folder = run_folder(config)
    known = folder.with_name(f"{folder.name}.json")
    if not folder.exists():
        known.unlink(missing_ok=True)  # what was asked for before failed before there was a run
    refuse_another(known, folder, config, records)
    if not (folder / "result.json").exists():
        resume = (folder / "resume.pt").exists()
        if not resume and folder.exists():
            shutil.rmtree(folder)
        train_run(config, resume=resume, report=report)
    return folder


def refuse_another(path: Path, folder: Path, config: RunConfig, records: Sequence[VideoRecord]) -> None:
    """Remember at `path` what the run in `folder` is made from; UsageError where that is not what it was before."""
    nowhere = replace(config, out="", data=replace(config.data, store="", workers=0))  # a folder may be moved
    if starts := checkpoints_in(config.model.encoder.weights):
        content = "+".join(load_checkpoint(start).sha256 for start in starts)
        encoder = replace(config.model.encoder, weights=content)
        nowhere = replace(nowhere, model=replace(config.model, encoder=encoder))
    rows = sorted([r.video_id, r.label, r.manipulation, r.source_id, r.split] for r in records)
    wanted = {"settings": sha256_json(to_dict(nowhere)), "rows": sha256_json(rows)}
    known = json.loads(path.read_text("utf-8")) if path.exists() else wanted
    for what, value in wanted.items():
        if known.get(what) != value:
            raise UsageError(
                f"{folder} holds a detector trained with other {what} than this command asks for. Repeat the "
                "command that made it, or name another folder."
            )
    write_json(path, wanted)


def data_used(records: Sequence[VideoRecord]) -> tuple[DataUsed, ...]:
    """The rows counted by split, origin and terms, for a model card."""
    counts = Counter(
        (r.split, origin_group(r.origin), "photographs" if is_photo(r.path) else "videos", r.license)
        for r in records
    )
    return tuple(
        DataUsed(role, origin or "(not stated)", what, number, terms or "(not stated)")
        for (role, origin, what, terms), number in sorted(counts.items())
    )
