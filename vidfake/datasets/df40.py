"""DF40 (Yan et al., NeurIPS 2024): fakes of many methods on FaceForensics++ (ff) and Celeb-DF (cdf)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vidfake.datasets import celebdf
from vidfake.datasets.base import DATASETS, UNCONFIRMED
from vidfake.datasets.ffpp_splits import Sequences, find_splits, is_sequence, parse_fake, person, read_splits
from vidfake.datasets.frames import convert, images_in
from vidfake.datasets.result import ScanBuilder, ScanResult
from vidfake.datasets.tree import child, resolve_root, subfolders, videos_below
from vidfake.types import FAKE, REAL

SWAPS = (
    "blendface", "deepfacelab", "e4s", "facedancer", "faceswap", "fsgan", "inswap", "mobileswap", "simswap",
    "uniface",
)  # fmt: skip
REENACTMENTS = (
    "danet", "facevid2vid", "fomm", "heygen", "hyperreenact", "lia", "mcnet", "mraa", "one_shot_free", "pirender",
    "sadtalker", "tpsm", "wav2lip",
)  # fmt: skip
VIDEO_METHODS = (*SWAPS, *REENACTMENTS)
"""Methods that make videos. Entire synthesis and editing make single pictures, which are not taken."""

HOLDS = "one folder per method (simswap/, fomm/ …) with ff/ and cdf/ in it"
LICENCE = "CC BY-NC 4.0"
ORIGIN = "https://github.com/YZY-stack/DF40"
FRAME_RATE = 25.0  # nominal: frames were sampled from the videos

_DOMAINS = ("ff", "cdf", "fake", "real")


@dataclass(frozen=True)
class _Place:
    """Where a sequence lies: method and domain."""

    method: str
    domain: str
    folder: Path


def is_root(folder: Path) -> bool:
    """Whether a folder has DF40's methods as sub-folders."""
    return any(_domains(method) for method in _methods(folder))


def _methods(root: Path) -> list[Path]:
    return [folder for folder in subfolders(root) if folder.name.lower() in VIDEO_METHODS]


def _domains(method: Path) -> list[_Place]:
    places = []
    for domain in _DOMAINS:
        folder = child(method, domain)
        if folder is not None and folder.is_dir():
            places.append(_Place(method.name.lower(), domain, folder))
    return places


@DATASETS.register(
    "df40", source=ORIGIN, licence=LICENCE, layout=HOLDS, splits="two downloads: train, test", status=UNCONFIRMED
)
def scan(
    root: Path | str,
    *,
    part: Literal["", "train", "test"] = "",
    splits: Path | str | None = None,
    videos: Path | str | None = None,
) -> ScanResult:
    """DF40's face swaps and reenactments; their reals are FaceForensics++'s and Celeb-DF's own.

    Args:
        root: the folder that holds one folder per method.
        part: which of the two downloads this is; becomes the split.
        splits: folder of FaceForensics++'s train.json, val.json, test.json: fills the column `ffpp_split`.
        videos: write the published frames as lossless videos into this folder, and list those.
    """
    root = resolve_root(root, is_root, dataset="DF40", holds=HOLDS)
    builder = ScanBuilder("df40", root, licence=LICENCE, origin=ORIGIN)
    sequences = read_splits(find_splits(root, splits))
    out = Path(videos).absolute() if videos is not None else None
    methods = _methods(root)
    variants = set()
    for place in (place for method in methods for place in _domains(method)):
        for path in videos_below(place.folder):
            variants.add("videos")
            _add(builder, place, path, path.stem, part, sequences, pending=False)
        for folder in _frame_folders(place.folder):
            variants.add("frames")
            _add_frames(builder, place, folder, part, sequences, out)
    others = [folder.name for folder in subfolders(root) if folder not in methods]
    if others:
        builder.warnings.append(f"Not taken, single pictures or unknown: {', '.join(others)}.")
    return builder.finish(" and ".join(sorted(variants)) or "no videos, no frames")


def _frame_folders(domain: Path) -> list[Path]:
    """Folders of pictures: ``<video>/`` or ``frames/<video>/``."""
    inside = domain / "frames"
    return [folder for folder in subfolders(inside if inside.is_dir() else domain) if images_in(folder)]


def _add_frames(
    builder: ScanBuilder, place: _Place, folder: Path, part: str, sequences: Sequences, out: Path | None
) -> None:
    if out is None:
        _add(builder, place, folder, folder.name, part, sequences, pending=True)
        return
    target = out / place.method / place.domain / f"{folder.name}.mkv"
    if convert(builder, target, (image.read_bytes() for image in images_in(folder)), frame_rate=FRAME_RATE):
        _add(builder, place, target, folder.name, part, sequences, pending=False)


def _add(
    builder: ScanBuilder, place: _Place, path: Path, stem: str, part: str, sequences: Sequences, *, pending: bool
) -> None:
    people, source, ffpp_split = _names(place.domain, stem, sequences)
    builder.add(
        path,
        video_id=f"df40/{place.method}/{place.domain}/{stem}",
        label=REAL if place.domain == "real" else FAKE,
        manipulation=place.method,
        split=part,
        source_id=source,
        people=people,
        extra={"domain": place.domain, "ffpp_split": ffpp_split},
        pending=pending,
    )


def _names(domain: str, stem: str, sequences: Sequences) -> tuple[list[str], str, str]:
    """(people, source, split in FaceForensics++) that a name tells, in the words of the corpus it comes from."""
    if domain == "ff":
        pair = parse_fake(stem) or ((stem,) if is_sequence(stem) else ())
        if pair:
            return (
                [person(i) for i in pair],
                sequences.sources([pair[0]])[pair[0]],
                sequences.split_of.get(pair[0], ""),
            )
    name = celebdf.parse_fake(stem) if domain == "cdf" else None
    if name is not None:
        return [f"celeb-df/{who}" for who in name.people], f"celeb-df/{name.recording}", ""
    return [], "", ""
