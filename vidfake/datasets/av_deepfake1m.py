"""AV-Deepfake1M (Cai et al., 2024) and AV-Deepfake1M++ (2025): short forged stretches in long real videos."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

from vidfake.datasets.base import DATASETS
from vidfake.datasets.lists import json_objects, read_lines, text_of
from vidfake.datasets.result import Published, ScanBuilder, ScanResult
from vidfake.datasets.tree import resolve_root, videos_below, within
from vidfake.errors import DatasetError
from vidfake.types import FAKE, REAL

HOLDS = "train/, val/, test/ and train_metadata.json, val_metadata.json"
LICENCE = "AV-Deepfake1M terms and conditions, EULA (research)"
ORIGIN = "https://github.com/ControlNet/AV-Deepfake1M"

_PARTS = {"train": "train", "val": "validation"}
_VISUAL = {"real": REAL, "audio_modified": REAL, "visual_modified": FAKE, "both_modified": FAKE}
_SPEAKER = re.compile(r"^id\d{4,5}$")
_SUBJECT = re.compile(r"^(subject_\d+)_")
_COUNTS = {"train": 746180, "validation": 57340}
_PP_VALIDATION = 77326
_MAX_TEXT = 4000  # characters that one manifest column takes


def is_root(folder: Path) -> bool:
    """Whether a folder is the root of AV-Deepfake1M."""
    return any((folder / f"{part}_metadata.json").is_file() for part in _PARTS)


@DATASETS.register(
    "av-deepfake1m", source=ORIGIN, licence=LICENCE, layout=HOLDS, splits="official train, val; test has no labels"
)
def scan(root: Path | str, *, unlabelled_test: bool = False) -> ScanResult:
    """AV-Deepfake1M or ++; a video whose picture is untouched is real, whatever its sound.

    Args:
        root: the folder that holds train/, val/ and their metadata.
        unlabelled_test: also take the test videos, without labels, to be scored only.
    """
    root = resolve_root(root, is_root, dataset="AV-Deepfake1M", holds=HOLDS)
    builder = ScanBuilder("av-deepfake1m", root, licence=LICENCE, origin=ORIGIN)
    plus = False
    listed = []
    for part, split in _PARTS.items():
        listing = root / f"{part}_metadata.json"
        if listing.is_file():
            plus |= _add_part(builder, listing, root / part, split)
            listed.append(split)
    if unlabelled_test:
        _add_test(builder, root)
    published = [Published(_COUNTS[split], "AV-Deepfake1M paper", split=split) for split in listed if not plus]
    if plus and "validation" in listed:
        published = [Published(_PP_VALIDATION, "as listed by deepfake-workbench", split="validation")]
    return builder.finish("AV-Deepfake1M++" if plus else "AV-Deepfake1M", published)


def _add_part(builder: ScanBuilder, listing: Path, folder: Path, split: str) -> bool:
    """Videos of one part; returns whether its list is ++'s (it names the model that made the picture)."""
    plus = False
    named = set()
    for number, entry in enumerate(json_objects(listing), start=1):
        name, kind = text_of(entry.get("file")), text_of(entry.get("modify_type")).replace("-", "_")
        if not name or kind not in _VISUAL:
            raise DatasetError(
                f"{listing}: entry {number} has file {entry.get('file')!r} and modify_type "
                f"{entry.get('modify_type')!r}; modify_type is one of {', '.join(_VISUAL)}."
            )
        plus |= "video_model" in entry
        path = within(folder, name)
        if path is None or not path.is_file():
            builder.missing.append(f"{folder.name}/{name}")
            continue
        named.add(path)
        _add(builder, path, name, split, kind, entry)
    if folder.is_dir():
        builder.extra += [
            f"{builder.relative(path)} (not in {listing.name})"
            for path in videos_below(folder)
            if path not in named
        ]
    return plus


def _add(builder: ScanBuilder, path: Path, name: str, split: str, kind: str, entry: dict[str, Any]) -> None:
    label = _VISUAL[kind]
    utterance = PurePosixPath(name).parent.as_posix()
    builder.add(
        path,
        video_id=f"av-deepfake1m/{split}/{PurePosixPath(name).with_suffix('').as_posix()}",
        label=label,
        manipulation=text_of(entry.get("video_model")) or kind,
        split=split,
        source_id=f"av-deepfake1m/{utterance}" if utterance != "." else "",
        pair_id=f"av-deepfake1m/{split}/{utterance}" if utterance != "." else "",
        people=[_person(name)],
        extra={
            "modify_type": kind,
            "fake_segments_seconds": _segments(entry.get("fake_segments")),
            "visual_fake_segments_seconds": _segments(entry.get("visual_fake_segments")),
        },
    )


def _person(name: str) -> str:
    """VoxCeleb2's speaker, LRS3's clip or the silent videos' subject; nothing where the path does not say."""
    parts = PurePosixPath(name).parts
    for part in parts[:-1]:
        if _SPEAKER.match(part):
            return f"voxceleb2/{part}"
        if match := _SUBJECT.match(part):
            return f"av-deepfake1m/{match[1]}"
    return f"lrs3/{parts[1]}" if len(parts) > 2 and parts[0] == "lrs3" else ""


def _segments(value: object) -> str:
    """``[[start, end], …]`` in seconds as JSON; nothing where there are none, or too many for a column."""
    if not isinstance(value, list) or not value:
        return ""
    pairs = [pair for pair in value if isinstance(pair, list) and len(pair) == 2]
    text = json.dumps(pairs)
    return text if len(pairs) == len(value) and len(text) <= _MAX_TEXT else ""


def _add_test(builder: ScanBuilder, root: Path) -> None:
    listing = root / "test_files.txt"
    for _, name in read_lines(listing):
        path = within(root / "test", name)
        if path is None or not path.is_file():
            builder.missing.append(f"test/{name}")
            continue
        inside = PurePosixPath(name).with_suffix("").as_posix()
        builder.add(path, video_id=f"av-deepfake1m/test/{inside}", label=None, split="test")
