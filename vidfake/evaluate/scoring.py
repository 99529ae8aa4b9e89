"""One detector on one dataset: a score table, kept on disk so that nothing is computed twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vidfake.config import to_dict
from vidfake.data.clips import ClipDataset
from vidfake.data.items import class_names_of
from vidfake.data.manifest import read_manifest
from vidfake.data.prepare import prepare
from vidfake.data.store import ClipStore
from vidfake.errors import ManifestError
from vidfake.files import sha256_file, sha256_json
from vidfake.inference.load import LoadedDetector
from vidfake.inference.predict import predict
from vidfake.inference.profiles import BALANCED, Profile
from vidfake.scores import ScoreTable, ScoreTableBuilder
from vidfake.types import FAKE, REAL, VideoRecord

Report = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Source:
    """What is evaluated on: labelled `records`, from a manifest (videos) or a clip store (`store`).

    Without `sandbox` the videos are decoded in the worker processes themselves. `profile` says how much of each
    video is looked at; a clip store serves the one that its clips were taken for.
    """

    name: str
    path: Path
    records: tuple[VideoRecord, ...]
    sha256: str
    store: ClipStore | None = None
    sandbox: bool = True
    profile: Profile = BALANCED


def open_source(path: Path, *, splits: Sequence[str] = (), name: str = "", check_files: bool = True) -> Source:
    """A manifest or a clip store as a source.

    Without `check_files` the videos of a manifest need not exist: for score files, which need their rows only.
    Raises ManifestError when the labelled rows are not of both classes.
    """
    if (path / "store.json").is_file():
        store = ClipStore(path)
        known = sorted({video.record.split for video in store.videos})
        for split in splits:
            if split not in known:
                raise ManifestError(f"{path}: no video has split '{split}'. Splits there: {', '.join(known)}.")
        records = [video.record for video in store.videos if not splits or video.record.split in splits]
        found = Source(name or path.name, path, tuple(records), store.content_hash, store)
    else:
        records = read_manifest(path, splits=list(splits) or None, require_labels=True, check_files=check_files)
        found = Source(name or path.stem, path, tuple(records), sha256_file(path))
    where = f"{path}, split {', '.join(splits)}" if splits else str(path)
    labelled = tuple(record for record in found.records if record.label is not None)
    if not labelled:
        raise ManifestError(f"{where}: no labelled video. Name a manifest or a clip store with labels.")
    reals, fakes = (sum(record.label == label for record in labelled) for label in (REAL, FAKE))
    if not reals or not fakes:
        raise ManifestError(
            f"{where}: {reals} real and {fakes} fake videos, and no figure exists without both. Add videos of the "
            "other class to it, or name another --split."
        )
    return Source(found.name, found.path, labelled, found.sha256, found.store)


def score_source(
    detector: LoadedDetector, source: Source, work: Path, *, workers: int = 1, report: Report | None = None
) -> ScoreTable:
    """Every labelled video of `source`, scored; resumable, since clips and tables are kept under `work`.

    Videos are prepared with the detector's own extract settings into a clip store, which several detectors share
    when their settings are equal; crops in a store are those that `vidfake score` sees.
    """
    store = store_of(detector, source, work, workers=workers, report=report)
    key = sha256_json(
        {
            "model": detector.checkpoint.sha256,
            "readout": detector.readout_name,
            "flip": source.profile.flip,
            "store": store.content_hash,
            "rows": [
                [r.video_id, r.label, r.manipulation, r.source_id, r.pair_id, r.split, r.origin]
                for r in source.records
            ],
        }
    )
    kept = table_path(work, detector, source.name, key)
    if kept.exists():
        return ScoreTable.read(kept)
    table = _score(detector, store, source, workers, report)
    table.write(kept)
    return table


def table_path(work: Path, detector: LoadedDetector, name: str, key: str) -> Path:
    """Where the score table of that content `key` is kept."""
    return work / "scores" / f"{_plain(detector.name)}-{_plain(name)}-{key[:16]}.jsonl"


def store_of(
    detector: LoadedDetector, source: Source, work: Path, *, workers: int = 1, report: Report | None = None
) -> ClipStore:
    """The source's clips as the detector wants them: its own store, or one prepared under `work` (found again)."""
    extract = source.profile.extract(detector.checkpoint.extract)
    if source.store is not None:
        return ClipStore(source.store.path, settings=extract)  # refuses other settings, naming the difference
    videos = [[record.video_id, record.path] for record in source.records]
    key = sha256_json({"extract": to_dict(extract), "videos": videos})
    path = work / "stores" / f"{_plain(source.name)}-{key[:16]}"
    prepare(source.records, path, extract, workers=workers, progress=report, sandbox=source.sandbox)
    return ClipStore(path, settings=extract)


def loading_workers(workers: int) -> int:
    """Processes that read clips: one worker is this process."""
    return workers if workers > 1 else 0


def has_clips(store: ClipStore, source: Source) -> bool:
    """Whether any video of the source has a clip."""
    wanted = {record.video_id for record in source.records}
    return any(clip.video.video_id in wanted for clip in store.clips)


def _score(
    detector: LoadedDetector, store: ClipStore, source: Source, workers: int, report: Report | None
) -> ScoreTable:
    if not has_clips(store, source):
        builder = ScoreTableBuilder(detector=detector.name)
        statuses = {video.video_id: video.status for video in store.videos}
        for record in source.records:
            builder.add(record, status=statuses[record.video_id])
        return builder.table()
    dataset = ClipDataset(
        store,
        records=source.records,
        class_names=class_names_of(source.records),
        num_frames=detector.checkpoint.extract.num_frames,
    )
    return predict(
        detector.scorer, dataset, detector_name=detector.name, flip=source.profile.flip,
        workers=loading_workers(workers), report=report,
    )  # fmt: skip


def _plain(name: str) -> str:
    """A file name's worth of any text."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:40]
