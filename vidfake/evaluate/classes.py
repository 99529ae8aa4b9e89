"""Which manipulation was it? For detectors trained to tell them apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from vidfake.data.batch import ClipBatch
from vidfake.data.clips import ClipDataset
from vidfake.data.items import class_names_of
from vidfake.data.store import ClipStore
from vidfake.errors import UndefinedMetricError
from vidfake.evaluate.scoring import Source, has_clips, loading_workers, store_of
from vidfake.inference.load import LoadedDetector
from vidfake.inference.predict import evaluation_batches
from vidfake.inference.scorer import forward, mirrored
from vidfake.losses.combine import CombinedLoss
from vidfake.losses.heads import HeadLoss
from vidfake.metrics.attribution import Attribution, attribution, open_set_auc
from vidfake.metrics.results import Figure, figure


def head_of(detector: LoadedDetector) -> HeadLoss | None:
    """The part of the detector's loss that has class weights, if it was trained on manipulations."""
    if detector.checkpoint.config.loss.task != "manipulation":
        return None
    loss = detector.loss
    parts = list(loss.parts.values()) if isinstance(loss, CombinedLoss) else [loss]
    return next((part for part in parts if isinstance(part, HeadLoss)), None)


def attribution_of(
    detector: LoadedDetector, source: Source, work: Path, *, workers: int = 1
) -> tuple[Attribution | None, Figure | None]:
    """Attribution over the classes of training, and the AUC of telling unseen manipulations from seen ones.

    The first is None for a binary detector or when fewer than two known classes occur; the second when no video is
    of an unseen manipulation. A video's class scores are the mean over its clips, mirrored ones
    included where the profile has them.
    """
    head = head_of(detector)
    store = store_of(detector, source, work, workers=workers)
    known = detector.checkpoint.class_names[: detector.loss.num_classes]
    if head is None or not has_clips(store, source):
        return None, None
    scores, classes = _video_scores(detector, head, store, source, known, workers)
    seen = classes >= 0
    try:
        found = attribution(scores[seen], classes[seen], known)
    except UndefinedMetricError:
        found = None
    return found, _open_set(scores, classes)


def _video_scores(
    detector: LoadedDetector,
    head: HeadLoss,
    store: ClipStore,
    source: Source,
    known: tuple[str, ...],
    workers: int,
) -> tuple[np.ndarray, np.ndarray]:
    """(V, C) mean logits of every video with a clip, and (V,) its class among `known`, -1 for an unseen one."""
    dataset = ClipDataset(
        store, records=source.records, class_names=class_names_of(source.records),
        num_frames=detector.checkpoint.extract.num_frames,
    )  # fmt: skip
    logits: dict[str, list[torch.Tensor]] = {}
    names: dict[str, str] = {}
    with torch.no_grad():
        for batch in evaluation_batches(dataset, workers=loading_workers(workers)):
            ways = [batch, mirrored(batch)] if source.profile.flip else [batch]
            rows = torch.stack([_logits(detector, head, way) for way in ways]).mean(0)
            for video_id, row, label in zip(batch.video_ids, rows, batch.class_labels.tolist(), strict=True):
                logits.setdefault(video_id, []).append(row)
                names[video_id] = dataset.class_names[label]
    scores = np.stack([torch.stack(rows).mean(0).numpy().astype(np.float64) for rows in logits.values()])
    classes = np.array([known.index(names[v]) if names[v] in known else -1 for v in logits], dtype=np.int64)
    return scores, classes


def _logits(detector: LoadedDetector, head: HeadLoss, batch: ClipBatch) -> torch.Tensor:
    """(B, C) class logits of a batch of clips."""
    embeddings, _ = forward(detector.scorer.detector, batch.to(detector.scorer.device))
    return head.logits(embeddings).float().cpu()


def _open_set(scores: np.ndarray, classes: np.ndarray) -> Figure | None:
    """Fakes of unseen manipulations against fakes of seen ones; None without the former."""
    fakes = classes != 0
    unseen = classes[fakes] < 0
    return figure(open_set_auc, scores[fakes], unseen) if unseen.any() else None
