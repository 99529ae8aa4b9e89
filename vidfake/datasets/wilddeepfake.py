"""WildDeepfake (Zi et al., ACM MM 2020): 7,314 sequences of face crops from the internet, in tar archives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vidfake.datasets.archives import DamagedArchiveError, tar_members
from vidfake.datasets.base import DATASETS
from vidfake.datasets.frames import IMAGE_SUFFIXES, convert, frame_number, images_in
from vidfake.datasets.lists import read_json
from vidfake.datasets.result import Published, ScanBuilder, ScanResult
from vidfake.datasets.tree import is_video, resolve_root, subfolders
from vidfake.errors import DatasetError
from vidfake.files import write_json
from vidfake.types import FAKE, REAL

CATEGORIES = {
    "real_train": (REAL, "train", 3409),
    "fake_train": (FAKE, "train", 3099),
    "real_test": (REAL, "test", 396),
    "fake_test": (FAKE, "test", 410),
}
"""Folder -> (label, split, published sequences). The root itself is called deepfake_in_the_wild."""

HOLDS = ", ".join(f"{name}/" for name in CATEGORIES)
LICENCE = "WildDeepfake terms (on its dataset page)"
ORIGIN = "https://huggingface.co/datasets/xingjunm/WildDeepfake"
FRAME_RATE = 25.0  # nominal: the corpus does not say

_CLASS_FOLDER = {REAL: "real", FAKE: "fake"}
_ARCHIVE = re.compile(r"^(\d+)\.tar(\.gz)?$")
_SHARD = re.compile(r"^\d+$")
_CONVERTED = re.compile(r"^\d+_\d+$")
_MAX_SEQUENCE_BYTES = 4 * 2**30


@dataclass(frozen=True)
class _Sequence:
    """One sequence: `shard`_`number`, and how many frames it has."""

    name: str
    num_frames: int


def is_root(folder: Path) -> bool:
    """Whether a folder holds WildDeepfake's categories."""
    return any((folder / name).is_dir() for name in CATEGORIES)


@DATASETS.register("wilddeepfake", source=ORIGIN, licence=LICENCE, layout=HOLDS, splits="official train and test")
def scan(root: Path | str, *, videos: Path | str | None = None) -> ScanResult:
    """WildDeepfake: archives, unpacked frames, or the videos that a scan has made of them.

    Args:
        root: the folder that holds real_train/, real_test/, fake_train/ and fake_test/.
        videos: write every sequence as a lossless video into this folder, and list those. What is already there
            is not made again. Without it, sequences of frames are counted only (`pending`).
    """
    root = resolve_root(root, is_root, dataset="WildDeepfake", holds=HOLDS)
    builder = ScanBuilder("wilddeepfake", root, licence=LICENCE, origin=ORIGIN)
    out = Path(videos).absolute() if videos is not None else None
    variants = set()
    for category in CATEGORIES:
        folder = root / category
        if not folder.is_dir():
            builder.missing.append(f"{category}/")
            continue
        for path in sorted(folder.iterdir()):
            if match := _ARCHIVE.match(path.name):
                variants.add("tar archives")
                _add_archive(builder, category, path, match[1], out)
            elif _SHARD.match(path.name) and path.is_dir():
                variants.add("unpacked frames")
                _add_frames(builder, category, path, out)
            elif is_video(path) and _CONVERTED.match(path.stem):
                variants.add("converted videos")
                _add(builder, category, path, _Sequence(path.stem, 0), pending=False)
            elif not path.name.startswith(".") and path.suffix != ".json":
                builder.extra.append(builder.relative(path))
    published = [Published(n, "as listed by deepfake-workbench", y, split=s) for y, s, n in CATEGORIES.values()]
    return builder.finish(" and ".join(sorted(variants)), published)


def _add(builder: ScanBuilder, category: str, path: Path, sequence: _Sequence, *, pending: bool) -> None:
    label, split, _ = CATEGORIES[category]
    builder.add(
        path,
        video_id=f"wilddeepfake/{category}/{sequence.name}",
        label=label,
        manipulation="in_the_wild",
        split=split,
        extra={"num_frames": str(sequence.num_frames) if sequence.num_frames else ""},
        pending=pending,
    )


