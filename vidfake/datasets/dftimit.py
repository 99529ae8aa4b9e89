"""DeepfakeTIMIT (Korshunov and Marcel, 2018): swaps at two qualities; the real recordings are VidTIMIT's."""

from __future__ import annotations

import re
from pathlib import Path

from vidfake.datasets.base import DATASETS
from vidfake.datasets.frames import convert, images_in
from vidfake.datasets.result import Published, ScanBuilder, ScanResult
from vidfake.datasets.tree import child, resolve_root, subfolders, videos_in
from vidfake.errors import DatasetError
from vidfake.types import FAKE, REAL

QUALITIES = ("higher_quality", "lower_quality")
HOLDS = "higher_quality/ and lower_quality/"
LICENCE = "DeepfakeTIMIT's terms (Idiap); VidTIMIT's own terms"
ORIGIN = "https://www.idiap.ch/en/dataset/deepfaketimit"
FRAME_RATE = 25.0  # VidTIMIT's, as documented

_FAKE = re.compile(r"^(\w+)-video-(\w+)$")
_SOURCE = "DeepfakeTIMIT paper"


def is_root(folder: Path) -> bool:
    """Whether a folder holds DeepfakeTIMIT's two qualities."""
    return any((folder / name).is_dir() for name in QUALITIES)


@DATASETS.register("dftimit", source=ORIGIN, licence=LICENCE, layout=HOLDS, splits="none")
def scan(root: Path | str, *, vidtimit: Path | str | None = None, videos: Path | str | None = None) -> ScanResult:
    """DeepfakeTIMIT's fakes, with the VidTIMIT recordings that they were made from as reals.

    Args:
        root: the folder that holds higher_quality/ and lower_quality/.
        vidtimit: VidTIMIT's folder: <subject>/video/<utterance>/ with numbered JPEGs as distributed, or
            <subject>/<utterance>.avi as some tools make of them. Without it there are no real videos.
        videos: where VidTIMIT's numbered JPEGs are written as lossless videos.
    """
    root = resolve_root(root, is_root, dataset="DeepfakeTIMIT", holds=HOLDS)
    builder = ScanBuilder("dftimit", root, licence=LICENCE, origin=ORIGIN)
    recordings: set[tuple[str, str]] = set()
    for quality in QUALITIES:
        for subject in subfolders(root / quality):
            for path in videos_in(subject):
                match = _FAKE.match(path.stem)
                if match is None:
                    builder.extra.append(builder.relative(path))
                    continue
                recordings.add((subject.name, match[1]))
                _add(builder, path, subject.name, match[1], donor=match[2], quality=quality)
    if vidtimit is None:
        builder.warnings.append("No real videos: they are VidTIMIT's, a separate download. Pass vidtimit=FOLDER.")
    else:
        _add_reals(builder, Path(vidtimit), recordings, Path(videos).absolute() if videos else None)
    published = [Published(320, _SOURCE, FAKE, compression=q) for q in QUALITIES if (root / q).is_dir()]
    if vidtimit is not None:
        published.append(Published(320, _SOURCE, REAL))
    return builder.finish("as distributed", published)


def _add(
    builder: ScanBuilder,
    path: Path,
    subject: str,
    utterance: str,
    *,
    donor: str = "",
    quality: str = "",
    pending: bool = False,
) -> None:
    builder.add(
        path,
        video_id=f"dftimit/{quality or 'vidtimit'}/{subject}/{path.stem if donor else utterance}",
        label=FAKE if donor else REAL,
        manipulation="faceswap-GAN",
        compression=quality,
        source_id=f"vidtimit/{subject}/{utterance}",
        pair_id=f"dftimit/{subject}/{utterance}",
        people=[f"vidtimit/{person}" for person in (subject, donor) if person],
        pending=pending,
    )


def _add_reals(builder: ScanBuilder, vidtimit: Path, recordings: set[tuple[str, str]], videos: Path | None) -> None:
    """The recordings that fakes were made from: a video, or numbered JPEGs (without a suffix) to convert."""
    if not vidtimit.is_dir():
        raise DatasetError(f"{vidtimit}: no such folder. Name VidTIMIT's folder, which has one folder per subject.")
    for subject, utterance in sorted(recordings):
        folder = vidtimit / subject
        video = child(folder, f"{utterance}.avi", f"{utterance}.mp4")
        frames = folder / "video" / utterance
        if video is not None:
            _add(builder, video, subject, utterance)
        elif not frames.is_dir() or not (images := images_in(frames, bare_names=True)):
            builder.missing.append(f"VidTIMIT {subject}/{utterance}")
        elif videos is None:
            _add(builder, frames, subject, utterance, pending=True)
        else:
            target = videos / subject / f"{utterance}.mkv"
            if convert(builder, target, (image.read_bytes() for image in images), frame_rate=FRAME_RATE):
                _add(builder, target, subject, utterance)
