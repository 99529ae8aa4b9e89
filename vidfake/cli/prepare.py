"""`vidfake prepare MANIFEST OUT`: videos -> tracked, aligned face clips in a clip store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidfake.cli.options import (
    ConfigOption,
    JsonOption,
    NoSandboxOption,
    SetOption,
    WorkersOption,
    no_sandbox_notice,
    worker_count,
)


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def prepare(
        manifest: Annotated[
            Path, typer.Argument(help="CSV of videos (path and label suffice), or a folder of videos.")
        ],
        out: Annotated[Path, typer.Argument(help="Folder of the clip store; an unfinished one is gone on with.")],
        config: ConfigOption = None,
        settings: SetOption = None,
        workers: WorkersOption = 0,
        shard: Annotated[
            str, typer.Option("--shard", help="i/n: only this part of the videos, for clusters.")
        ] = "",
        unlabelled: Annotated[
            bool,
            typer.Option("--unlabelled", help="Take rows without a label (they can be scored, not trained on)."),
        ] = False,
        no_sandbox: NoSandboxOption = False,
        as_json: JsonOption = False,
    ) -> None:
        """Cut aligned face clips out of every video of a manifest. Interrupted, it goes on where it stopped."""
        from vidfake.cli import display
        from vidfake.config import load
        from vidfake.data.manifest import read_manifest, records_from_paths
        from vidfake.data.prepare import parse_shard
        from vidfake.data.prepare import prepare as prepare_store
        from vidfake.settings import RunConfig

        if no_sandbox:
            no_sandbox_notice()
        run = load(RunConfig, config, settings or [])
        records = (
            records_from_paths([manifest])
            if manifest.is_dir()
            else read_manifest(manifest, require_labels=not unlabelled)
        )
        with display.progress() as report:
            result = prepare_store(
                records,
                out,
                run.extract,
                workers=worker_count(workers),
                shard=parse_shard(shard) if shard else None,
                progress=report,
                sandbox=not no_sandbox,
            )
        if as_json:
            display.print_json(result.to_json())
        else:
            display.print_table(
                f"Clip store {out}",
                ("videos>", "with clips>", "coverage>", "clips>", "no face>", "unreadable>", "seconds>"),
                [
                    (
                        result.num_videos,
                        result.num_ok,
                        f"{100 * result.coverage:.1f} %",
                        result.num_clips,
                        len(result.no_face),
                        len(result.unreadable),
                        f"{result.seconds:.1f}",
                    )
                ],
            )
            for word, names in (("no face", result.no_face), ("unreadable", result.unreadable)):
                for video_id, reason in names:
                    display.say(f"{word}: {video_id}: {reason}")
        if result.num_ok == 0:
            raise typer.Exit(4)
        if result.unreadable:
            raise typer.Exit(3)
