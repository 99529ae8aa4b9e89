"""`vidfake score VIDEO…`: is this video of a person manipulated?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidfake.cli.options import JsonOption, NoSandboxOption, begin_decoding

if TYPE_CHECKING:
    from vidfake.inference.load import LoadedDetector
    from vidfake.inference.scorer import Precision


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def score(
        inputs: Annotated[
            list[str], typer.Argument(help="Video files, folders, @list.txt, or - for paths on stdin.")
        ],
        checkpoint: Annotated[
            Path | None,
            typer.Option(
                "--checkpoint",
                help="A trained detector (NAME.vidfake) of `vidfake train`; by default the one that ships.",
            ),
        ] = None,
        readout: Annotated[
            str, typer.Option("--readout", help="native, prototype, probe or knn; default: as in training.")
        ] = "",
        out: Annotated[
            Path | None, typer.Option("--out", help="Folder for one JSON per video; a second run goes on there.")
        ] = None,
        device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1 …")] = "cpu",
        profile: Annotated[
            str,
            typer.Option(
                "--profile", help="fast, balanced or thorough: fewer or more clips of each video (docs/scoring.md)."
            ),
        ] = "balanced",
        cache: Annotated[
            Path | None,
            typer.Option(
                "--cache",
                help="Folder that keeps the face clips of videos, so that scoring them again with another detector "
                "skips decoding. It may be deleted at any time.",
            ),
        ] = None,
        cache_gib: Annotated[
            float, typer.Option("--cache-gib", help="Most space for --cache; the longest unused go first.")
        ] = 4.0,
        precision: Annotated[
            str,
            typer.Option(
                "--precision",
                help="float32, or bfloat16: quicker where the processor has it, scores differ a little.",
            ),
        ] = "float32",
        no_sandbox: NoSandboxOption = False,
        as_json: JsonOption = False,
    ) -> None:
        """Score full videos: one row (or, with --json, one JSON object) per video.

        A score is higher when a manipulation is more likely. It is evidence, not a verdict on the truth.
        Exit codes: 0 every video scored, 3 some could not be, 4 none could be.
        """
        from vidfake.inference.profiles import find_profile

        chosen = find_profile(profile)
        arithmetic = _check(precision=precision, cache_gib=cache_gib)
        begin_decoding(sandbox=not no_sandbox)
        from vidfake.cli import display
        from vidfake.cli.checkpoints import open_detector
        from vidfake.inference.batch import score_files
        from vidfake.inference.cache import ClipCache
        from vidfake.inference.inputs import expand_inputs

        paths = expand_inputs(inputs)
        detector = open_detector(checkpoint, readout=readout or None, device=device, precision=arithmetic)
        kept = None if cache is None else ClipCache(cache, max_bytes=int(cache_gib * 2**30))
        results = []
        with display.progress() as report:
            for scored in score_files(
                paths, detector, out=out, report=report, sandbox=not no_sandbox, profile=chosen, cache=kept
            ):
                results.append(scored.result)
                if as_json:
                    display.print_json(scored.result.json)
        if not as_json:
            _print(results, detector.name)
            _say_who(detector)
            if out is not None:
                display.say(f"One JSON per video: {out}")
        num_ok = sum(result.status == "ok" for result in results)
        if num_ok == 0:
            raise typer.Exit(4)
        if num_ok < len(results):
            raise typer.Exit(3)


def _check(*, precision: str, cache_gib: float) -> Precision:
    """The precision that was asked for. Refuses what the options do not take, before anything is loaded."""
    from vidfake.errors import UsageError

    if not 0.0 < cache_gib < 2**20:
        raise UsageError(f"--cache-gib is {cache_gib}. It takes a size in GiB, above 0.")
    if precision == "float32":
        return "float32"
    if precision == "bfloat16":
        return "bfloat16"
    raise UsageError(f"--precision is '{precision}'. It takes: float32, bfloat16.")


def _say_who(detector: LoadedDetector) -> None:
    """Name, hash and headline figures of a detector that has a model card."""
    from vidfake.cli import display

    if detector.card is None:
        return
    measured = [
        f"{m['dataset']} ({m['rows']}, {m['num_videos']} videos) {display.number(m['video_auc'])}"
        + ("" if m["low"] is None else f" [{m['low']:.3f}, {m['high']:.3f}]")
        for m in detector.card["measured"]
    ]
    alarms = [
        f"{r['likely_fake']} of {r['num_videos']} reals of {r['dataset']} called fake"
        for r in detector.card["reals_called_fake"]
    ]
    display.say(f"Detector '{detector.name}', SHA-256 {detector.checkpoint.sha256}.")
    display.say(
        (f"Its card: video-level AUC {'; '.join(measured)}. " if measured else "Its card has no figures yet. ")
        + (f"{'; '.join(alarms)}. " if alarms else "")
        + "`vidfake card` tells what it was measured on and where it fails."
    )


def _print(results: list, name: str) -> None:  # type: ignore[type-arg]
    from vidfake.cli import display

    rows = []
    for result in results:
        video, tracks = result.json["video"], result.json["tracks"]
        clips = sum(len(track["clips"]) for track in tracks)
        rows.append(
            (
                result.json["input"]["path"],
                result.verdict.replace("_", " "),
                display.number(video["score"]),
                display.number(video["probability"]),
                display.number(video["frames_averaged_score"]),
                len(tracks),
                clips,
                f"{result.json['timing_seconds']['total']:.1f}",
            )
        )
    display.print_table(
        f"Scores by '{name}' (higher = more likely fake; evidence, not proof)",
        ("video", "verdict>", "score>", "probability>", "frames avg.>", "tracks>", "clips>", "s>"),
        rows,
    )
    about: dict[str, list[str]] = {}
    for result in results:
        for reason in result.json["video"]["reasons"]:
            about.setdefault(reason, []).append(result.json["input"]["path"])
    for reason, paths in about.items():
        others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        display.say(f"{paths[0]}{others}: {reason}")
