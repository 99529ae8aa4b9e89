"""KoDF (Kwon et al., ICCV 2021): Korean actors, six synthesis models in five groups."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vidfake.datasets.base import DATASETS, UNCONFIRMED
from vidfake.datasets.lists import read_table
from vidfake.datasets.result import Published, ScanBuilder, ScanResult
from vidfake.datasets.tree import files_below, resolve_root, videos_below
from vidfake.types import FAKE, REAL

HOLDS = "AI-Hub's 원본영상_…메타데이터.csv and 변조영상_…메타데이터.csv, or videos named <actor>_<NNN>.mp4"
LICENCE = "KoDF terms of use (request form or AI-Hub)"
ORIGIN = "https://github.com/deepbrainai-research/kodf"

METHODS = {"1": "dfl", "2": "dffs", "3": "fsgan", "4": "fo", "5": "audio-driven"}

_SOURCE = "KoDF paper"
_REAL_TABLE, _FAKE_TABLE, _TABLE = "원본영상", "변조영상", "메타데이터"
_VIDEO, _ACTOR = "영상ID", "UUID"
_TARGET_VIDEO, _TARGET, _DONOR, _MODEL = "타겟영상", "타겟UUID", "소스UUID", "변조모델"
_PERSON = r"[0-9a-f]{20}|\d{6}"
_REAL = re.compile(rf"^({_PERSON})_(\d+)$")
_FAKE = re.compile(rf"^({_PERSON})_({_PERSON})_([1-5])_(\d+)$")
_SPLITS = {"training": "train", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class _Entry:
    """What is known of one video: by AI-Hub's tables, or by its name."""

    label: int
    people: tuple[str, ...]
    source: str
    recording: str = ""  # the real video that it is, or was made from
    method: str = ""
    split: str = ""


@DATASETS.register(
    "kodf",
    source=ORIGIN,
    licence=LICENCE,
    layout=HOLDS,
    splits="AI-Hub: training and validation tables; else none",
    status=UNCONFIRMED,
)
def scan(root: Path | str) -> ScanResult:
    """KoDF, by AI-Hub's tables where they are, else by the names of the files.

    Args:
        root: the folder that the archives were unpacked into.
    """
    root = resolve_root(root, Path.is_dir, dataset="KoDF", holds=HOLDS)  # archives unpack to any depth
    builder = ScanBuilder("kodf", root, licence=LICENCE, origin=ORIGIN)
    entries: dict[str, _Entry] = {}
    for path, label, split in _tables(root):
        entries.update(_read_table(path, label, split))
    found = set()
    for path in videos_below(root):
        stem = unicodedata.normalize("NFC", path.stem)
        entry = entries.get(stem) if entries else _by_name(stem)
        if entry is None:
            builder.extra.append(builder.relative(path))
            continue
        found.add(stem)
        builder.add(
            path,
            video_id=f"kodf/{stem}",
            label=entry.label,
            manipulation=entry.method,
            split=entry.split,
            source_id=f"kodf/{entry.source}",
            pair_id=f"kodf/{entry.recording}" if entry.recording else "",
            people=[f"kodf/{person}" for person in entry.people],
        )
    builder.missing += sorted(f"{stem}.mp4" for stem in entries.keys() - found)
    variant = "AI-Hub tables" if entries else "names only"
    return builder.finish(variant, [Published(62166, _SOURCE, REAL), Published(175776, _SOURCE, FAKE)])


def _tables(root: Path) -> Iterator[tuple[Path, int, str]]:
    """(path, label, split) of AI-Hub's tables. Names come composed or decomposed, by the system that unpacked."""
    for path in files_below(root):
        name = unicodedata.normalize("NFC", path.name)
        if not name.endswith(".csv") or _TABLE not in name:
            continue
        split = next((value for word, value in _SPLITS.items() if f"_{word}_" in name), "")
        if name.startswith(_REAL_TABLE):
            yield path, REAL, split
        elif name.startswith(_FAKE_TABLE):
            yield path, FAKE, split


def _read_table(path: Path, label: int, split: str) -> Iterator[tuple[str, _Entry]]:
    """(file stem, entry) of each row; UTF-8 or cp949."""
    columns = (_VIDEO, _ACTOR) if label == REAL else (_VIDEO, _TARGET, _DONOR, _MODEL)
    for _, row in read_table(path, required=columns):
        stem = row[_VIDEO].removesuffix(".mp4")
        if label == REAL:
            yield stem, _Entry(REAL, (row[_ACTOR],), stem, stem, split=split)
        else:
            target = row.get(_TARGET_VIDEO, "").removesuffix(".mp4")
            people = (row[_TARGET], row[_DONOR])
            yield stem, _Entry(FAKE, people, target or row[_TARGET], target, row[_MODEL], split)


def _by_name(stem: str) -> _Entry | None:
    """``<actor>_<NNN>`` is real, ``<target>_<donor>_<code>_<seq>`` fake of an unnamed recording of the target."""
    if match := _FAKE.match(stem):
        return _Entry(FAKE, (match[1], match[2]), match[1], method=METHODS[match[3]])
    if match := _REAL.match(stem):
        return _Entry(REAL, (match[1],), match[1])
    return None
