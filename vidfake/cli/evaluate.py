"""placeholder until the report is there"""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
