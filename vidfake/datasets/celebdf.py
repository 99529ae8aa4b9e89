"""Celeb-DF v1 and v2 (Li et al., CVPR 2020) and Celeb-DF++ (Li et al., 2025): one layout, one way of naming."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vidfake.datasets.base import DATASETS
from vidfake.datasets.lists import read_lines
from vidfake.datasets.result import Published, ScanBuilder, ScanResult
from vidfake.datasets.tree import child, resolve_root, subfolders, videos_in
from vidfake.errors import DatasetError
from vidfake.types import FAKE, REAL

HOLDS = "Celeb-real/, YouTube-real/ and Celeb-synthesis/"
LIST = "List_of_testing_videos.txt"
LICENCE = "Celeb-DF terms of use (non-commercial research)"
ORIGIN = "https://github.com/yuezunli/celeb-deepfakeforensics"
ORIGIN_PP = "https://github.com/OUC-VAS/Celeb-DF-PP"

SCENARIOS = ("FaceSwap", "FaceReenact", "TalkingFace")
_LIST_REAL, _LIST_FAKE = "1", "0"  # the list's own labels, the reverse of everybody else's
_README = "Celeb-DF README"
_REAL = re.compile(r"^(id\d+)_(\d+)$")
_YOUTUBE = re.compile(r"^\d+$")
_SWAP = re.compile(r"^(id\d+)_(id\d+)_(\d+)$")
_TALK = re.compile(r"^(id\d+)_(\d+)_.+$")


@dataclass(frozen=True)
class _Name:
    """What a file name says: who is seen, whose face it is made with, and the recording it was made from."""

    people: tuple[str, ...]
    recording: str


def is_root(folder: Path) -> bool:
    """Whether a folder is the root of a Celeb-DF download."""
    return child(folder, "Celeb-real") is not None and child(folder, "Celeb-synthesis") is not None


def parse_real(stem: str) -> _Name | None:
    """``id0_0003`` or, for YouTube-real, ``00170``."""
    if match := _REAL.match(stem):
        return _Name((match[1],), stem)
    return _Name((f"youtube-{stem}",), stem) if _YOUTUBE.match(stem) else None


def parse_fake(stem: str) -> _Name | None:
    """``id0_id16_0003`` (id16's face in id0's recording 0003), or a talking face, ``id0_0003_…``."""
    if match := _SWAP.match(stem):
        return _Name((match[1], match[2]), f"{match[1]}_{match[3]}")
    if match := _TALK.match(stem):
        return _Name((match[1],), f"{match[1]}_{match[2]}")
    return None


@DATASETS.register(
    "celeb-df-v1", source=ORIGIN, licence=LICENCE, layout=HOLDS, splits=f"official test list: {LIST}"
)
def scan_v1(root: Path | str) -> ScanResult:
    """Celeb-DF v1: 408 real videos and 795 face swaps.

    Args:
        root: the folder that holds Celeb-real/, YouTube-real/ and Celeb-synthesis/.
    """
    published = [Published(408, _README, REAL), Published(795, _README, FAKE)]
    return _scan(root, "celeb-df-v1", ORIGIN, published)


@DATASETS.register(
    "celeb-df-v2", source=ORIGIN, licence=LICENCE, layout=HOLDS, splits=f"official test list: {LIST}"
)
def scan_v2(root: Path | str) -> ScanResult:
    """Celeb-DF v2: 590 + 300 real videos and 5,639 face swaps; 518 of them are the official test set.

    Args:
        root: the folder that holds Celeb-real/, YouTube-real/ and Celeb-synthesis/.
    """
    published = [
        Published(890, _README, REAL),
        Published(5639, _README, FAKE),
        Published(178, LIST, REAL, split="test"),
        Published(340, LIST, FAKE, split="test"),
    ]
    return _scan(root, "celeb-df-v2", ORIGIN, published)


@DATASETS.register(
    "celeb-df-pp",
    source=ORIGIN_PP,
    licence=LICENCE,
    layout=f"{HOLDS} with {', '.join(SCENARIOS)} in it",
    splits=f"official test list: {LIST}",
)
def scan_pp(root: Path | str) -> ScanResult:
    """Celeb-DF++: Celeb-DF v2's reals and fakes of 22 methods in three scenarios.

    Args:
        root: the folder that holds Celeb-real/, YouTube-real/ and Celeb-synthesis/.
    """
    source = "Celeb-DF++ README"
    published = [Published(890, source, REAL), Published(178, source, REAL, split="test")]
    return _scan(root, "celeb-df-pp", ORIGIN_PP, published)


def _scan(root: Path | str, dataset: str, origin: str, published: list[Published]) -> ScanResult:
    root = resolve_root(root, is_root, dataset=dataset, holds=HOLDS)
    builder = ScanBuilder(dataset, root, licence=LICENCE, origin=origin)
    listed = _read_list(root, builder)
    synthesis = child(root, "Celeb-synthesis")
    assert synthesis is not None  # is_root has seen it
    scenarios = [folder for folder in subfolders(synthesis) if folder.name in SCENARIOS]
    _check_release(dataset, root, bool(scenarios))
    nested = 0
    for name in ("Celeb-real", "YouTube-real"):
        folder = child(root, name)
        if folder is None:
            builder.missing.append(f"{name}/")
            continue
        for path in videos_in(folder):
            nested += path.parent != folder
            _add(builder, path, f"{name}/{path.stem}", REAL, name, "", listed)
    for manipulation, scenario, folder in _methods(synthesis, scenarios):
        for path in videos_in(folder):
            nested += path.parent != folder
            key = f"{folder.relative_to(root).as_posix()}/{path.stem}"
            _add(builder, path, key, FAKE, manipulation, scenario, listed)
    builder.missing += [f"{key}.mp4 (in {LIST})" for key in listed.labels if key not in listed.seen]
    variant = "videos in sub-folders named videos" if nested else "as distributed"
    if dataset == "celeb-df-pp":
        published = [*published, *_published_tests(scenarios)]
    return builder.finish(variant, published)


def _check_release(dataset: str, root: Path, has_scenarios: bool) -> None:
    if has_scenarios and dataset != "celeb-df-pp":
        raise DatasetError(
            f"{root}: Celeb-synthesis has {', '.join(SCENARIOS)}: this is Celeb-DF++, scan it as 'celeb-df-pp'."
        )
    if not has_scenarios and dataset == "celeb-df-pp":
        raise DatasetError(
            f"{root}: Celeb-synthesis has none of {', '.join(SCENARIOS)}: this is Celeb-DF v1 or v2, scan it as "
            "'celeb-df-v1' or 'celeb-df-v2'."
        )


def _methods(synthesis: Path, scenarios: list[Path]) -> list[tuple[str, str, Path]]:
    """(manipulation, scenario, folder) of every set of fakes."""
    if not scenarios:
        return [("Celeb-synthesis", "", synthesis)]
    return [(method.name, scenario.name, method) for scenario in scenarios for method in subfolders(scenario)]


def _published_tests(scenarios: list[Path]) -> list[Published]:
    per_scenario = {"FaceSwap": 200, "FaceReenact": 200, "TalkingFace": 300}
    return [
        Published(per_scenario[scenario.name], "Celeb-DF++ README", FAKE, method.name, "test")
        for scenario in scenarios
        for method in subfolders(scenario)
    ]


@dataclass
class _TestList:
    labels: dict[str, int]  # by path without suffix, as the list writes it
    present: bool
    seen: set[str]


def _read_list(root: Path, builder: ScanBuilder) -> _TestList:
    """The official test list: no header, ``<label> <path>`` per line, and 1 means REAL."""
    path = child(root, LIST)
    if path is None:
        builder.warnings.append(f"{LIST} is missing: split is left empty. It comes with the download.")
        return _TestList({}, False, set())
    labels: dict[str, int] = {}
    for number, line in read_lines(path):
        label, _, name = line.partition(" ")
        if label not in (_LIST_REAL, _LIST_FAKE) or not name.strip():
            raise DatasetError(f"{path}:{number}: {line!r} is not '<1 or 0> <path>'. Download the list again.")
        key = name.strip().removesuffix(".mp4")
        key = re.sub(r"^youtube-real", "YouTube-real", key, flags=re.IGNORECASE)
        if key in labels:
            raise DatasetError(f"{path}:{number}: {name.strip()} is listed twice. Download the list again.")
        labels[key] = REAL if label == _LIST_REAL else FAKE
    return _TestList(labels, True, set())


def _add(
    builder: ScanBuilder, path: Path, key: str, label: int, kind: str, scenario: str, listed: _TestList
) -> None:
    name = parse_real(path.stem) if label == REAL else parse_fake(path.stem)
    if name is None:
        builder.extra.append(builder.relative(path))
        return
    if listed.labels.get(key, label) != label:
        raise DatasetError(
            f"{LIST}: {key} is listed as {'real' if label == FAKE else 'fake'}, but lies among the "
            f"{'real' if label == REAL else 'fake'} videos. In this list 1 means real; was it edited?"
        )
    if key in listed.labels:
        listed.seen.add(key)
    split = ("test" if key in listed.labels else "train") if listed.present else ""
    builder.add(
        path,
        video_id=f"{builder.dataset}/{kind}/{path.stem}",
        label=label,
        manipulation=kind,
        split=split,
        source_id=f"celeb-df/{name.recording}",
        pair_id=f"{builder.dataset}/{name.recording}",
        people=[f"celeb-df/{person}" for person in name.people],
        extra={"scenario": scenario},
    )
