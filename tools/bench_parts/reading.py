"""Reading a video: what a frame costs beyond its decoding, by what is asked of it."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from footage import make_video
from table import Table

Ask = Callable[[Any], object]


def run(rounds: int = 5) -> list[Table]:
    """Medians of `rounds` passes over 4 s of 1080p30, in processor time, which other processes change least."""
    from vidfake.types import Region

    middle = Region(800, 400, 300, 300)
    asked: dict[str, Ask] = {
        "reading through `open_video`": lambda frame: None,
        "`luma_thumbnail()`": lambda frame: frame.luma_thumbnail(),
        "`rgb(max_side=640)`": lambda frame: frame.rgb(max_side=640),
        "`rgb(region=)` of 300 x 300 pixels": lambda frame: frame.rgb(region=middle),
        "`rgb()` whole": lambda frame: frame.rgb(),
    }
    with tempfile.TemporaryDirectory() as name:
        video = Path(name) / "video.mp4"
        make_video(video, seconds=4)
        passes = [(decode(video), {what: read(video, ask) for what, ask in asked.items()}) for _ in range(rounds)]
    alone = statistics.median(seconds for seconds, _ in passes)
    plain = "reading through `open_video`"
    rows: list[list[Any]] = [[plain, statistics.median(found[plain] / one for one, found in passes)]]
    for what in asked:
        if what != plain:
            rows.append([what, statistics.median((found[what] - found[plain]) / one for one, found in passes)])
    note = (
        f"Decoding with PyAV alone takes {1000 * alone:.2f} ms of processor time per frame; one thread. "
        f"Load average meanwhile: {os.getloadavg()[0]:.1f}."
    )
    return [
        Table("A frame of 1080p, in times of its decoding", ["what", "of one decoded frame's time"], rows, [note])
    ]


def decode(video: Path) -> float:
    """Processor seconds per frame of PyAV alone."""
    import av

    begun, count = time.process_time(), 0
    with av.open(str(video)) as container:
        container.streams.video[0].thread_count = 1
        for _ in container.decode(video=0):
            count += 1
    return (time.process_time() - begun) / count


def read(video: Path, ask: Ask) -> float:
    """Processor seconds per frame of reading it and asking that of it."""
    from vidfake.video.reader import open_video

    begun, count = time.process_time(), 0
    with open_video(video, threads=1) as reader:
        for frame in reader.frames():
            ask(frame)
            count += 1
    return (time.process_time() - begun) / count
