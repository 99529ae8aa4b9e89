"""`vidfake train CONFIG`: a run from a config file and a clip store to a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vidfake.cli.options import JsonOption, SetOption


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def train(
        config: Annotated[Path, typer.Argument(help="A .toml file of differences from the defaults.")],
        settings: SetOption = None,
        resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved config and stop.")] = False,
        as_json: JsonOption = False,
    ) -> None:
        """Train a detector; the best epoch on the validation split becomes RUN/best.vidfake.

        Under `torchrun --nproc-per-node N -m vidfake train …` the batches are shared by N processes.
        """
        import os

        from vidfake.cli import display
        from vidfake.config import load, read_toml, to_toml
        from vidfake.settings import RunConfig

        run = load(RunConfig, config, settings or [])
        chosen = any(text.strip().startswith("extract.") for text in settings or [])
        if "extract" not in read_toml(config) and not chosen:
            from vidfake.train.run import with_store_settings

            run = with_store_settings(run)
        main_process = os.environ.get("RANK", "0") == "0"
        if dry_run or main_process:
            display.stderr.print(to_toml(run), markup=False, highlight=False)
        if dry_run:
            return
        from vidfake.train.run import train_run

        with display.progress() as report:
            result = train_run(run, resume=resume, report=report)
        if not main_process:
            return
        _say_skipped(result.made_fakes)
        if as_json:
            display.print_json(
                {
                    "run": str(result.folder),
                    "checkpoint": str(result.checkpoint),
                    "best_epoch": result.best_epoch,
                    "validation": result.metrics,
                    "made_fakes": result.made_fakes,
                }
            )
            return
        names = ("frame_auc", "frames_averaged_auc", "clip_auc", "video_auc", "coverage")
        display.print_table(
            f"Best epoch {result.best_epoch} on validation",
            [f"{n.replace('_', ' ').replace('auc', 'AUC')}>" for n in names],
            [[display.number(result.metrics.get(n)) for n in names]],
        )
        display.say(f"Checkpoint: {result.checkpoint}")


def _say_skipped(fakes: dict[str, Any]) -> None:
    """Which fakes could not be made because nothing visible changed."""
    from vidfake.cli import display

    skipped = {maker: count for maker, count in fakes["skipped"].items() if count}
    if skipped:
        by_maker = ", ".join(f"{maker} {count}" for maker, count in skipped.items())
        display.say(
            f"{sum(skipped.values())} fakes were skipped for others ({by_maker}): nothing visible changed in them. "
            "Faces that do not move give makers over time nothing to do."
        )
    if never := fakes["never_made"]:
        shown = ", ".join(never[:5]) + (f" and {len(never) - 5} more" if len(never) > 5 else "")
        display.say(f"Not one could be made of {shown}. Leave these videos or makers out.")
    if left_out := fakes["left_out_of_validation"]:
        display.say(f"Validation is without {left_out} fakes for the same reason.")
