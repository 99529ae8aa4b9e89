"""Stored clips as a torch dataset. An item depends on (seed, epoch, item) only, not on workers or order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from torch.utils.data import Dataset

from vidfake.data.batch import ClipBatch, ClipItem, collate
from vidfake.data.clip_sampling import random_start, uniform_starts
from vidfake.data.items import (
    Draw,
    Item,
    SamplingTable,
    class_index,
    class_names_of,
    class_of,
    sampling_table,
)
from vidfake.data.store import ClipStore
from vidfake.data.store_index import StoredClip
from vidfake.data.transforms import Augment
from vidfake.errors import MakerError, ManifestError, SamplerError, UnchangedFakeError
from vidfake.seeding import generator
from vidfake.types import FAKE, REAL, ByteArray, FloatArray, VideoRecord

if TYPE_CHECKING:
    from vidfake.data.donors import DonorPool
    from vidfake.synth.base import AnyMaker
    from vidfake.synth.compose import MakerFacts

__all__ = ["ClipBatch", "ClipDataset", "ClipItem", "Draw", "collate"]

MOST_INSTEAD = 32  # fakes tried of the same clip, and of others, where one cannot be made
Transform = Callable[[ByteArray, np.random.Generator], ByteArray]


class ClipDataset(Dataset[ClipItem]):
    """Clips of a store's videos, and fakes made from the real ones when they are read.

    Args:
        store: an open clip store.
        records: the videos to take, by `video_id`; None takes every labelled one. Labels and classes are read from
            these records, so they may be newer than the store's own.
        class_names: ``real`` first; default: what the records and makers hold (`class_names_of`).
        num_frames: frames that the model takes; None takes clips as stored. From a longer clip, training draws a
            stretch, evaluation takes all stretches as items of their own.
        training: random stretches, and everything drawn anew in every epoch; off, an item is the same in each.
        transform: (faces (T, H, W, 3) uint8, generator) -> the same shape; alike for a fake and its real.
        makers: name -> maker; each adds one fake per real clip that has the frames it needs (`min_frames`). One
            whose name says that it needs a donor (`maker_facts`) gets another person's real clip of `records`.
        seed: of everything random.
        mask_cells: G, for items that carry their manipulation mask as a grid of G x G cells; 0: they carry none.
            A transform that is no `Augment` is then taken not to move anything.

    A fake in which nothing visible changed is drawn again. Where that does not help, as on a face that does not
    move, training takes another one in its place and says so (`ClipItem.skipped`): by another maker of the same
    clip, else by the same maker of another. Evaluation takes none: `drop_unmade` leaves such fakes out beforehand.

    `items` and `table()` describe the items; a `Draw` or a plain index reads one.
    """

    def __init__(
        self,
        store: ClipStore,
        *,
        records: Iterable[VideoRecord] | None = None,
        class_names: Sequence[str] | None = None,
        num_frames: int | None = None,
        training: bool = False,
        transform: Transform | None = None,
        makers: Mapping[str, AnyMaker] | None = None,
        seed: int = 0,
        mask_cells: int = 0,
    ) -> None:
        self.mask_cells = mask_cells
        self._still: dict[tuple[int | str, ...], bool] = {}
        self.store = store
        self.makers = dict(makers or {})
        self._needs = {name: _needs(name) for name in self.makers}
        self.training = training
        self.transform = transform
        self.seed = seed
        self.num_frames = num_frames or store.settings.num_frames
        self.records = _records(store, records)
        self.class_names = tuple(class_names or class_names_of(list(self.records.values()), list(self.makers)))
        self.items = self._items()
        if not self.items:
            raise SamplerError(
                f"{store.path}: none of the {len(self.records)} videos asked for has a clip. Choose a split whose "
                "videos show faces."
            )
        self.donors = self._donor_pool()

    def _items(self) -> list[Item]:
        classes = {video_id: class_of(record, self.class_names) for video_id, record in self.records.items()}
        made = {name: class_index(name, self.class_names, f"maker '{name}'") for name in self.makers}
        clips = [clip for clip in self.store.clips if clip.video.video_id in self.records]
        items: list[Item] = []
        for clip in clips:
            class_label = classes[clip.video.video_id]
            items += self._stretches(clip, REAL if class_label == 0 else FAKE, class_label)
        for name, class_label in made.items():
            for clip in clips:
                frames = min(clip.num_faces, self.num_frames)
                if classes[clip.video.video_id] == 0 and frames >= self._needs[name].min_frames:
                    items += self._stretches(clip, FAKE, class_label, maker=name)
        return items

    def _donor_pool(self) -> DonorPool | None:
        """The real clips, where a maker needs donors. Raises SamplerError where these are all of one person."""
        asking = [name for name, needs in self._needs.items() if needs.needs_donor]
        if not asking:
            return None
        from vidfake.data.donors import DonorPool

        clips = [clip for clip in self.store.clips if clip.video.video_id in self.records]
        real = [clip for clip in clips if class_of(self.records[clip.video.video_id], self.class_names) == 0]
        pool = DonorPool(self.store, real, self.records)
        pool.require(asking[0])
        return pool

    def _stretches(self, clip: StoredClip, label: int, class_label: int, maker: str = "") -> list[Item]:
        if self.training:
            return [Item(clip, label, class_label, maker, None, clip.clip_index)]
        # stretches of one clip get indices of their own, in order of time, the same number for every whole clip
        whole = len(uniform_starts(self.store.settings.num_frames, self.num_frames))
        return [
            Item(clip, label, class_label, maker, start, clip.clip_index * whole + i)
            for i, start in enumerate(uniform_starts(clip.num_faces, self.num_frames))
        ]

    def table(self) -> SamplingTable:
        """What samplers need to know of the items."""
        return sampling_table(self.items, self.records, self.class_names)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int | Draw) -> ClipItem:
        draw = index if isinstance(index, Draw) else Draw(index)
        asked = self.items[draw.item]
        epoch = draw.epoch if self.training else 0
        twin = self.items[draw.twin] if draw.twin >= 0 else asked
        # a stream each: what the stretch draws, or not, must not change the augmentation shared with a twin
        name = (epoch, draw.repeat, *_name(twin))
        skipped: list[str] = []
        for item in self._in_turn(asked, name):
            start, pts = self._stretch(item, generator(self.seed, "stretch", *name))
            try:
                faces, mask = self._faces(item, slice(start, start + len(pts)), epoch, draw.repeat)
                break
            except UnchangedFakeError:
                if not self.training:
                    raise
                skipped.append(item.video_id)
        else:
            raise MakerError(
                f"nothing visible changed in any of {len(skipped)} fakes: {', '.join(dict.fromkeys(skipped))}. "
                "Do these faces move? Leave their videos or these makers out, or add makers that need no movement."
            )
        if self.transform is not None:
            rng = generator(self.seed, "augment", *name)
            if isinstance(self.transform, Augment):
                faces, mask = self.transform.with_mask(faces, mask, rng)
            else:
                faces = self.transform(faces, rng)
        cells = _cells(mask, item, len(faces), self.mask_cells) if self.mask_cells else None
        made = self.item(item, faces=faces, pts_seconds=pts, manipulation_mask=cells)
        return replace(made, skipped=tuple(skipped)) if skipped else made

    def _in_turn(self, item: Item, name: tuple[int | str, ...]) -> Iterator[Item]:
        """The item, and what may take its place: the draw's `name` decides in which order."""
        yield item
        rng = generator(self.seed, "instead", item.maker, *name)
        same_clip = [
            other for other in self.items if other.clip is item.clip and other.maker not in ("", item.maker)
        ]
        same_maker = [other for other in self.items if other.maker == item.maker and other.clip is not item.clip]
        for others in (same_clip, same_maker):
            yield from (others[i] for i in rng.permutation(len(others))[:MOST_INSTEAD])

    def drop_unmade(self) -> int:
        """Leave out the fakes that would equal their real, for evaluation and for reading by index. How many."""
        kept = [item for i, item in enumerate(self.items) if not self.is_unmade(i)]
        dropped, self.items = len(self.items) - len(kept), kept
        return dropped

    def is_unmade(self, index: int) -> bool:
        """Whether item `index` is by a maker over time, and its clip does not move enough for it (evaluation)."""
        item = self.items[index]
        if not item.maker or self._needs[item.maker].min_frames < 2:
            return False
        from vidfake.data.made import hardly_moves

        start = item.start or 0
        frames = slice(start, start + self.num_frames)
        where = (*_name(item), start)
        if where not in self._still:
            self._still[where] = hardly_moves(self.store.read_faces(item.clip, frames))
        if not self._still[where]:
            return False
        try:
            self._faces(item, frames, 0, 0)
        except UnchangedFakeError:
            return True
        return False

    def _stretch(self, item: Item, rng: np.random.Generator) -> tuple[int, FloatArray]:
        """First frame, and times from it on, of the frames that this draw takes."""
        stored = item.clip.num_faces
        start = random_start(stored, self.num_frames, rng) if item.start is None else item.start
        pts = item.clip.pts_seconds[start : start + self.num_frames]
        return start, pts - pts[0]

    def _faces(self, item: Item, frames: slice, epoch: int, repeat: int) -> tuple[ByteArray, FloatArray | None]:
        """Pictures (T, S, S, 3), and for a fake made here, if masks are asked for, its mask (T, S, S)."""
        faces = self.store.read_faces(item.clip, frames)
        if not item.maker:
            return faces, None
        from vidfake.data.made import make_visible
        from vidfake.synth.base import MadeClip, MakerClip
        from vidfake.synth.compose import apply_maker

        clip = MakerClip(faces=faces, landmarks=self.store.details(item.clip).crop_landmarks[frames])
        maker = self.makers[item.maker]
        pool = self.donors if self._needs[item.maker].needs_donor else None

        def draw(attempt: int) -> MadeClip:
            # a maker has its own stream: its draws must not change the augmentation that it shares with its real
            name = (item.maker, epoch, repeat, *_name(item), *(("redraw", attempt) if attempt else ()))
            donor = pool.draw(item.clip, clip.landmarks, generator(self.seed, "donor", *name)) if pool else None
            return apply_maker(maker, clip, donor, generator(self.seed, "maker", *name))

        made = make_visible(draw, clip, maker=item.maker, where=item.clip.name)
        return made.faces, made.mask if self.mask_cells else None

    def item(
        self,
        item: Item,
        *,
        pts_seconds: FloatArray,
        faces: ByteArray | None = None,
        features: FloatArray | None = None,
        manipulation_mask: FloatArray | None = None,
    ) -> ClipItem:
        """An item's labels and names around its pictures or features."""
        record = self.records[item.clip.video.video_id]
        return ClipItem(
            faces=faces,
            features=features,
            pts_seconds=pts_seconds,
            length=self.num_frames,
            label=item.label,
            class_label=item.class_label,
            video_id=item.video_id,
            source_id=record.source_id or record.video_id,
            dataset=record.dataset,
            compression=record.compression,
            track_id=item.clip.track_id,
            clip_index=item.clip_index,
            manipulation_mask=manipulation_mask,
        )


