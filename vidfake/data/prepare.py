"""Videos -> clip store, in parallel, crash-safe: run again after any interruption, it goes on where it stopped.

A store made by any number of runs, workers and shards has the same bytes as one made in one go.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from vidfake.data.pool import Crash, run_jobs
from vidfake.data.prepare_video import Extract, Job, OnError, one_thread_each, prepare_video, record_crash
from vidfake.data.report import PrepareReport, VideoOutcome
from vidfake.data.store_format import SHARDS, key_of, record_path, row_of
from vidfake.data.store_writer import StoreWriter
from vidfake.errors import ManifestError, UsageError
from vidfake.files import sha256_file
from vidfake.settings import ExtractSettings
from vidfake.types import VideoRecord
from vidfake.video.scheduling import usable_processors

Progress = Callable[[str, int, int | None], None]


def parse_shard(text: str) -> tuple[int, int]:
    """``i/n`` with 0 <= i < n as (i, n)."""
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text.strip())
    if not match or not int(match[1]) < int(match[2]):
        raise UsageError(f"shard is {text!r}. It is written i/n with i from 0 to n-1, e.g. 0/4, 1/4, 2/4, 3/4.")
    return int(match[1]), int(match[2])


def prepare(
    records: Sequence[VideoRecord],
    out: Path | str,
    settings: ExtractSettings,
    *,
    workers: int = 1,
    shard: tuple[int, int] | None = None,
    progress: Progress | None = None,
    on_error: OnError = "record",
    retry_failed: bool = False,
    extract: Extract | None = None,
    sandbox: bool = True,
) -> PrepareReport:
    """Cut aligned face clips out of every video and write them to the clip store `out`.

    Args:
        records: videos to prepare; those finished before are skipped (if path, region and file size are the same).
        out: a new folder, or a store made with the same settings.
        settings: how faces are extracted; part of the store.
        workers: worker processes; 0 works in this process.
        shard: (i, n): only this part of the videos. The last of n runs, in any order, finishes the store.
        progress: called with (text, done, total) after every video.
        on_error: ``record`` keeps a failed video as a record with its reason; ``stop`` raises at the first.
        retry_failed: try videos again that are `unreadable` in the store.
        extract: stands in for `faces.extract.extract_clips`; must be picklable when `workers` is not 0.
        sandbox: decode in confined child processes, one per worker; without it a file made to attack the decoder
            attacks the worker, which may write to the store.

    Raises ManifestError for duplicate ids, StoreError for a foreign or busy store, StorageError for a full disk.
    KeyboardInterrupt (Ctrl-C, SIGTERM) ends all workers first; finished videos stay finished.
    """
    _check(records, workers)
    start = time.perf_counter()
    with _sigterm_is_interrupt(), StoreWriter(out, settings, shard=shard) as writer:
        mine = [record for record in records if writer.owns(key_of(record.video_id))]
        outcomes = _done_before(writer, mine, retry_failed)
        pending = [record for record in mine if record.video_id not in outcomes]
        if pending:
            writer.reopen()
        threads = max(1, usable_processors() // max(1, workers))
        jobs = [Job(record, writer.store, settings, extract, threads, on_error, sandbox) for record in pending]
        with closing(_outcomes(jobs, workers)) as results:  # closed first: no worker writes after the lock is gone
            for number, outcome in enumerate(results, start=1):
                outcomes[outcome.video_id] = outcome
                if progress is not None:
                    progress("videos", len(mine) - len(jobs) + number, len(mine))
        finished = all(record_path(writer.store, key_of(record.video_id)).exists() for record in records)
        if finished:
            writer.finish()
        in_store = sum(not path.name.startswith(".") for path in (writer.store / SHARDS).glob("*/*.json"))
        others = max(0, in_store - len(records)) if finished else 0
    return PrepareReport(
        store=str(out),
        outcomes=tuple(outcomes[record.video_id] for record in mine),
        seconds=time.perf_counter() - start,
        workers=workers,
        finished=finished,
        num_other_videos=others,
    )


def _check(records: Sequence[VideoRecord], workers: int) -> None:
    if not records:
        raise ManifestError("there is no video to prepare. Give a manifest with at least one row.")
    seen: set[str] = set()
    for record in records:
        if not record.video_id or record.video_id in seen:
            raise ManifestError(
                f"video_id '{record.video_id}' is empty or appears twice. Each video needs its own."
            )
        seen.add(record.video_id)
    if workers < 0:
        raise UsageError(f"workers is {workers}; it takes 0 or more.")


def _outcomes(jobs: Sequence[Job], workers: int) -> Generator[VideoOutcome, None, None]:
    if not jobs:
        return
    # in the sandbox, each job says how many threads it may use
    start = one_thread_each if workers > 1 and not jobs[0].sandbox else None
    for job, result in run_jobs(prepare_video, jobs, workers=workers, start=start):
        yield record_crash(job, result.how) if isinstance(result, Crash) else result


def _done_before(
    writer: StoreWriter, records: Sequence[VideoRecord], retry_failed: bool
) -> dict[str, VideoOutcome]:
    """Outcomes of videos that need no work; their manifest rows are brought up to date."""
    outcomes: dict[str, VideoOutcome] = {}
    for record in records:
        value = writer.stored(record)
        if value is None or (retry_failed and value["status"] == "unreadable"):
            continue
        if not _same_file(writer, value, record):
            continue
        writer.update_row(record, value)
        outcomes[record.video_id] = VideoOutcome(
            video_id=record.video_id,
            status=value["status"],
            reason=value["reason"],
            num_clips=len(value["clips"]),
            num_faces=sum(len(clip["faces"]) for clip in value["clips"]),
            num_bytes=value["tar_bytes"],
            done_before=True,
        )
    return outcomes


def _same_file(writer: StoreWriter, value: dict[str, Any], record: VideoRecord) -> bool:
    """Whether the video's file is the one that was prepared: by size, and by hash where it is at another place.

    One that is gone by now was prepared all the same.
    """
    source = value.get("source")
    known = source if isinstance(source, dict) else {}
    try:
        size = os.stat(record.path).st_size
    except OSError:
        return True
    if known.get("bytes") != size:
        return False
    same_place = value["video"]["path"] == row_of(record, writer.store)["path"]
    return same_place or known.get("sha256") == sha256_file(record.path)


@contextmanager
def _sigterm_is_interrupt() -> Iterator[None]:
    """SIGTERM ends the run like Ctrl-C, so that workers are ended and the lock is given back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    kept = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, kept)
