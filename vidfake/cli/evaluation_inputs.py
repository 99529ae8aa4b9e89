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
    """Every argument opened as what it is. Raises UsageError for one that is neither."""
    from dataclasses import replace

    from vidfake.cli.checkpoints import find_checkpoint
    from vidfake.evaluate.scoring import open_source
    from vidfake.inference.load import load_detector

    detectors: list[LoadedDetector] = []
    sources: list[Source] = []
    for argument in map(str, inputs):
        name, path = named(argument)
        if (path / "store.json").is_file() or path.suffix.lower() == ".csv":
            sources.append(open_source(path, splits=splits, name=name))
        elif (path / "checkpoint.json").is_file() or (path / "best.vidfake").is_dir():
            detector = load_detector(find_checkpoint(path), readout=readout, device=device)
            detectors.append(replace(detector, name=name) if name else detector)
        else:
            raise UsageError(
                f"{path}: is neither a detector (NAME.vidfake, or a run folder with best.vidfake) nor a data set "
                "(a manifest ending in .csv, or a clip store)."
            )
    if not sources:
        raise UsageError("No data set was named. Add a manifest (.csv) or a clip store.")
    return detectors, sources


def open_scores(texts: Sequence[str], sources: Sequence[Source], higher_is: str) -> dict[str, list[ScoreTable]]:
    """Other detectors' score files, joined to the data set that each names."""
    from vidfake.scores import read_score_file

    directions: dict[str, Direction | None] = {"": None, "fake": "fake", "real": "real"}
    if higher_is not in directions:
        raise UsageError(f"--higher-is is '{higher_is}'. It takes fake or real.")
    known = {source.name: source for source in sources}
    found: dict[str, list[ScoreTable]] = {}
    for text in texts:
        dataset, colon, file = text.partition(":")
        if not colon or dataset not in known:
            raise UsageError(f"--scores {text!r}: write DATASET:FILE with a data set among {', '.join(known)}.")
        table = read_score_file(
            file, records=known[dataset].records, higher_is=directions[higher_is], allow_missing=True
        )
        found.setdefault(dataset, []).append(table)
    return found
