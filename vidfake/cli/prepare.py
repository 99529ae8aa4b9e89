"""`vidfake prepare MANIFEST OUT`: videos -> tracked, aligned face clips in a clip store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from vidfake.data.report import PrepareReport


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
            if result.num_videos > result.num_done_before:
                display.say(_rates(result))
            for word, names in (("no face", result.no_face), ("unreadable", result.unreadable)):
                for video_id, reason in names:
                    display.say(f"{word}: {video_id}: {reason}")
        if result.num_ok == 0:
            raise typer.Exit(4)
        if result.unreadable:
            raise typer.Exit(3)


def _rates(result: PrepareReport) -> str:
    """How fast this run was, and on what its workers' time went."""
    new = [outcome for outcome in result.outcomes if not outcome.done_before]
    seconds = max(result.seconds, 1e-9)
    clips, faces = sum(o.num_clips for o in new), sum(o.num_faces for o in new)
    speed = "" if result.times_real_time is None else f", {result.times_real_time:.1f} times real time"
    total = sum(result.timings.values()) or 1.0
    stages = sorted(result.timings.items(), key=lambda entry: -entry[1])
    shares = ", ".join(f"{name} {100 * part / total:.0f} % ({part:.1f} s)" for name, part in stages)
    return (
        f"{len(new) / seconds:.2f} videos, {clips / seconds:.1f} clips, {faces / seconds:.1f} faces per second"
        f"{speed}. Workers' time: {shares or 'not measured'}."
    )
