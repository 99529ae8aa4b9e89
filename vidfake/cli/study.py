"""`vidfake study run`, `status`, `table`, `report`, `export`: losses under one protocol, from clips to a table."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidfake.cli.options import JsonOption, SetOption, WorkersOption, worker_count
from vidfake.cli.study_progress import study_bars

if TYPE_CHECKING:
    from vidfake.study.definition import StudyDefinition

SHOWN = (
    "loss",
    "video AUC \u00b1 sd over seeds",
    "difference [interval]",
    "p (Holm)",
    "verdict",
    "frame AUC",
    "frames averaged",
    "trials",
    "seeds",
    "chosen (* at a bound)",
)


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        help="Loss studies: losses searched alike, chosen on validation, tested once.", no_args_is_help=True
    )
    app.add_typer(group, name="study")
    _register_run(group)
    _register_readers(group)


def _register_run(group: typer.Typer) -> None:
    @group.command("run")
    def run(
        study: Annotated[Path, typer.Argument(help="A study file (.toml): what is compared, and how.")],
        out: Annotated[Path, typer.Option("--out", help="Folder of the results; run again to go on.")],
        settings: SetOption = None,
        stores: Annotated[
            list[str] | None,
            typer.Option("--store", metavar="NAME=PATH", help="Clip store of a test; 'study' is the study's own."),
        ] = None,
        workers: WorkersOption = 0,
        only: Annotated[str, typer.Option("--only", help="Losses or arms, by commas; others another time.")] = "",
        accept_change: Annotated[
            bool,
            typer.Option("--accept-change", help="Go on though clips, code or settings changed; marks the study."),
        ] = False,
        shard: Annotated[
            str, typer.Option("--shard", help="i/n: every n-th arm from the i-th. torchrun sets it by itself.")
        ] = "",
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be run and stop.")] = False,
        as_json: JsonOption = False,
    ) -> None:
        """Make every run of a study that is not there yet: searches, then final runs under every seed.

        A killed study goes on where it was; at most the runs in progress are lost.
        """
        from vidfake.cli import display
        from vidfake.study.definition import load_study, with_stores

        definition = _with_detector(with_stores(load_study(study, settings or []), stores or []))
        if dry_run:
            _print_plan(definition, as_json=as_json)
            return
        from vidfake.study.run import run_study

        with study_bars() as (report, watch):
            summary = run_study(
                definition,
                out,
                workers=_processes(definition.mode, workers),
                only=tuple(name.strip() for name in only.split(",") if name.strip()),
                accept_change=accept_change,
                shard=_shard(shard),
                report=report,
                watch=watch,
            )
        if as_json:
            display.print_json(
                {
                    "study": str(summary.folder),
                    "hash": definition.hash,
                    "made": summary.made,
                    "runs": summary.runs,
                    "failed": summary.failed,
                    "excluded": summary.excluded,
                    "crashed": list(summary.crashed),
                }
            )
            return
        display.say(
            f"{summary.made} runs made now, {summary.runs} there, {summary.failed} failed; {summary.excluded} arms "
            f"without runs. Results: vidfake study table {summary.folder}"
        )
        for key in summary.crashed:
            display.say(f"crashed twice: {key}")


def _register_readers(group: typer.Typer) -> None:
    @group.command("status")
    def status(
        folder: Annotated[Path, typer.Argument(help="Folder of a study.")], as_json: JsonOption = False
    ) -> None:
        """What has been run, what failed, and what changed since the first run."""
        from vidfake.cli import display
        from vidfake.study.analysis_runs import StudyRuns
        from vidfake.study.analysis_search import budgets_of
        from vidfake.study.results import StudyFolder

        runs = StudyRuns.read(StudyFolder(folder))
        state, exclusions = runs.state, runs.exclusions
        counted = ("arm", "trials", "failed_trials", "seeds", "failed_seeds")
        rows: list[dict[str, object]] = [
            {"task": task, **{name: getattr(budget, name) for name in counted}}
            for task in runs.tasks
            for budget in budgets_of(runs, task)
        ]
        if as_json:
            display.print_json(
                {
                    "hash": state.hash,
                    "first_hash": state.first_hash,
                    "changes": state.changes,
                    "arms": rows,
                    "excluded": [vars(e) for e in exclusions],
                }
            )
            return
        study = state.study
        display.print_table(
            f"Study '{study.name}': {study.trials} trials and {len(study.seeds)} seeds each",
            ("task", "arm", "trials>", "failed>", "seeds>", "failed seeds>"),
            [list(row.values()) for row in rows],
        )
        for e in exclusions:
            display.say(f"{e.task} {e.arm}: {e.status.replace('_', ' ')}: {e.reason}")
        for change in state.changes:
            display.say(f"{change['what']} changed after the first run {', '.join(change['differing'])}".rstrip())

    @group.command("table")
    def table(
        folder: Annotated[Path, typer.Argument(help="Folder of a study.")], as_json: JsonOption = False
    ) -> None:
        """Effect of every loss against the control on the primary test, with intervals and verdicts."""
        from vidfake.cli import display
        from vidfake.study.analysis import analyse
        from vidfake.study.analysis_words import conclusions
        from vidfake.study.report_cells import HEADER, text_cells
        from vidfake.study.report_rows import rows_of
        from vidfake.study.results import StudyFolder

        with display.progress() as report:
            analysis = analyse(StudyFolder(folder), table_only=True, report=report)
        rows = rows_of(analysis)
        for warning in analysis.warnings:
            display.say(f"note: {warning}")
        if as_json:
            for row in rows:
                display.print_json(row.values)
            return
        shown = [HEADER.index(name) for name in SHOWN]
        for task in analysis.tasks:
            display.print_table(
                f"{task.task}, {task.num_classes} classes, test '{analysis.runs.primary_test}'",
                SHOWN,
                [[text_cells(r)[i] for i in shown] for r in rows if r["task"] == task.task],
            )
            for sentence in conclusions(analysis, task):
                display.say(f"- {sentence}")

    @group.command("report")
    def report(
        folder: Annotated[Path, typer.Argument(help="Folder of a study.")],
        out: Annotated[
            Path | None, typer.Option("--out", help="Where to write; by default into the study's folder.")
        ] = None,
        as_json: JsonOption = False,
    ) -> None:
        """Write report.html, report.md, table.tex and table.csv of what the study has so far."""
        from vidfake.cli import display
        from vidfake.study.report import build_study_report
        from vidfake.study.results import StudyFolder

        with display.progress() as progress:
            page = build_study_report(StudyFolder(folder), out, report=progress)
        if as_json:
            display.print_json({"report": str(page)})
            return
        display.say(f"Report: {page}")

    @group.command("export")
    def export(
        folder: Annotated[Path, typer.Argument(help="Folder of a study.")],
        optuna: Annotated[
            str, typer.Option("--optuna", metavar="URL", help="Optuna storage, for example sqlite:///trials.db.")
        ],
        as_json: JsonOption = False,
    ) -> None:
        """Copy every loss's trials into an Optuna storage, for its dashboard, plots and samplers.

        One Optuna study per task and loss; repeat it to add trials that came since.
        """
        from vidfake.cli import display
        from vidfake.study.export_optuna import export_optuna
        from vidfake.study.results import StudyFolder

        with display.progress() as progress:
            exported = export_optuna(StudyFolder(folder), optuna, report=progress)
        if as_json:
            for one in exported:
                display.print_json(vars(one))
            return
        left_out = sum(one.left_out for one in exported)
        display.say(
            f"{sum(one.added for one in exported)} trials of {len(exported)} Optuna studies added to {optuna}, "
            f"{sum(one.present for one in exported)} were there"
            + (f", {left_out} are of another search space and left out" if left_out else "")
            + f". Look at them: optuna-dashboard {optuna}"
        )


def _with_detector(definition: StudyDefinition) -> StudyDefinition:
    """The study with the folder of the checkpoint whose encoder it takes: a run's best one, or the shipped one."""
    from vidfake.cli.checkpoints import find_checkpoint

    given = definition.data.encoder_checkpoint
    if not given:
        return definition
    return replace(definition, data=replace(definition.data, encoder_checkpoint=str(find_checkpoint(Path(given)))))


