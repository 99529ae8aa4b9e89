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
NoSandboxOption = Annotated[
    bool,
    typer.Option(
        "--no-sandbox",
        help="Decode in this process. Gives up the protection from files made to attack the decoder: one of them "
        "can then crash or hang the whole run, use up the memory, or run code as you.",
    ),
]
WorkersOption = Annotated[int, typer.Option("--workers", help="Worker processes; 0 takes one per processor.")]


def worker_count(workers: int) -> int:
    """0 means one per processor this process may use."""
    from vidfake.video.scheduling import usable_processors

    if workers < 0:
        from vidfake.errors import UsageError

        raise UsageError(f"--workers is {workers}; it takes 0 (one per processor) or more.")
    return workers or usable_processors()


def begin_decoding(*, sandbox: bool) -> None:
    """Start the decoding process, which loads while this one does; or say what is given up without it."""
    if sandbox:
        from vidfake.sandbox import warm_up

        warm_up()
    else:
        no_sandbox_notice()


def no_sandbox_notice() -> None:
    """What `--no-sandbox` gives up, on stderr."""
    from vidfake.cli.display import say

    say(
        "--no-sandbox: files are decoded in this process. One made to attack the decoder can crash or hang the "
        "run, use up the memory, or run code as you. Use it for files of your own only (docs/security.md)."
    )
