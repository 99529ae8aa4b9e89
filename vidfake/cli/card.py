"""`vidfake card [DETECTOR]`: the model card of the shipped detector, or of another one that has a card."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vidfake.cli.options import JsonOption


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def card(
        detector: Annotated[
            Path | None, typer.Argument(help="A detector with a card; without it, the one that ships.")
        ] = None,
        as_json: JsonOption = False,
    ) -> None:
        """Show what a detector is for, what it was made from, how well it does, and where it fails."""
        from vidfake.cli import display
        from vidfake.cli.checkpoints import find_checkpoint
        from vidfake.config import to_dict
        from vidfake.default.card import read_card
        from vidfake.default.render import markdown
        from vidfake.errors import CheckpointError

        folder = find_checkpoint(detector)
        found = read_card(folder)
        if found is None:
            raise CheckpointError(f"{folder}: has no model card. tools/ship_default writes one for a trained run.")
        if as_json:
            display.print_json(to_dict(found))
        else:
            sys.stdout.write("\n".join(display.harmless(line) for line in markdown(found).splitlines()) + "\n")
