"""Videos for the demo: a public-domain portrait animated into recordings, or the user's own; and fakes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidfake.data.manifest import records_from_paths, write_manifest
from vidfake.data.render import render_copy, render_fake
from vidfake.errors import MakerError, MediaError, MissingPackageError, UsageError
from vidfake.faces.detect import build_detector
from vidfake.files import sha256_file
from vidfake.settings import ExtractSettings
from vidfake.synth.animate import animate
from vidfake.types import FAKE, REAL, ByteArray, VideoRecord
from vidfake.video.writer import write_video

FRAME_RATE = 25
SPLITS = ("train", "train", "train", "validation", "test")  # of every five recordings
Report = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class DemoMedia:
    """What was made: the manifest, and one real and one fake video of the test split to look at."""

    manifest: Path
    records: list[VideoRecord]
    skipped: list[str]

    def first(self, label: int, split: str = "test") -> VideoRecord:
        """The first record of a label in a split."""
        return next(r for r in self.records if r.label == label and r.split == split)


def portrait() -> ByteArray:
    """NASA's public-domain portrait of the astronaut Eileen Collins, as scikit-image ships it, (512, 512, 3)."""
    try:
        from skimage import data
    except ImportError as error:
        raise MissingPackageError(
            "The demo animates a portrait that comes with scikit-image, which is not installed. "
            "Run: pip install 'vidfake[demo]', or give a folder of your own videos with --data."
        ) from error
    return np.asarray(data.astronaut(), dtype=np.uint8)  # type: ignore[no-untyped-call]


def record_portrait(folder: Path, *, count: int, seconds: float, report: Report) -> list[Path]:
    """Animate the portrait into `count` different short recordings of one person."""
    photo = portrait()
    faces = build_detector(ExtractSettings()).detect(photo)
    if not faces:
        raise MediaError("no face was found in the portrait; the installed scikit-image ships another picture.")
    face = max(faces, key=lambda f: f.confidence)
    paths = []
    length = f"{round(1000 * seconds)}ms"  # another length is another recording
    for index in range(count):
        path = folder / "recordings" / f"recording_{index:02d}_{length}.mp4"
        if not path.exists():
            frames = animate(photo, face, seed=index, num_frames=round(seconds * FRAME_RATE), frame_rate=FRAME_RATE)
            write_video(path, frames, frame_rate=FRAME_RATE, crf=16)
        paths.append(path)
        report("recordings", index + 1, count)
    return paths


def make_media(folder: Path, recordings: Sequence[Path], *, maker: str, report: Report) -> DemoMedia:
    """A fake of every recording, and a copy of the recording encoded as often and alike; and their manifest.

    Recordings without a face are skipped and named. Real and fake of one recording share `source_id` and split.
    """
    settings = ExtractSettings()
    records, skipped = [], []
    for index, path in enumerate(recordings):
        source = f"recording_{index:02d}_{_content(path, maker)}"
        split = SPLITS[index % len(SPLITS)]
        real, fake = folder / "videos" / f"{source}_real.mp4", folder / "videos" / f"{source}_fake.mp4"
        try:
            if not fake.exists():
                render_fake(path, fake, maker, seed=index, settings=settings)
            if not real.exists():
                render_copy(path, real)
        except (MakerError, MediaError, UsageError) as error:
            skipped.append(str(error))
            continue
        for video, label, name in ((real, REAL, "none"), (fake, FAKE, maker)):
            records.append(
                VideoRecord(
                    video_id=video.stem,
                    path=str(video.resolve()),
                    label=label,
                    manipulation=name,
                    source_id=source,
                    pair_id=source,
                    split=split,
                    dataset="demo",
                    origin=path.name,
                )
            )
        report("fakes", index + 1, len(recordings))
    _check(records, skipped)
    manifest = folder / "manifest.csv"
    write_manifest(manifest, records)
    return DemoMedia(manifest, records, skipped)


def _content(path: Path, maker: str) -> str:
    """A few letters that change with the recording and the maker, so that nothing old is taken for new."""
    return hashlib.sha256(f"{sha256_file(path)} {maker}".encode()).hexdigest()[:8]


def own_videos(folder: Path, *, most: int) -> list[Path]:
    """Up to `most` videos of the user's folder, by name."""
    paths = [Path(record.path) for record in records_from_paths([folder])]
    if len(paths) < len(SPLITS):
        raise UsageError(
            f"{folder}: holds {len(paths)} videos; the demo needs at least {len(SPLITS)}, each of real people, to "
            "train, choose and test on different ones."
        )
    return paths[:most]


def _check(records: list[VideoRecord], skipped: list[str]) -> None:
    missing = {"train", "validation", "test"} - {record.split for record in records}
    if missing:
        detail = f" First problem: {skipped[0]}" if skipped else ""
        raise UsageError(
            f"no usable video is left for {', '.join(sorted(missing))}; give more videos that show a face.{detail}"
        )
