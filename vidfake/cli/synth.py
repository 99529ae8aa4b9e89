"""`vidfake synth VIDEO… --maker NAME --out DIR`: manipulated videos made of real ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidfake.cli.options import JsonOption, NoSandboxOption, begin_decoding

if TYPE_CHECKING:
    from vidfake.data.render import WhichTracks
    from vidfake.data.synthesize import Synthesised


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def synth(
        inputs: Annotated[
            list[str],
            typer.Argument(help="Videos or photographs of real people, folders of videos, @list.txt, or -."),
        ],
        maker: Annotated[
            list[str],
            typer.Option(
                "--maker",
                help="A name of `vidfake list makers`, or several with + between them. Repeatable: a fake by each.",
            ),
        ],
        out: Annotated[Path, typer.Option("--out", help="Folder for the fakes and their manifest, synth.csv.")],
        seed: Annotated[int, typer.Option("--seed", help="Another seed makes other fakes.")] = 0,
        donor: Annotated[
            str | None,
            typer.Option("--donor", help="Video or photograph of another person, for makers that swap faces."),
        ] = None,
        mask: Annotated[
            bool, typer.Option("--mask", help="Also write where each frame was manipulated, white on black.")
        ] = False,
        real: Annotated[
            bool,
            typer.Option(
                "--real", help="Also write the real, encoded as the fake is, so that only the fake differs."
            ),
        ] = False,
        tracks: Annotated[
            str, typer.Option("--tracks", help="Which faces: all, longest, or track ids with commas between them.")
        ] = "all",
        option: Annotated[
            list[str] | None,
            typer.Option("--option", metavar="KEY=VALUE", help="An option of the maker. Repeatable."),
        ] = None,
        crf: Annotated[
            float, typer.Option("--crf", help="Quality of the H.264 video: 0 lossless, 51 worst.")
        ] = 18.0,
        animate: Annotated[
            float,
            typer.Option(
                "--animate",
                metavar="SECONDS",
                help="Photographs become videos of that length first, in which the face moves.",
            ),
        ] = 0.0,
        no_sandbox: NoSandboxOption = False,
        as_json: JsonOption = False,
    ) -> None:
        """Make fakes of real videos: the faces are manipulated, everything else stays; the sound is left out.

        A photograph is a clip of one frame: makers that work over time refuse it, unless it is animated.
        Exit codes: 0 a fake of every file by every maker, 3 some could not be made, 4 none could.
        """
        from vidfake.data.synthesize import MANIFEST, Order, synthesize
        from vidfake.errors import UsageError
        from vidfake.synth.compose import PLUS, parts_of

        names = list(dict.fromkeys(PLUS.join(parts_of(name)) for name in maker))  # as written everywhere
        if option and len(names) > 1:
            raise UsageError(f"--option is of one maker, and --maker names {len(names)}. Run them one at a time.")
        orders = [
            Order(
                maker=name,
                options=_options(option or []),
                seed=seed,
                tracks=_tracks(tracks),
                mask=mask,
                real=real,
                crf=crf,
                animate_seconds=animate,
            )
            for name in names
        ]
        for order in orders:
            order.check(has_donor=donor is not None)
        begin_decoding(sandbox=not no_sandbox)
        from vidfake.cli import display
        from vidfake.data.decoding import Decoding
        from vidfake.inference.inputs import expand_inputs

        results = []
        paths = expand_inputs(inputs)
        with display.progress() as report:
            for order in orders:
                for result in synthesize(
                    paths, out, order, donor=donor, decoding=Decoding(not no_sandbox), report=report
                ):
                    results.append(result)
                    if as_json:
                        display.print_json(result.to_json())
        num_made = sum(result.rendered is not None for result in results)
        if not as_json:
            _print(results)
            if num_made:
                display.say(f"Manifest: {out / MANIFEST}. The fakes have no sound.")
        if num_made < len(results):
            raise typer.Exit(3 if num_made else 4)


def _options(given: list[str]) -> dict[str, object]:
    """Options of the maker; values are read as those of --set."""
    from vidfake.config import parse_override
    from vidfake.errors import UsageError

    found: dict[str, object] = {}
    for text in given:
        keys, value = parse_override(text)
        if len(keys) != 1:
            raise UsageError(f"--option {text!r}: a maker's options have plain names. Example: --option drift=0.1")
        found[keys[0]] = value
    return found


def _tracks(text: str) -> WhichTracks:
    from vidfake.errors import UsageError

    if text == "all":
        return "all"
    if text == "longest":
        return "longest"
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"--tracks is {text!r}. It takes all, longest, or track ids with commas between them, such as 0,2."
        ) from error


def _print(results: list[Synthesised]) -> None:
    from vidfake.cli import display

    rows = []
    for result in results:
        if (made := result.rendered) is None:
            display.say(f"not made: {result.error}")
            continue
        faces = sum(track.num_frames for track in made.tracks)
        rows.append((result.source, result.files["fake"], len(made.tracks), made.num_frames, faces, made.crop_size))
        for number, reason in made.skipped.items():
            display.say(f"{result.source}: track {number} is left as it was: {reason}")
        for warning in made.warnings:
            display.say(f"{result.source}: {warning}")
    if rows:
        display.print_table("Fakes", ("real", "fake", "tracks>", "frames>", "faces changed>", "crop>"), rows)
