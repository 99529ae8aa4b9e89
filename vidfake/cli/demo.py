"""`vidfake demo`: the whole path on small media, ending with the files to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def demo(
        out: Annotated[Path, typer.Option("--out", help="Folder for everything the demo makes.")] = Path(
            "demo_out"
        ),
        data: Annotated[
            Path | None,
            typer.Option("--data", help="A folder of your own videos of real people, instead of the portrait."),
        ] = None,
        recordings: Annotated[int, typer.Option("--recordings", help="How many recordings to make or take.")] = 15,
        seconds: Annotated[float, typer.Option("--seconds", help="Length of each made recording.")] = 3.0,
        epochs: Annotated[int, typer.Option("--epochs", help="Epochs of training.")] = 4,
    ) -> None:
        """Make small real and fake videos, prepare, train, score and evaluate them: minutes on two cores.

        The fakes are made here and the training is short: the figures show that everything works, and nothing more.
        """
        import shutil

        from vidfake.cli import display
        from vidfake.cli.evaluate import run_evaluation
        from vidfake.config import to_toml
        from vidfake.data.prepare import prepare
        from vidfake.demo.run import demo_config, demo_media
        from vidfake.faces.overlay import render_tracks
        from vidfake.files import dump_json, write_text
        from vidfake.inference.load import load_detector
        from vidfake.inference.timeline import track_scores
        from vidfake.inference.video import score_video
        from vidfake.sandbox import extract_in_child, open_in_child
        from vidfake.train.run import run_folder, train_run

        with display.progress() as report:
            display.say("1/5 making real and fake videos")
            media = demo_media(out, data, recordings=recordings, seconds=seconds, report=report)
            for problem in media.skipped:
                display.say(f"skipped: {problem}")
            config = demo_config(out, epochs=epochs)
            display.say("2/5 prepare: faces found, tracked, aligned")
            prepared = prepare(media.records, out / "store", config.extract, workers=2, progress=report)
            display.say(f"    {prepared.num_clips} clips, coverage {100 * prepared.coverage:.0f} %")
            display.say("3/5 train")
            shutil.rmtree(run_folder(config), ignore_errors=True)
            result = train_run(config, report=report)
            write_text(out / "demo.toml", to_toml(config))
        detector = load_detector(result.checkpoint)
        display.say("4/5 score one real and one fake video of the test split")
        rows = []
        reasons: dict[str, None] = {}
        for label in (0, 1):
            record = media.first(label)
            scored = score_video(record.path, detector)
            reasons |= dict.fromkeys(scored.json["video"]["reasons"])
            write_text(out / f"score_{Path(record.path).stem}.json", dump_json(scored.json) + "\n")
            rows.append(
                (Path(record.path).name, ("real", "fake")[label], display.number(scored.score), scored.verdict)
            )
        drawn = out / "tracks.mp4"
        fake = media.first(1).path
        found = extract_in_child(fake, config.extract)
        render_tracks(fake, found.tracks, drawn, scores=track_scores(fake, detector), opener=open_in_child)
        display.print_table("Scores (higher = more likely fake)", ("video", "is", "video score>", "verdict"), rows)
        for reason in reasons:
            display.say(f"Verdict: {reason}.")
        display.say("5/5 evaluate on the test split")
        report_folder = out / "report"
        run_evaluation([result.checkpoint, media.manifest], out=report_folder, splits=["test"])
        display.print_table(
            "Look at",
            ("file", "what"),
            [
                (report_folder / "report.html", "figures and plots of the test split"),
                (drawn, "the fake video with its face track and frame scores drawn in"),
                (out / f"score_{Path(media.first(1).path).stem}.json", "the whole result of one video"),
                (result.checkpoint, "the detector: vidfake score VIDEO --checkpoint …"),
                (out / "demo.toml", "the config: vidfake train demo.toml --set name=again"),
            ],
        )
