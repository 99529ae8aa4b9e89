"""The `vidfake` command: its sub-commands, and what an expected failure looks like."""

from __future__ import annotations

import os
import sys

import typer

from vidfake import __version__
from vidfake.errors import VidfakeError

app = typer.Typer(
    name="vidfake",
    help="Tells whether a video of a person has been manipulated, and measures honestly how well.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog="Exit codes: 0 done · 1 unexpected · 2 bad usage · 3 some inputs failed · 4 nothing scored · "
    "130 interrupted. --debug anywhere shows the traceback of a failure.",
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"vidfake {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Options before the sub-command."""


def _register() -> None:
    """Attach every sub-command. Their modules import nothing heavy; the work does, when it starts."""
    from vidfake.cli import commands

    commands.attach(app)


_register()


def main() -> None:
    """Run the command; an expected failure is one line on stderr and its exit code."""
    # threads of torch that wait go to sleep: by default they spin, and where other processes (the decoder, a
    # training) want the cores, that makes each step several times as slow. Read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    try:
        app(args=arguments, prog_name="vidfake", standalone_mode=True)
    except VidfakeError as error:
        if debug:
            raise
        from vidfake.cli.display import say

        say(f"vidfake: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        if debug:
            raise
        sys.stderr.write("vidfake: interrupted.\n")
        sys.exit(130)
    except Exception as error:
        if debug:
            raise
        sys.stderr.write(
            f"vidfake: unexpected {type(error).__name__}: {error}. This is a defect; run again with --debug and "
            "report the traceback.\n"
        )
        sys.exit(1)
