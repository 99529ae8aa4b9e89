"""`vidfake datasets list` and `vidfake datasets scan NAME ROOT`: corpora as they are distributed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidfake.cli.options import JsonOption


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        help="Datasets as they are distributed: what is there, and manifests of it.", no_args_is_help=True
    )
    app.add_typer(group, name="datasets")

    @group.command("list")
    def list_datasets(as_json: JsonOption = False) -> None:
        """Every dataset that can be read, with its source."""
        from vidfake.cli import display
        from vidfake.datasets import DATASETS

        if as_json:
            for row in DATASETS:
                display.print_json({"name": row.name, "summary": row.summary, "source": row.source})
            return
        display.print_table(
            f"{len(DATASETS)} datasets",
            ("name", "summary", "source"),
            [(r.name, r.summary, r.source) for r in DATASETS],
        )

    @group.command("scan")
    def scan(
        name: Annotated[str, typer.Argument(help="A name of `vidfake datasets list`.")],
        root: Annotated[Path, typer.Argument(help="The folder as it was downloaded.")],
        out: Annotated[Path | None, typer.Option("--out", help="Manifest (.csv) to write.")] = None,
        options: Annotated[
            list[str] | None,
            typer.Option("--option", metavar="KEY=VALUE", help="An option of this dataset's reader. Repeatable."),
        ] = None,
        as_json: JsonOption = False,
    ) -> None:
        """Compare a dataset's folder with what was published, and write its manifest."""
        from vidfake.cli import display
        from vidfake.config import parse_override
        from vidfake.data.manifest import write_manifest
        from vidfake.datasets import scan_dataset

        given = {".".join(keys): value for keys, value in map(parse_override, options or [])}
        result = scan_dataset(name, root, **given)
        if out is not None:
            write_manifest(out, result.records)
        if as_json:
            display.print_json(
                {
                    "dataset": result.dataset,
                    "root": str(result.root),
                    "variant": result.variant,
                    "num_videos": len(result.records),
                    "counts": [
                        {"what": c.what, "found": c.found, "published": c.published} for c in result.counts()
                    ],
                    "missing": result.missing,
                    "extra": result.extra,
                    "warnings": result.warnings,
                    "manifest": None if out is None else str(out),
                }
            )
            return
        display.print_table(
            f"{result.dataset}: {len(result.records)} videos ({result.variant})",
            ("what", "found>", "published>", "source"),
            [(c.what, c.found, "" if c.published is None else c.published, c.source) for c in result.counts()],
        )
        for warning in result.warnings:
            display.say(f"note: {warning}")
        display.say(f"Manifest: {out}" if out is not None else "No manifest was written; name one with --out.")