def _add_frames(builder: ScanBuilder, category: str, shard: Path, out: Path | None) -> None:
    """Unpacked: ``<shard>/<real or fake>/<sequence>/<frame>.png``."""
    expected = _CLASS_FOLDER[CATEGORIES[category][0]]
    for inner in subfolders(shard):
        if inner.name != expected:
            builder.extra.append(f"{builder.relative(inner)} (not {expected})")
            continue
        for folder in subfolders(inner):
            images = images_in(folder)
            if not images:
                builder.missing.append(f"{builder.relative(folder)} (no frames)")
                continue
            sequence = _Sequence(f"{shard.name}_{folder.name}", len(images))
            if out is None:
                _add(builder, category, folder, sequence, pending=True)
                continue
            target = out / category / f"{sequence.name}.mkv"
            if convert(builder, target, (image.read_bytes() for image in images), frame_rate=FRAME_RATE):
                _add(builder, category, target, sequence, pending=False)


def _add_archive(builder: ScanBuilder, category: str, archive: Path, shard: str, out: Path | None) -> None:
    """Archived: the same tree inside ``<shard>.tar.gz``. A broken archive gives what comes before the break."""
    done = None if out is None else out / category / f"{shard}.json"
    if done is not None and done.is_file() and (known := _converted(done, archive)) is not None:
        for sequence in known:
            _add(builder, category, done.with_name(f"{sequence.name}.mkv"), sequence, pending=False)
        return
    found: dict[str, int] = {}
    try:
        for sequence, pictures in _sequences(category, archive, shard, contents=out is not None):
            found[sequence.name] = sequence.num_frames
            if out is None:
                _add(builder, category, archive, sequence, pending=True)
                continue
            target = out / category / f"{sequence.name}.mkv"
            if convert(builder, target, pictures, frame_rate=FRAME_RATE):
                _add(builder, category, target, sequence, pending=False)
    except DamagedArchiveError as error:
        builder.missing.append(f"{builder.relative(archive)} after {len(found)} sequences ({error})")
        return
    if done is not None:
        write_json(done, {"bytes": archive.stat().st_size, "sequences": found})


def _converted(done: Path, archive: Path) -> list[_Sequence] | None:
    """What an earlier scan made of this archive; None where the archive has changed or a video is gone."""
    known = read_json(done)
    sequences = known.get("sequences") if isinstance(known, dict) else None
    if not isinstance(sequences, dict) or not all(isinstance(n, int) for n in sequences.values()):
        raise DatasetError(f"{done}: damaged. Delete it, then scan again.")
    if known.get("bytes") != archive.stat().st_size:
        return None
    there = all(_CONVERTED.match(name) and done.with_name(f"{name}.mkv").is_file() for name in sequences)
    return [_Sequence(name, count) for name, count in sequences.items()] if there else None


def _sequences(
    category: str, archive: Path, shard: str, *, contents: bool
) -> Iterator[tuple[_Sequence, list[bytes]]]:
    """Every sequence of an archive with its frames in order; an archive holds the frames of one after another."""
    expected = _CLASS_FOLDER[CATEGORIES[category][0]]
    frames: dict[int, bytes] = {}
    current, seen, size = "", set(), 0
    for name, data in tar_members(archive, contents=contents):
        place = _place(name)
        if place is None:
            continue
        inner, sequence, number = place
        if inner != expected:
            raise DatasetError(f"{archive}: holds '{name}', but {category} holds '{expected}' only.")
        if sequence != current:
            if frames:
                yield _finished(shard, current, frames)
            if sequence in seen:
                raise DatasetError(
                    f"{archive}: the frames of sequence {sequence} are not together. Unpack it first."
                )
            current, frames, size = sequence, {}, 0
            seen.add(sequence)
        size += len(data)
        if size > _MAX_SEQUENCE_BYTES:
            raise DatasetError(f"{archive}: sequence {sequence} has over {_MAX_SEQUENCE_BYTES} bytes of frames.")
        frames[number] = data
    if frames:
        yield _finished(shard, current, frames)


def _finished(shard: str, sequence: str, frames: dict[int, bytes]) -> tuple[_Sequence, list[bytes]]:
    return _Sequence(f"{shard}_{sequence}", len(frames)), [frames[number] for number in sorted(frames)]


def _place(name: PurePosixPath) -> tuple[str, str, int] | None:
    """(real or fake, sequence, frame number) of ``<shard>/<real or fake>/<sequence>/<frame>.png``."""
    if len(name.parts) != 4 or name.suffix.lower() not in IMAGE_SUFFIXES:
        return None
    _, inner, sequence, _ = name.parts
    number = frame_number(name.stem)
    return (inner, sequence, number) if number is not None and _SHARD.match(sequence) else None
