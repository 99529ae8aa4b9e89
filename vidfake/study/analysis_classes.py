"""Macro-F1 and recall of each manipulation, resampled over sources and seeds as AUC is: exploratory, no claims.

Definitions are those of `metrics.attribution`, on the same resamples of whole sources as AUC (`metrics.bootstrap`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.bootstrap import BLOCK, Clusters, Interval, interval, over_seeds
from vidfake.metrics.segments import Float64Array, IntArray
from vidfake.study.analysis_effects import Effect, paired_effect
from vidfake.study.analysis_runs import Mean
from vidfake.study.classes import HEAD, PROTOTYPE, ClassScores
from vidfake.study.results import RunRecord, StudyFolder

MACRO, PROTOTYPE_MACRO, RECALL = "macro_f1", "prototype_macro_f1", "recall of "
_NO_CALL = -1


@dataclass(frozen=True, eq=False)
class ClassCalls:
    """Class that each of A arms under S seeds called each of V videos, which every run scored: `calls` (A, S, V),
    -1 throughout where a run is not there. `labels` (V,) index the C `class_names` that training knows."""

    test: str
    readout: str
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    calls: IntArray
    labels: IntArray
    sources: tuple[str, ...]
    video_ids: tuple[str, ...]
    class_names: tuple[str, ...]

    @cached_property
    def present(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """(A, S) True where there is a run."""
        return np.asarray((self.calls != _NO_CALL).any(axis=2))


@dataclass(frozen=True, eq=False)
class FigureSamples:
    """A figure of every run: `points` (A, S), `samples` (A, S, R); NaN where no run is."""

    of: ClassCalls
    points: Float64Array
    samples: Float64Array
    num_clusters: int
    num_videos: int


@dataclass(frozen=True)
class ClassFigure:
    """A figure of an arm: mean over seeds, its interval over sources and seeds, and its effect."""

    value: Mean
    interval: Interval | None
    effect: Effect | None


@dataclass(frozen=True)
class ClassTest:
    """Figures by arm and name (``macro_f1``, ``prototype_macro_f1``, ``recall of <class>``) on one test.

    `class_names` are the classes that occur in it. `undefined` says why there is no figure.
    """

    test: str
    class_names: tuple[str, ...]
    num_videos: int
    num_clusters: int
    figures: dict[str, dict[str, ClassFigure]]
    undefined: str = ""

    @property
    def names(self) -> list[str]:
        """Figures that some arm has."""
        return list(dict.fromkeys(name for row in self.figures.values() for name in row))


def load_calls(
    folder: StudyFolder,
    runs: Mapping[str, Sequence[RunRecord]],
    test: str,
    *,
    seeds: Sequence[int],
    readout: str = "",
) -> ClassCalls | None:
    """Calls of final `runs` (by arm); `readout` "" is the head, or prototypes for a loss without one.

    None where no run kept class scores, as runs of an older format. Raises StoreError for a damaged file.
    """
    place = {seed: i for i, seed in enumerate(seeds)}
    found: dict[tuple[int, int], dict[str, int]] = {}
    facts: dict[str, tuple[int, str]] = {}
    names: tuple[str, ...] = ()
    for a, records in enumerate(runs.values()):
        for record in records:
            if record.status != "ok" or record.seed not in place or test not in record.classes:
                continue
            kept = ClassScores.read(
                folder.run_folder(record.task, record.arm, "final") / record.classes[test]
            )  # fmt: skip
            scores = kept.scores[readout or (HEAD if HEAD in kept.scores else PROTOTYPE)]
            calls = scores.argmax(axis=1).tolist()
            found[a, place[record.seed]] = dict(zip(kept.video_ids, calls, strict=True))
            names = names or kept.class_names[: kept.num_known]
            for video, label, source in zip(kept.video_ids, kept.labels.tolist(), kept.sources, strict=True):
                if label < kept.num_known:
                    facts.setdefault(video, (label, source))
    if not found:
        return None
    common = set.intersection(*(set(row) for row in found.values()))
    videos = [video for video in facts if video in common]
    calls = np.full((len(runs), len(seeds), len(videos)), _NO_CALL, np.int64)
    for (a, s), row in found.items():
        calls[a, s] = [row[video] for video in videos]
    return ClassCalls(
        test=test,
        readout=readout,
        arms=tuple(runs),
        seeds=tuple(seeds),
        calls=calls,
        labels=np.array([facts[video][0] for video in videos], dtype=np.int64),
        sources=tuple(facts[video][1] for video in videos),
        video_ids=tuple(videos),
        class_names=names,
    )


def class_samples(calls: ClassCalls, *, num_resamples: int, seed: int = 0) -> dict[str, FigureSamples]:
    """Macro-F1 and the recall of each class that occurs, on the same `num_resamples` resamples of sources.

    A resample without a class averages over the others, as `metrics.attribution` does, and is none of that class's
    recall. A class of one source has no recall to resample. Raises UndefinedMetricError for fewer than two classes,
    and where some class comes from one source only.
    """
    labels, number = calls.labels, len(calls.class_names)
    present = np.unique(labels)
    if len(present) < 2:
        raise UndefinedMetricError(
            f"test '{calls.test}' has videos of {len(present)} of the {number} classes of training that every run "
            "scored; macro-F1 needs two."
        )
    clusters = Clusters.of(calls.sources, (labels > 0).astype(np.int64))
    in_class = np.zeros((clusters.number, number))
    np.add.at(in_class, (clusters.of_video, labels), 1.0)
    sources_of = (in_class > 0).sum(axis=0)
    lonely = [calls.class_names[c] for c in present if sources_of[c] < 2]
    if lonely:
        raise UndefinedMetricError(
            f"test '{calls.test}': all videos of {', '.join(lonely)} come from one source; macro-F1 has no "
            "interval."
        )
    blocks = [clusters.draw(b, seed) for b in range(math.ceil(num_resamples / BLOCK))]
    drawn = np.concatenate([np.ones((1, clusters.number), np.int32), *blocks])[: num_resamples + 1]
    counts = drawn.astype(np.float64)
    of_class = counts @ in_class  # (R + 1, C)
    there = of_class > 0
    shape = (*calls.calls.shape[:2], len(counts))
    macro, recalls = np.full(shape, np.nan), np.full((number, *shape), np.nan)
    for a, s in zip(*np.nonzero(calls.present), strict=True):
        called = calls.calls[a, s]
        of_call, hits = np.zeros_like(in_class), np.zeros_like(in_class)
        np.add.at(of_call, (clusters.of_video, called), 1.0)
        right = called == labels
        np.add.at(hits, (clusters.of_video[right], labels[right]), 1.0)
        hit, call = counts @ hits, counts @ of_call
        with np.errstate(invalid="ignore", divide="ignore"):
            f1 = np.where(there, 2 * hit / (of_class + call), 0.0)
            macro[a, s] = f1.sum(axis=1) / there.sum(axis=1)
            recalls[:, a, s] = (hit / of_class).T  # NaN in resamples without the class
    fewest = int(sources_of[present].min())
    found = {MACRO: FigureSamples(calls, macro[..., 0], macro[..., 1:], fewest, len(labels))}
    for c in present:
        samples = recalls[c][..., 1:][..., there[1:, c]]
        videos = int((labels == c).sum())
        found[RECALL + calls.class_names[c]] = FigureSamples(
            calls, recalls[c][..., 0], samples, int(sources_of[c]), videos
        )  # fmt: skip
    return found


def class_test(
    folder: StudyFolder,
    runs: Mapping[str, Sequence[RunRecord]],
    task: str,
    test: str,
    controls: Mapping[str, str],
    *,
    seeds: Sequence[int],
    num_resamples: int,
    alpha: float,
) -> ClassTest | None:
    """Every figure of every arm on a test, with its effect against its control; None without class scores."""
    calls = load_calls(folder, runs, test, seeds=seeds)
    by_prototype = load_calls(folder, runs, test, seeds=seeds, readout=PROTOTYPE)
    if calls is None or by_prototype is None:
        return None
    try:
        samples = class_samples(calls, num_resamples=num_resamples)
        prototype = class_samples(by_prototype, num_resamples=num_resamples)[MACRO]
    except UndefinedMetricError as error:
        return ClassTest(test, (), len(calls.labels), 0, {}, str(error))
    macro = samples.pop(MACRO)
    samples = {MACRO: macro, PROTOTYPE_MACRO: prototype, **samples}
    figures: dict[str, dict[str, ClassFigure]] = {}
    for name, of_figure in samples.items():
        for arm in calls.arms:
            found = class_figure(task, of_figure, arm, controls.get(arm, ""), alpha=alpha)
            if found is not None:
                figures.setdefault(arm, {})[name] = found
    names = tuple(calls.class_names[c] for c in np.unique(calls.labels))
    return ClassTest(test, names, len(calls.labels), macro.num_clusters, figures)


def class_figure(task: str, samples: FigureSamples, arm: str, control: str, *, alpha: float) -> ClassFigure | None:
    """The figure of one arm, with intervals where there are two seeds; None without runs."""
    a = samples.of.arms.index(arm)
    there = samples.of.present[a]
    mean = Mean.of(samples.points[a, there].tolist())
    if mean is None:
        return None
    around: Interval | None = None
    number = int(there.sum())
    if number > 1:
        few = min(number, samples.num_clusters)
        means = over_seeds(samples.samples[a, there])
        around = interval(mean.value, means, num_clusters=few, confidence=1 - alpha)
    effect: Effect | None = None
    if control in samples.of.arms:
        try:
            effect = paired_effect(task, samples, arm, control, alpha=alpha)
        except UndefinedMetricError:  # no seed in common with the control: the arm has a value without an effect
            effect = None
    return ClassFigure(mean, around, effect)
