"""Many files with one detector: a bad file is a result like any other, and finished ones are not scored again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidfake.errors import StorageError, UsageError
from vidfake.faces.detect import build_detector as build_face_detector
from vidfake.files import dump_json, write_text
from vidfake.inference.cache import ClipCache
from vidfake.inference.load import LoadedDetector
from vidfake.inference.profiles import BALANCED, Profile
from vidfake.inference.result import SCHEMA_VERSION, VideoScore
from vidfake.inference.video import score_video
from vidfake.settings import ScoreSettings

WHOLE = {"input": dict, "video": dict, "tracks": list, "timing_seconds": dict, "model": dict}
MAX_RESULT_BYTES = 512 * 2**20
Report = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Scored:
    """A file's result, and whether it was taken from an earlier run."""

    result: VideoScore
    resumed: bool


def score_files(
    paths: Sequence[str],
    detector: LoadedDetector,
    *,
    settings: ScoreSettings | None = None,
    out: Path | None = None,
    report: Report | None = None,
    sandbox: bool = True,
    profile: Profile = BALANCED,
    cache: ClipCache | None = None,
) -> Iterator[Scored]:
    """Score files in order. With `out`, each result is written there as soon as it is known, and a file whose
    result is there already (same path, content, model and settings) is not scored again.

    Files are decoded in a child process that is kept from one to the next, unless `sandbox` is False. `profile` and
    `cache` are those of `score_video`."""
    faces = None if sandbox else build_face_detector(detector.checkpoint.extract)
    for done, path in enumerate(paths):
        if report is not None:
            report("videos", done, len(paths))
        target = None if out is None else out / result_name(path, detector, settings, profile)
        earlier = None if target is None else _read(target)
        if earlier is not None:
            yield Scored(earlier, resumed=True)
            continue
        result = score_video(
            path,
            detector,
            settings=settings,
            face_detector=faces,
            sandbox=sandbox,
            profile=profile,
            cache=cache,
        )
        if target is not None:
            write_text(target, dump_json(result.json) + "\n")
        yield Scored(result, resumed=False)
    if report is not None:
        report("videos", len(paths), len(paths))


def result_name(
    path: str, detector: LoadedDetector, settings: ScoreSettings | None, profile: Profile = BALANCED
) -> str:
    """File name of a result: made of hashes, since a video's own name may be anything."""
    try:
        status = Path(path).stat()
        content = f"{status.st_size} {status.st_mtime_ns}"
    except (OSError, ValueError):
        content = "unreadable"
    key = [str(path), content, detector.checkpoint.sha256, detector.readout_name, repr(settings)]
    if profile != BALANCED or detector.scorer.precision != "float32":
        key += [repr(profile), detector.scorer.precision]
    return hashlib.sha256("\x1f".join(key).encode("utf-8", "surrogateescape")).hexdigest()[:32] + ".json"


def _read(path: Path) -> VideoScore | None:
    """An earlier result, unless it is missing, was not scored, or is not a whole result."""
    try:
        if not path.is_file():
            return None
        if path.stat().st_size > MAX_RESULT_BYTES:
            raise UsageError(f"{path}: larger than any result. Choose another --out folder.")
        value: Any = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror}). Choose another --out folder.") from error
    except ValueError:
        return None  # written by something else: scored again, and replaced
    whole = (
        isinstance(value, dict)
        and value.get("schema_version") == SCHEMA_VERSION
        and value.get("status") in ("ok", "no_face")
        and all(isinstance(value.get(key), kind) for key, kind in WHOLE.items())
    )
    return VideoScore(value) if whole else None