def _print_plan(definition: StudyDefinition, *, as_json: bool) -> None:
    from vidfake.cli import display
    from vidfake.config import to_dict, to_toml

    if as_json:
        display.print_json({"hash": definition.hash, "definition": to_dict(definition)})
        return
    variants = max(1, len(definition.variants))
    arms = len(definition.loss_names()) * len(definition.tasks) * variants
    each = definition.trials + len(definition.seeds)
    display.stderr.print(to_toml(definition), markup=False, highlight=False)
    display.say(f"{arms} arms x ({definition.trials} trials + {len(definition.seeds)} seeds) = {arms * each} runs")
    display.say(f"hash {definition.hash}")


def _processes(mode: str, asked: int) -> int:
    """Worker processes; an end-to-end run has its own loading processes and stays in this one unless asked."""
    return worker_count(asked) if mode == "cached" else (asked if asked > 1 else 0)


def _shard(text: str) -> tuple[int, int]:
    """The share of the arms: as given, or this process's place among those of torchrun. Each then trains by itself,
    on its own GPU (LOCAL_RANK)."""
    from vidfake.data.prepare import parse_shard

    rank, size = os.environ.pop("RANK", "0"), os.environ.pop("WORLD_SIZE", "1")
    return parse_shard(text or f"{rank}/{size}")
