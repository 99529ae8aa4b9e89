"""Makers of fakes: clips per second of one core, by themselves and composed; and a whole video through `synth`."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from footage import make_video
from table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "docs_parts"))

COMPOSED = ("resynthesis+self_blend", "resynthesis+mouth_replace", "cross_blend+expression_warp")


def maker_rows(draws: int) -> list[tuple[object, ...]]:
    """Per maker: clips per second of processor time, its slowest draw, and the share that checking adds."""
    import cv2
    from drawn_face import PEOPLE, drawn_clip
    from maker_sheet import drawable

    from vidfake.data.made import check_made, visible_share
    from vidfake.seeding import generator
    from vidfake.synth.compose import apply_maker, build_maker, maker_facts

    cv2.setNumThreads(1)
    clip, other = (drawn_clip(person) for person in PEOPLE)
    rows: list[tuple[object, ...]] = []
    for name in (*drawable(None), *COMPOSED):  # those with a trained network are left out
        maker, donor = build_maker(name), other if maker_facts(name).needs_donor else None
        apply_maker(maker, clip, donor, generator("warm up", name))
        making, checking = [], 0.0
        for draw in range(draws):
            start = time.process_time()
            made = apply_maker(maker, clip, donor, generator("bench", name, draw))
            making.append(time.process_time() - start)
            start = time.process_time()
            check_made(made, clip, maker=name, where="the benchmark")
            visible_share(made, clip)
            checking += time.process_time() - start
        total = sum(making)
        rows.append((name, draws / total, 1000 * total / draws, 1000 * max(making), 1000 * checking / draws))
    return rows


def video_rows(seconds: float) -> list[tuple[object, ...]]:
    """`vidfake synth` on one video: wall-clock seconds, with all that is written."""
    from vidfake.data.decoding import Decoding
    from vidfake.data.render import render_fake
    from vidfake.sandbox import protections
    from vidfake.settings import ExtractSettings

    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as name:
        video = Path(name) / "video.mp4"
        make_video(video, seconds=seconds)
        protections()  # the decoding process is up
        for maker in ("temporal_face", "self_blend"):
            start = time.perf_counter()
            made = render_fake(
                video, Path(name) / "fake.mp4", maker, seed=0, settings=ExtractSettings(), tracks="all",
                mask=Path(name) / "mask.mp4", decoding=Decoding(),
            )  # fmt: skip
            spent = time.perf_counter() - start
            faces = sum(track.num_frames for track in made.tracks)
            rows.append((maker, made.num_frames, faces, made.crop_size, spent, seconds / spent))
    return rows


def run(draws: int = 24, seconds: float = 10) -> list[Table]:
    """`draws` of every maker on one clip, and a video of so many seconds."""
    makers = maker_rows(draws)
    load = os.getloadavg()[0]
    return [
        Table(
            "Clips of 16 frames of 256 x 256, one core",
            ("maker", "clips/s", "ms, mean", "ms, slowest draw", "ms, checking"),
            makers,
            (
                f"{draws} draws each on a drawn face; processor time, OpenCV on one thread; donors are "
                "read already. Checking: whether a fake is whole and visibly another clip. Training makes a fake "
                f"for each real clip, in its worker processes. Load average meanwhile: {load:.1f}.",
            ),
        ),
        Table(
            f"`vidfake synth --mask`, {seconds:g} s of 1080p30",
            ("maker", "frames", "faces", "crop", "s", "times real time"),
            video_rows(seconds),
            ("Three passes of decoding (faces, crops, writing) and two of encoding, in wall-clock time.",),
        ),
    ]
