"""`vidfake evaluate CHECKPOINT… MANIFEST…`: frame-level, frames-averaged and video-level AUC, with coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidfake.cli.options import JsonOption, NoSandboxOption, WorkersOption, no_sandbox_notice, worker_count

if TYPE_CHECKING:
    from vidfake.report import EvaluationResult


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def evaluate(
        inputs: Annotated[
            list[str],
            typer.Argument(
                help="Detectors (NAME.vidfake, run folders, or default, the one that ships) and data sets "
                "(manifests .csv or clip stores), any number of each, in any order; NAME=PATH names one."
            ),
        ],
        out: Annotated[
            Path, typer.Option("--out", help="Folder of the report; an interrupted run goes on there.")
        ] = Path("evaluation"),
        split: Annotated[
            list[str] | None, typer.Option("--split", help="Only rows of this split. Repeatable.")
        ] = None,
        scores: Annotated[
            list[str] | None,
            typer.Option(
                "--scores",
                help="DATASET:FILE or DATASET:NAME=FILE: another detector's scores (CSV or JSON). Repeatable.",
            ),
        ] = None,
        higher_is: Annotated[
            str, typer.Option("--higher-is", help="fake or real: what a high score means in --scores files.")
        ] = "",
        corrupt: Annotated[
            list[str] | None,
            typer.Option(
                "--corrupt", help="KIND, KIND:LEVEL, all or all:LEVEL (vidfake list corruptions). Repeatable."
            ),
        ] = None,
        readout: Annotated[str, typer.Option("--readout", help="native, prototype, probe or knn.")] = "",
        profile: Annotated[
            str,
            typer.Option(
                "--profile", help="fast, balanced or thorough, as of `vidfake score`; of manifests, not of stores."
            ),
        ] = "balanced",
        control: Annotated[str, typer.Option("--control", help="The detector that others are compared with.")] = "",
        margin: Annotated[
            float | None, typer.Option("--margin", help="AUC difference below which detectors count as equivalent.")
        ] = None,
        resamples: Annotated[int, typer.Option("--resamples", help="Bootstrap resamples; 0 for none.")] = 2000,
        pooling_study: Annotated[
            bool,
            typer.Option("--pooling-study", help="Choose a pooling on validation and report it on the first set."),
        ] = False,
        allow_overlap: Annotated[
            bool, typer.Option("--allow-overlap", help="Measure on sources that were trained on, and mark it.")
        ] = False,
        device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1 …")] = "cpu",
        workers: WorkersOption = 0,
        no_sandbox: NoSandboxOption = False,
        as_json: JsonOption = False,
    ) -> None:
        """Measure detectors on labelled data, and write a report.

        Every figure is given at its level, with an interval that resamples sources, and with coverage beside it.
        """
        from vidfake.cli import display

        if no_sandbox:
            no_sandbox_notice()
        result = run_evaluation(
            inputs,
            out=out,
            splits=split or [],
            scores=scores or [],
            higher_is=higher_is,
            corrupt=corrupt or [],
            readout=readout,
            profile=profile,
            control=control,
            margin=margin,
            resamples=resamples,
            pooling=pooling_study,
            allow_overlap=allow_overlap,
            device=device,
            workers=worker_count(workers),
            sandbox=not no_sandbox,
        )
        if as_json:
            from vidfake.metrics.results import to_plain

            display.print_json(to_plain(result))
        else:
            print_headline(result)
            display.say(f"Report: {out / 'report.html'}")
        if not any(section.levels for found in result.results for section in found.sections):
            raise typer.Exit(4)


def run_evaluation(
    inputs: Sequence[str | Path],
    *,
    out: Path,
    splits: Sequence[str] = (),
    scores: Sequence[str] = (),
    higher_is: str = "",
    corrupt: Sequence[str] = (),
    readout: str = "",
    profile: str = "balanced",
    control: str = "",
    margin: float | None = None,
    resamples: int = 2000,
    pooling: bool = False,
    allow_overlap: bool = False,
    device: str = "cpu",
    workers: int = 1,
    sandbox: bool = True,
) -> EvaluationResult:
    """What the command does; also used by the demo."""
    import shlex
    import sys

    from vidfake.cli import display
    from vidfake.cli.evaluation_inputs import open_inputs, open_scores
    from vidfake.corruptions import parse_corruption
    from vidfake.evaluate.options import Options
    from vidfake.evaluate.readouts import validation_scores
    from vidfake.evaluate.reporting import write_report
    from vidfake.evaluate.robustness import all_corruption_points, refuse_store
    from vidfake.evaluate.run import evaluate as evaluate_all
    from vidfake.inference.profiles import BALANCED, find_profile
    from vidfake.metrics.pooling_study import PoolingRow, pooling_study
    from vidfake.metrics.sections import Resampling
    from vidfake.scores import ScoreTable

    _check_resampling(resamples, margin)
    kinds = [pair for text in corrupt for pair in parse_corruption(text)]
    detectors, sources = open_inputs(inputs, splits=splits, readout=readout or None, device=device)
    chosen = find_profile(profile)
    sources = [replace(source, sandbox=sandbox, profile=chosen) for source in sources]
    asked = profile != BALANCED.name
    _check_detectors(len(detectors), corrupt=bool(corrupt), pooling=pooling, readout=readout, profile=asked)
    foreign = open_scores(scores, sources, higher_is)
    validation = validation_scores(detectors[0]) if pooling else None
    for source in sources if kinds else ():
        refuse_store(source)
    work = out / "work"
    options = Options(
        how=Resampling(num_resamples=resamples),
        workers=workers,
        control=control,
        margin=margin,
        allow_training_overlap=allow_overlap,
    )
    with display.progress() as report:
        evaluation = evaluate_all(detectors, sources, work=work, foreign=foreign, options=options, report=report)
        points = all_corruption_points(
            detectors, sources, evaluation.tables, kinds, work=work, workers=workers, report=report
        )
        rows: tuple[PoolingRow, ...] = ()
        if validation is not None:
            first = evaluation.tables[detectors[0].name, sources[0].name]
            rows = pooling_study(ScoreTable.read(validation), first)
        return write_report(
            evaluation,
            detectors,
            sources,
            out,
            work=work,
            command=[shlex.join(["vidfake", *sys.argv[1:]])],
            corruptions=points,
            pooling=rows,
            protocol={
                "splits": ", ".join(splits) or "all rows",
                "read-out": readout or "as selected in training",
                "profile": profile,
            },
        )


def _check_resampling(resamples: int, margin: float | None) -> None:
    from vidfake.errors import UsageError

    if resamples < 0:
        raise UsageError(f"--resamples is {resamples}; it takes 0 (no intervals) or more.")
    if margin is not None and not margin > 0:
        raise UsageError(f"--margin is {margin}; it takes a difference in AUC above 0, such as 0.01.")
    if margin is not None and not resamples:
        raise UsageError("--margin needs intervals, and --resamples 0 makes none. Leave out one of the two.")


def _check_detectors(number: int, *, corrupt: bool, pooling: bool, readout: str, profile: bool) -> None:
    """An option that only a detector can serve is an error where there is none, not passed over."""
    from vidfake.errors import UsageError

    for option, given in (
        ("--corrupt", corrupt), ("--pooling-study", pooling), ("--readout", bool(readout)), ("--profile", profile),
    ):  # fmt: skip
        if given and not number:
            raise UsageError(
                f"{option} needs a detector (NAME.vidfake or a run folder), and none was named: a score file's "
                "detector cannot be run again."
            )


def print_headline(result: EvaluationResult) -> None:
    """One row per detector, data set, choice of rows and level."""
    from vidfake.cli import display
    from vidfake.metrics.levels import LEVEL_TITLES

    rows = []
    for found in result.results:
        for section in found.sections:
            for level in section.levels:
                auc = level.figures["auc"]
                interval = auc.interval
                rows.append(
                    (
                        found.detector,
                        found.dataset,
                        section.name,
                        LEVEL_TITLES[level.level],
                        display.number(auc.value),
                        "–" if interval is None else f"{interval.low:.3f} – {interval.high:.3f}",
                        f"{100 * level.coverage.share:.1f} %",
                        level.num_videos,
                        section.num_sources,
                    )
                )
    display.print_table(
        "AUC at every level (95 % intervals resample sources)",
        ("detector", "data set", "rows", "level", "AUC>", "interval>", "coverage>", "videos>", "sources>"),
        rows,
    )
    for found in result.results:
        for section in found.sections:
            if section.reason:
                display.say(f"{found.detector} on {found.dataset} ({section.name}): {section.reason}")
    for note in result.notes:
        display.say(f"note: {note}")
