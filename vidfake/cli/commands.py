"""Every sub-command, in the order of the help page."""

from __future__ import annotations

import typer

from vidfake.cli import card, catalogue, datasets, demo, evaluate, prepare, score, study, synth, tracks, train


def attach(app: typer.Typer) -> None:
    """Add the sub-commands to the command line."""
    for module in (score, tracks, synth, prepare, train, evaluate, study, card, datasets, catalogue, demo):
        module.register(app)
