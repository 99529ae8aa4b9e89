"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, e.g. --set optim.epochs=3. Repeatable."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable results on stdout.")]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="A .toml file of differences from the defaults.")
]
WorkersOption = Annotated[int, typer.Option("--workers", help="Worker processes; 0 takes one per processor.")]


def worker_count(workers: int) -> int:
    """0 means one per processor this process may use."""
    import os

    if workers < 0:
        from vidfake.errors import UsageError

        raise UsageError(f"--workers is {workers}; it takes 0 (one per processor) or more.")
    return (
        workers or len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else workers or os.cpu_count() or 1
    )
