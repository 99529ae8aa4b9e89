"""Which arguments of `vidfake evaluate` are detectors and which are data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vidfake.errors import UsageError

if TYPE_CHECKING:
    from vidfake.evaluate.scoring import Source
    from vidfake.inference.load import LoadedDetector
    from vidfake.scores import ScoreTable
    from vidfake.scores.foreign import Direction


def named(argument: str) -> tuple[str, Path]:
    """``NAME=PATH`` or ``PATH`` as (name or "", path). A path that exists is never split."""
    name, equals, path = argument.partition("=")
    if equals and not Path(argument).exists():
        return name, Path(path)
    return "", Path(argument)


def open_inputs(
    inputs: Sequence[str | Path], *, splits: Sequence[str], readout: str | None, device: str
) -> tuple[list[LoadedDetector], list[Source]]:
    """Every argument opened as what it is. Raises UsageError for one that is neither.

    Without a detector no video is read, so the videos of the manifests need not be there.
    """
    from dataclasses import replace

    from vidfake.cli.checkpoints import find_checkpoint, is_default, open_detector
    from vidfake.evaluate.scoring import open_source

    checkpoints: list[tuple[str, Path]] = []
    data: list[tuple[str, Path]] = []
    for name, path in map(named, map(str, inputs)):
        if is_default(path):
            checkpoints.append((name, find_checkpoint(path)))
        elif (path / "store.json").is_file() or path.suffix.lower() == ".csv":
            data.append((name, path))
        elif (path / "checkpoint.json").is_file() or (path / "best.vidfake").is_dir():
            checkpoints.append((name, find_checkpoint(path)))
        else:
            raise UsageError(
                f"{path}: is neither a detector (NAME.vidfake, a run folder with best.vidfake, or default) nor a "
                "data set (a manifest ending in .csv, or a clip store)."
            )
    if not data:
        raise UsageError("No data set was named. Add a manifest (.csv) or a clip store.")
    sources = [open_source(path, splits=splits, name=name, check_files=bool(checkpoints)) for name, path in data]
    detectors = []
    for name, path in checkpoints:
        detector = open_detector(path, readout=readout, device=device)
        detectors.append(replace(detector, name=name) if name else detector)
    return detectors, sources


def open_scores(texts: Sequence[str], sources: Sequence[Source], higher_is: str) -> dict[str, list[ScoreTable]]:
    """Other detectors' score files, ``DATASET:FILE`` or ``DATASET:NAME=FILE``, joined to the data set of each.

    A detector without a name of its own is called as its file.
    """
    from dataclasses import replace

    from vidfake.scores import read_score_file

    directions: dict[str, Direction | None] = {"": None, "fake": "fake", "real": "real"}
    if higher_is not in directions:
        raise UsageError(f"--higher-is is '{higher_is}'. It takes fake or real.")
    if higher_is and not texts:
        raise UsageError(f"--higher-is {higher_is} is about score files, and none was named with --scores.")
    known = {source.name: source for source in sources}
    found: dict[str, list[ScoreTable]] = {}
    for text in texts:
        dataset, colon, rest = text.partition(":")
        if not colon or dataset not in known:
            raise UsageError(
                f"--scores {text!r}: write DATASET:FILE or DATASET:NAME=FILE, with a data set among "
                f"{', '.join(known)}."
            )
        name, file = named(rest)
        table = read_score_file(
            file, records=known[dataset].records, higher_is=directions[higher_is], allow_missing=True
        )
        found.setdefault(dataset, []).append(replace(table, detector=name) if name else table)
    return found
