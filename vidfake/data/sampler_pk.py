"""P classes x K clips, for losses that compare the clips of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from vidfake.data.items import IntArray, SamplingTable
from vidfake.data.sampler_base import SAMPLERS, By, Card, ClipSampler, Deck, members, steps_of
from vidfake.errors import SamplerError


@SAMPLERS.register("pk", source="Hermans et al. 2017, https://arxiv.org/abs/1703.07737")
class PKSampler(ClipSampler):
    """P classes and K clips of each in every batch, the K from different videos.

    With two clips of one video as the only positives, a pair loss learns the video, not the manipulation. Videos
    are drawn alike, however many clips they have.

    Args:
        classes_per_batch: P; default: all, or as many as leave 4 clips for each.
        clips_per_class: K; default: what fits into `batch_size`.
        by: what a class is: ``class`` (real and each manipulation) or ``label`` (real, fake).
        different_videos: off, a class with fewer than K videos gives several clips of one, of two videos at least.
        steps: batches per epoch; default: each real clip comes about once.
    """

    def __init__(
        self,
        *,
        table: SamplingTable,
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        classes_per_batch: int | None = None,
        clips_per_class: int | None = None,
        by: By = "class",
        different_videos: bool = True,
        steps: int | None = None,
    ) -> None:
        super().__init__(table=table, batch_size=batch_size, seed=seed, rank=rank, world_size=world_size)
        if by not in ("label", "class"):
            raise SamplerError(f"by is {by!r}. It takes 'class' or 'label'.")
        self._by = by
        self._clips = members(table.class_labels if by == "class" else table.labels)
        self._num_classes = classes_per_batch or min(len(self._clips), max(2, batch_size // 4))
        self._num_clips = clips_per_class or max(1, batch_size // self._num_classes)
        self._different = different_videos
        self._videos = {
            group: {video: clips[places] for video, places in members(table.videos[clips]).items()}
            for group, clips in self._clips.items()
        }
        self._check()
        self.check_share(self._num_classes * self._num_clips, "clips")
        reals = self._num_clips * self._num_classes / len(self._clips)
        self._steps = steps_of(table, reals, steps)

    def _check(self) -> None:
        p, k = self._num_classes, self._num_clips
        if p < 1 or k < 1 or p * k > self.batch_size:
            raise SamplerError(
                f"{p} classes x {k} clips are {p * k} clips, but the batch size is {self.batch_size}. Raise "
                "optim.batch_size, or lower classes_per_batch or clips_per_class."
            )
        if p > len(self._clips):
            raise SamplerError(
                f"classes_per_batch is {p}, but the clips are of {len(self._clips)} classes "
                f"({', '.join(map(self._title, self._clips))}). Lower it, or add videos or makers."
            )
        for group, videos in self._videos.items():
            clips = len(self._clips[group])
            needed = k if self._different else min(2, k)
            if len(videos) < needed:
                hint = "" if len(videos) < 2 else ", or set different_videos=false"
                raise SamplerError(
                    f"a batch needs {k} clips of '{self._title(group)}' from {needed} different videos, but there "
                    f"are {len(videos)} ({clips} clips). Lower clips_per_class, add videos{hint}."
                )
            if clips < k:
                raise SamplerError(
                    f"a batch needs {k} clips of '{self._title(group)}', but there are {clips}. Lower "
                    "clips_per_class, or add videos."
                )

    def _title(self, group: int) -> str:
        return self.table.class_names[group] if self._by == "class" else ("real", "fake")[group]

    def plan(self, epoch: int) -> Iterator[list[Card]]:
        """Batches in order of class."""
        classes = Deck(list(self._clips), self.random(epoch, "classes"))
        decks = {g: _ClassDeck(videos, partial(self.random, epoch, g)) for g, videos in self._videos.items()}
        for _ in range(self._steps):
            chosen: list[int] = []
            while len(chosen) < self._num_classes:
                chosen.append(_taken(classes, chosen))
            yield [(item, -1) for group in sorted(chosen) for item in decks[group].take(self._num_clips)]

    def supplies(self, by: By) -> tuple[int, int]:
        """P and K; by label, a batch of manipulations has real clips only where every class is in it."""
        if by == self._by:
            return self._num_classes, self._num_clips
        if by == "class":
            return (2, self._num_clips) if self.num_classes == 2 and self._num_classes == 2 else (1, 1)
        whole = self._num_classes == len(self._clips) >= 2 and 0 in self._clips
        return (2, self._num_clips) if whole else (1, self._num_clips)

    def __len__(self) -> int:
        return self._steps


class _ClassDeck:
    """The clips of one class, drawn video by video."""

    def __init__(self, clips: dict[int, IntArray], random: Callable[..., np.random.Generator]) -> None:
        self._clips, self._random = clips, random
        self._videos = Deck(list(clips), random("videos"))
        self._decks: dict[int, Deck] = {}  # made when first needed: a corpus has many videos

    def take(self, count: int) -> list[int]:
        """That many different clips, one of each video before a second of any. There must be as many."""
        items: list[int] = []
        used: set[int] = set()
        exhausted: set[int] = set()
        while len(items) < count:
            video = self._videos.take(lambda v: v not in used and v not in exhausted)  # noqa: B023
            if video is None:
                used = set()
                continue
            used.add(video)
            if video not in self._decks:
                self._decks[video] = Deck(self._clips[video], self._random("clips", video))

            item = self._decks[video].take(lambda i: i not in items)
            if item is None:
                exhausted.add(video)
            else:
                items.append(item)
        return items


def _taken(deck: Deck, used: list[int]) -> int:
    card = deck.take(lambda c: c not in used)
    if card is None:
        raise SamplerError("there are fewer classes than a batch needs.")
    return card
