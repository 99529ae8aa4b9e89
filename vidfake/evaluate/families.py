"""Detectors of one data set against one another: names that can be told apart, and comparisons that exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vidfake.errors import ProtocolError, UsageError
from vidfake.evaluate.options import Options
from vidfake.evaluate.scoring import Source
from vidfake.inference.load import LoadedDetector
from vidfake.metrics.comparison import Comparison, compare_where_defined
from vidfake.registry import nearest
from vidfake.scores import ScoreTable
from vidfake.settings import ScoreSettings


def check_names(
    detectors: Sequence[LoadedDetector],
    sources: Sequence[Source],
    foreign: Mapping[str, Sequence[ScoreTable]],
    control: str = "",
) -> None:
    """Everything that is measured has a name of its own, and the control is one of them.

    Raises ProtocolError for a name that stands twice, UsageError for no detector at all and an unknown control.
    """
    ours = [d.name for d in detectors]
    theirs = {dataset: [table.detector for table in tables] for dataset, tables in foreign.items()}
    known = list(dict.fromkeys([*ours, *(name for names in theirs.values() for name in names)]))
    if not known:
        raise UsageError(
            "There is nothing to measure: name a detector (NAME.vidfake or a run folder), or give scores of one."
        )
    _refuse_twice("dataset", "", [s.name for s in sources], "NAME=PATH")
    _refuse_twice("detector", "", ours, "NAME=PATH")
    for dataset, names in theirs.items():
        _refuse_twice("detector", f" on {dataset}", [*ours, *names], "NAME=PATH, or DATASET:NAME=FILE for scores,")
    if control and control not in known:
        raise UsageError(
            f"No detector is called '{control}', which the others were to be compared with. Detectors here: "
            f"{', '.join(known)}.{nearest(control, known)}"
        )


def _refuse_twice(kind: str, where: str, names: Sequence[str], form: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ProtocolError(
                f"two {kind}s are called '{name}'{where}. Give each its own name, as {form} on the command line."
            )


def compared(
    tables: Mapping[tuple[str, str], ScoreTable], pooled: Mapping[str, ScoreSettings], options: Options
) -> tuple[tuple[Comparison, ...], list[str]]:
    """One family per data set with two detectors or more, and a note for every comparison that is not there.

    `tables` by (detector, data set), `pooled` by detector, as their own figures are pooled.
    """
    found: list[Comparison] = []
    notes: list[str] = []
    for dataset in dict.fromkeys(name for _, name in tables):
        here = {detector: table for (detector, name), table in tables.items() if name == dataset}
        control = options.control or next(iter(here))
        if control not in here:
            notes += [f"'{name}' is not compared on {dataset}: '{control}' has no scores there." for name in here]
            continue
        if len(here) == 1 and (options.control or options.margin is not None):
            notes.append(f"nothing is compared on {dataset}: '{control}' is the only detector there.")
        family = compare_where_defined(
            here, control, dataset=dataset, settings=pooled, margin=options.margin, how=options.how
        )
        found += family.rows
        notes += [
            f"'{name}' is not compared with '{control}' on {dataset}: {reason}"
            for name, reason in family.undefined.items()
        ]
    return tuple(found), notes