def _needs(maker: str) -> MakerFacts:
    """What the maker of that name needs; one of the user's own needs one frame and no donor."""
    from vidfake.synth.compose import MakerFacts, is_maker, maker_facts

    return maker_facts(maker) if is_maker(maker) else MakerFacts()


def _cells(mask: FloatArray | None, item: Item, length: int, cells: int) -> FloatArray:
    """The mask (T, S, S) as means over cells (T, G, G); 0 for a real clip, -1 for a fake that was found so."""
    if mask is None:
        return np.full((length, cells, cells), 0.0 if item.label == REAL else -1.0, np.float32)
    return np.stack([cv2.resize(each, (cells, cells), interpolation=cv2.INTER_AREA) for each in mask])


def _name(item: Item) -> tuple[int | str, ...]:
    """What names a stored clip (or stretch) everywhere, whatever else the dataset holds."""
    start = -1 if item.start is None else item.start
    return item.clip.video.video_id, item.clip.track_id, item.clip.clip_index, start


def _records(store: ClipStore, records: Iterable[VideoRecord] | None) -> dict[str, VideoRecord]:
    stored = {video.video_id: video.record for video in store.videos}
    if records is None:
        return {video_id: record for video_id, record in stored.items() if record.label is not None}
    wanted = {record.video_id: record for record in records}
    missing = [video_id for video_id in wanted if video_id not in stored]
    if missing:
        shown = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        raise ManifestError(
            f"{store.path}: does not hold {len(missing)} of {len(wanted)} videos ({shown}). Prepare them into it."
        )
    return wanted
