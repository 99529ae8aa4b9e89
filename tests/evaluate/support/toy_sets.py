"""Clip stores to measure toy detectors on."""

from __future__ import annotations

from pathlib import Path

from toy_runs import TOY_EXTRACT, toy_clip

from vidfake.data.store_writer import ShardWriter, StoreWriter
from vidfake.types import VideoRecord

SOURCES = 6


def write_test_set(folder: Path, *, dataset: str, manipulations: tuple[str, ...]) -> Path:
    """Per source a real video and a fake of each manipulation; the last source's are in split ``rest``.

    Every third real looks fake, so that no detector is perfect; the last source also has a video without a face.
    """
    with StoreWriter(folder, TOY_EXTRACT) as writer:
        for source in range(SOURCES):
            split = "rest" if source == SOURCES - 1 else "test"
            for kind, name in enumerate(("none", *manipulations)):
                record = VideoRecord(
                    video_id=f"{dataset}{source}-{name}", path=f"/toy/{dataset}{source}-{name}.mp4",
                    label=int(kind > 0), manipulation=name, source_id=f"{dataset}{source}", split=split,
                    dataset=dataset,
                )  # fmt: skip
                looks_fake = kind > 0 or source % 3 == 2
                with ShardWriter(folder, record, TOY_EXTRACT) as video:
                    for clip_index in range(2):
                        seed = 1000 + 10 * source + kind + 500 * (dataset == "toy")
                        video.add_clip(toy_clip(seed, fake=looks_fake, clip_index=clip_index))
                    video.finish(status="ok")
        nobody = VideoRecord(
            video_id=f"{dataset}-nobody", path="/toy/nobody.mp4", label=1, manipulation=manipulations[0],
            source_id=f"{dataset}9", split="rest", dataset=dataset,
        )  # fmt: skip
        with ShardWriter(folder, nobody, TOY_EXTRACT) as video:
            video.finish(status="no_face", reason="no face was found")
        writer.finish()
    return folder
