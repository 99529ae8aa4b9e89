"""Scores of every clip of a dataset, as one table that also lists the videos which could not be scored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from vidfake.data.batch import ClipBatch, ClipItem, collate
from vidfake.data.clips import ClipDataset
from vidfake.inference.scorer import Scorer
from vidfake.scores import ScoreTable, ScoreTableBuilder
from vidfake.types import FAKE, VideoRecord

Report = Callable[[str, int, int | None], None]


@dataclass
class _Rows:
    """What has been scored of one video."""

    frames: dict[str, list[float]] = field(default_factory=lambda: {"track": [], "pts_seconds": [], "score": []})
    clips: dict[str, list[float]] = field(
        default_factory=lambda: {"track": [], "index": [], "start_seconds": [], "score": [], "quality": []}
    )
    face_pixels: list[float] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)
    brightness: list[float] = field(default_factory=list)
    tracks_of_shot: dict[int, set[int]] = field(default_factory=dict)

    def attributes(self) -> dict[str, float]:
        """Facts by which results are grouped: size, sharpness and brightness of the faces, their quality, most
        people in one shot. Cached features have no pixels, so no brightness."""
        light = {"brightness": float(np.mean(self.brightness))} if self.brightness else {}
        return {
            **light,
            "face_pixels": float(np.mean(self.face_pixels)),
            "sharpness": float(np.mean(self.sharpness)),
            "quality": float(np.mean(self.clips["quality"])),
            "num_faces": float(max(len(tracks) for tracks in self.tracks_of_shot.values())),
        }


def face_brightness(frames: Tensor) -> float:
    """Mean luma (Rec. 601) of the middle of aligned faces (T, 3, H, W), uint8 or in [0, 1]; 0 black, 1 white.

    The middle half of both sides: skin, eyes and mouth, with little hair or background.
    """
    height, width = frames.shape[-2:]
    middle = frames[..., height // 4 : height - height // 4, width // 4 : width - width // 4]
    red, green, blue = middle.float().mean((0, 2, 3)).tolist()
    scale = 255.0 if frames.dtype == torch.uint8 else 1.0
    return float(0.299 * red + 0.587 * green + 0.114 * blue) / scale


def evaluation_batches(dataset: ClipDataset, *, batch_size: int = 8, workers: int = 0) -> Iterable[ClipBatch]:
    """Every item of a dataset once, in order."""
    loader: DataLoader[ClipItem] = DataLoader(
        dataset, batch_size=batch_size, collate_fn=collate, num_workers=workers, shuffle=False
    )
    return loader


def predict(
    scorer: Scorer,
    dataset: ClipDataset,
    batches: Iterable[ClipBatch] | None = None,
    *,
    detector_name: str = "",
    flip: bool = False,
    workers: int = 0,
    report: Report | None = None,
) -> ScoreTable:
    """Score every clip of `dataset`. Videos of its records without a clip are rows with their status.

    With `flip` each clip is scored as it is and mirrored (`Scorer`).

    `batches` are the dataset's own items in order (clips or cached features); by default they are read here.
    """
    rows: dict[str, _Rows] = {}
    done = 0
    for batch in batches if batches is not None else evaluation_batches(dataset, workers=workers):
        scores = scorer(batch, flip=flip)
        for i in range(len(batch)):
            item = dataset.items[done]
            assert item.video_id == batch.video_ids[i], "batches must be the dataset's items in order"
            details = dataset.store.details(item.clip)
            start = item.start or 0
            valid = scores.mask[i]
            times = item.clip.pts_seconds[start : start + int(valid.sum())]
            quality = details.quality["overall"][start : start + len(times)]
            found = rows.setdefault(item.video_id, _Rows())
            found.face_pixels += details.quality["size_pixels"][start : start + len(times)].tolist()
            found.sharpness += details.quality["sharpness"][start : start + len(times)].tolist()
            if batch.frames is not None:
                found.brightness.append(face_brightness(batch.frames[i, batch.mask[i]]))
            found.tracks_of_shot.setdefault(item.clip.shot_index, set()).add(item.clip.track_id)
            found.frames["track"] += [item.clip.track_id] * len(times)
            found.frames["pts_seconds"] += times.tolist()
            found.frames["score"] += scores.frame_scores[i, valid].tolist()
            for name, value in (
                ("track", item.clip.track_id),
                ("index", item.clip_index),
                ("start_seconds", float(times[0])),
                ("score", float(scores.clip_scores[i])),
                ("quality", float(np.mean(quality))),
            ):
                found.clips[name].append(value)
            done += 1
        if report is not None:
            report("scoring clips", done, len(dataset))
    return _table(dataset, rows, detector_name)


def _table(dataset: ClipDataset, rows: dict[str, _Rows], detector_name: str) -> ScoreTable:
    builder = ScoreTableBuilder(detector=detector_name)
    statuses = {video.video_id: video.status for video in dataset.store.videos}
    for record in all_records(dataset):
        found = rows.get(record.video_id)
        if found is None:
            status = statuses.get(record.video_id.partition("#")[0], "no_face")
            builder.add(record, status=status if status != "ok" else "no_face")
        else:
            builder.add(record, frames=found.frames, clips=found.clips, attributes=found.attributes())
    return builder.table()


def all_records(dataset: ClipDataset) -> list[VideoRecord]:
    """The dataset's records, and one for every fake made on the fly (its own video, of the same source).

    A fake that could not be made, from a video without a face or from too short clips, is no video and
    takes nothing off the coverage; its real is listed all the same.
    """
    records = list(dataset.records.values())
    made_ids = {item.video_id for item in dataset.items if item.maker}
    made = [
        replace(
            record,
            video_id=f"{record.video_id}#{maker}",
            label=FAKE,
            manipulation=maker,
            pair_id=record.pair_id or record.video_id,
        )
        for maker in dataset.makers
        for record in records
        if f"{record.video_id}#{maker}" in made_ids
    ]
    return records + made
