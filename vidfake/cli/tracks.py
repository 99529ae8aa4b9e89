"""`vidfake tracks VIDEO --out FILE.mp4`: boxes, track ids and scores drawn into the video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidfake.cli.options import JsonOption, NoSandboxOption, SetOption, begin_decoding


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def tracks(
        video: Annotated[Path, typer.Argument(help="The video to look at.")],
        out: Annotated[Path, typer.Option("--out", help="The .mp4 to write.")],
        checkpoint: Annotated[
            Path | None,
            typer.Option(
                "--checkpoint", help="Also draw this detector's frame scores (`default`: the one that ships)."
            ),
        ] = None,
        settings: SetOption = None,
        no_sandbox: NoSandboxOption = False,
        as_json: JsonOption = False,
    ) -> None:
        """Draw what vidfake sees: people look before they trust."""
        from vidfake.cli import display
        from vidfake.config import load
        from vidfake.errors import MediaError, UsageError
        from vidfake.faces.extract import extract_clips
        from vidfake.faces.overlay import render_tracks
        from vidfake.sandbox import extract_in_child, open_in_child
        from vidfake.settings import RunConfig
        from vidfake.video.reader import open_video

        if out.exists() and video.exists() and out.samefile(video):
            raise UsageError(f"{out}: is the video itself, which is never changed. Choose another --out.")
        if out.suffix.lower() not in (".mp4", ".mkv", ".mov", ".webm"):
            raise UsageError(f"{out}: --out takes a file ending in .mp4, .mkv, .mov or .webm.")
        begin_decoding(sandbox=not no_sandbox)
        extract = load(RunConfig, None, settings or []).extract
        scores = None
        if checkpoint is not None:
            from vidfake.cli.checkpoints import open_detector
            from vidfake.inference.timeline import track_scores

            detector = open_detector(checkpoint)
            extract = detector.checkpoint.extract
            scores = track_scores(video, detector, sandbox=not no_sandbox)
        found = extract_clips(video, extract) if no_sandbox else extract_in_child(video, extract)
        if found.status == "no_face" and not found.tracks:
            raise MediaError(f"{video}: no face was found ({'; '.join(found.warnings) or 'nothing to draw'}).")
        opener = open_video if no_sandbox else open_in_child
        render_tracks(video, found.tracks, out, scores=scores, opener=opener)
        rows = [
            (
                track.track_id,
                track.shot_index,
                f"{track.pts_seconds[0]:.2f}",
                f"{track.pts_seconds[-1]:.2f}",
                len(track.pts_seconds),
                f"{100 * track.detected.mean():.0f} %",
            )
            for track in found.tracks
        ]
        if as_json:
            display.print_json(
                {
                    "video": str(video),
                    "out": str(out),
                    "tracks": [
                        {
                            "track_id": t.track_id,
                            "shot_index": t.shot_index,
                            "start_seconds": float(t.pts_seconds[0]),
                            "end_seconds": float(t.pts_seconds[-1]),
                            "num_frames": len(t.pts_seconds),
                        }
                        for t in found.tracks
                    ],
                }
            )
        else:
            display.print_table(
                f"Tracks of {video}", ("track>", "shot>", "from s>", "to s>", "frames>", "detected>"), rows
            )
            display.say(f"Drawn into {out}")
