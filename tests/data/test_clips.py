"""The clip dataset: labels, padding, stretches, and randomness that depends on (seed, epoch, item) only."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_stores import make_clip, make_record, write_store
from torch.utils.data import DataLoader

from vidfake.data.batch import ClipBatch
from vidfake.data.clips import ClipDataset, ClipItem, Draw, collate
from vidfake.data.store import ClipStore
from vidfake.errors import MakerError, ManifestError, SamplerError
from vidfake.inference.predict import all_records
from vidfake.seeding import generator
from vidfake.synth.base import MadeClip, MakerClip
from vidfake.types import ByteArray


def noise(faces: ByteArray, rng: np.random.Generator) -> ByteArray:
    """An augmentation that shows every number drawn."""
    return (faces + rng.integers(0, 256, faces.shape, dtype=np.uint8)).astype(np.uint8)


def stamp(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
    """A maker that writes the first landmark and a random number into the first pixel."""
    faces = clip.faces.copy()
    faces[:, 0, 0, :2] = clip.landmarks[:, 0].astype(np.uint8)
    faces[:, 0, 0, 2] = rng.integers(0, 256)
    return MadeClip(faces=faces, mask=np.zeros(faces.shape[:3], np.float32))


def test_items_and_labels(small_store: ClipStore) -> None:
    dataset = ClipDataset(small_store)
    assert dataset.class_names == ("real", "swap")
    assert len(dataset) == 15
    for index, stored in enumerate(small_store.clips):
        item = dataset[index]
        record = stored.video.record
        assert np.array_equal(item.faces, small_store.read_faces(stored))
        assert (item.label, item.class_label) == (record.label, record.label)
        assert (item.video_id, item.source_id, item.dataset) == (record.video_id, record.source_id, "toy")
        assert (item.track_id, item.clip_index) == (stored.track_id, stored.clip_index)
        assert item.pts_seconds == pytest.approx(stored.pts_seconds - stored.pts_seconds[0])
        assert item.length == 6


def test_batches_pad_and_mask_short_clips(small_store: ClipStore) -> None:
    dataset = ClipDataset(small_store)
    batch = collate([dataset[0], dataset[2]])
    assert batch.frames is not None
    assert batch.frames.shape == (2, 6, 3, 32, 32)
    assert batch.frames.dtype == torch.uint8
    assert batch.mask.tolist() == [[True] * 6, [True] * 3 + [False] * 3]
    assert torch.equal(batch.frames[1, 3:], batch.frames[1, 2].expand(3, -1, -1, -1))
    assert batch.pts_seconds[1].tolist() == pytest.approx([0, 0.04, 0.08, 0.08, 0.08, 0.08])
    faces = dataset[0].faces
    assert faces is not None
    assert torch.equal(batch.frames[0], torch.from_numpy(faces).permute(0, 3, 1, 2))
    assert collate([dataset[2]]).mask.shape == (1, 6)  # also when no long clip is beside it


def test_labels_come_from_the_given_records(small_store: ClipStore) -> None:
    records = [video.record for video in small_store.videos]
    newer = [replace(r, manipulation="face2face", compression="c40") if r.label else r for r in records]
    dataset = ClipDataset(small_store, records=newer[:2], class_names=("real", "deepfakes", "face2face"))
    assert {item.class_label for item in dataset.items} == {0, 2}
    assert dataset[3].compression == "c40"
    assert len(dataset) == 6


def test_a_fake_without_a_name_is_of_the_class_fake(tmp_path: Path) -> None:
    videos = [(make_record("a"), [make_clip(1)]), (make_record("b", 1, manipulation=""), [make_clip(2)])]
    assert ClipDataset(ClipStore(write_store(tmp_path / "s", videos))).class_names == ("real", "fake")


def test_what_is_refused(small_store: ClipStore, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"does not hold 1 of 1 videos \(x\)"):
        ClipDataset(small_store, records=[make_record("x")])
    with pytest.raises(ManifestError, match=r"video 'a-swap' is of class 'swap'. Classes here: swop. Did you mean"):
        ClipDataset(small_store, class_names=("real", "swop"))
    with pytest.raises(ManifestError, match=r"maker 'stamp' is of class 'stamp'. Classes here: swap"):
        ClipDataset(small_store, class_names=("real", "swap"), makers={"stamp": stamp})
    with pytest.raises(ManifestError, match="video 'a' has no label"):
        ClipDataset(small_store, records=[make_record("a", None)])
    with pytest.raises(SamplerError, match="none of the 1 videos asked for has a clip"):
        ClipDataset(small_store, records=[make_record("empty")])


def test_unlabelled_videos_are_left_out_by_default(tmp_path: Path) -> None:
    videos = [(make_record("a"), [make_clip(1)]), (make_record("b", None), [make_clip(2)])]
    dataset = ClipDataset(ClipStore(write_store(tmp_path / "s", videos)))
    assert [item.video_id for item in dataset.items] == ["a"]


def same(a: ClipItem, b: ClipItem) -> bool:
    return bool(np.array_equal(a.faces, b.faces) and np.array_equal(a.pts_seconds, b.pts_seconds))


def test_training_depends_on_seed_epoch_repeat_and_item_only(small_store: ClipStore) -> None:
    options: dict[str, Any] = {"training": True, "transform": noise, "num_frames": 4, "makers": {"stamp": stamp}}
    dataset = ClipDataset(small_store, seed=1, **options)
    for index in (0, 16, 23):
        first = dataset[Draw(index, epoch=2)]
        dataset[Draw(5, epoch=2)]
        assert same(dataset[Draw(index, epoch=2)], first)
        assert not same(dataset[Draw(index, epoch=3)], first)
        assert not same(dataset[Draw(index, epoch=2, repeat=1)], first)
        assert not same(ClipDataset(small_store, seed=2, **options)[Draw(index, epoch=2)], first)
    records = [v.record for v in small_store.videos if v.video_id in ("b", "b-swap")]
    alone = ClipDataset(small_store, seed=1, records=records, **{**options, "makers": {}})
    there = next(i for i, item in enumerate(dataset.items) if item.video_id == "b")
    assert same(alone[Draw(0, epoch=2)], dataset[Draw(there, epoch=2)])


def half(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
    """A maker that brightens the upper half."""
    faces, mask = clip.faces.copy(), np.zeros(clip.faces.shape[:3], np.float32)
    faces[:, :16] = faces[:, :16] // 2 + 100
    mask[:, :16] = 1
    return MadeClip(faces=faces, mask=mask)


def test_manipulation_masks_as_cells(small_store: ClipStore) -> None:
    dataset = ClipDataset(small_store, makers={"half": half}, mask_cells=4)
    real, found, made = (
        next(item for item in (dataset[i] for i in range(len(dataset))) if wanted(item))
        for wanted in (
            lambda item: item.label == 0,
            lambda item: item.label == 1 and "#" not in item.video_id,
            lambda item: "#half" in item.video_id,
        )
    )
    batch = collate([real, found, made])
    assert batch.manipulation_masks is not None
    assert batch.manipulation_masks.shape == (3, 6, 4, 4)
    assert batch.manipulation_masks[0].eq(0).all()
    assert batch.manipulation_masks[1].eq(-1).all(), "where a found fake was changed, nobody said"
    assert batch.manipulation_masks[2, :, :2].eq(1).all()
    assert batch.manipulation_masks[2, :, 2:].eq(0).all()
    assert collate([ClipDataset(small_store)[0]]).manipulation_masks is None
    with pytest.raises(ValueError, match="for all of its clips or for none"):
        collate([real, ClipDataset(small_store)[0]])


def test_worker_processes_change_nothing(small_store: ClipStore) -> None:
    dataset = ClipDataset(small_store, training=True, transform=noise, makers={"stamp": stamp})
    batches = [
        [batch.frames for batch in DataLoader(dataset, batch_size=6, collate_fn=collate, num_workers=workers)]
        for workers in (0, 2)
    ]
    assert all(torch.equal(a, b) for a, b in zip(*batches, strict=True))


def test_a_dataset_survives_pickling(small_store: ClipStore) -> None:
    dataset = ClipDataset(small_store, training=True, transform=noise, makers={"stamp": stamp})
    assert same(pickle.loads(pickle.dumps(dataset))[17], dataset[17])


def test_evaluation_is_the_same_in_every_epoch(small_store: ClipStore) -> None:
    dataset = ClipDataset(small_store, makers={"stamp": stamp})
    assert all(same(dataset[Draw(i, epoch=1)], dataset[Draw(i, epoch=9)]) for i in range(len(dataset)))
    assert np.array_equal(dataset[0].faces, small_store.read_faces(small_store.clips[0]))


def test_degraded_evaluation_is_the_same_in_every_epoch_and_for_a_fake_and_its_real(small_store: ClipStore) -> None:
    dataset = ClipDataset(small_store, makers={"stamp": stamp}, transform=noise)
    plain = ClipDataset(small_store, makers={"stamp": stamp})
    fake = next(i for i, item in enumerate(dataset.items) if item.maker)
    real = dataset.items.index(next(r for r in dataset.items if r.clip is dataset.items[fake].clip and not r.maker))
    assert same(dataset[Draw(fake, epoch=0)], dataset[Draw(fake, epoch=3)])
    added = [(dataset[i].faces - plain[i].faces)[:, 1:] for i in (real, fake)]  # type: ignore[operator]
    assert added[0].any()
    np.testing.assert_array_equal(*added)


def test_made_fakes_are_videos_of_their_own_beside_their_real(small_store: ClipStore) -> None:
    dataset = ClipDataset(small_store, makers={"stamp": stamp, "again": stamp})
    assert dataset.class_names == ("real", "again", "stamp", "swap")
    made = [item for item in dataset.items if item.maker]
    assert len(made) == 2 * 9
    table = dataset.table()
    for index, item in enumerate(dataset.items):
        if not item.maker:
            continue
        real, fake = dataset[int(table.made_from[index])], dataset[index]
        assert fake.video_id == f"{real.video_id}#{item.maker}"
        assert (fake.label, fake.class_label) == (1, dataset.class_names.index(item.maker))
        assert (fake.source_id, fake.clip_index) == (real.source_id, real.clip_index)
        assert real.faces is not None
        assert fake.faces is not None
        landmarks = small_store.details(item.clip).crop_landmarks[:, 0].astype(np.uint8)
        assert np.array_equal(fake.faces[:, 0, 0, :2], landmarks)
        assert np.array_equal(fake.faces[:, 1:], real.faces[:, 1:])
        assert table.videos[index] == table.videos[table.made_from[index]]


def test_a_fake_and_its_real_get_the_same_stretch_and_augmentation(small_store: ClipStore) -> None:
    """Noise that is the same on both sides cancels, but for the pixel that the maker changed."""
    dataset = ClipDataset(small_store, training=True, transform=noise, num_frames=3, makers={"stamp": stamp})
    table = dataset.table()
    for index in np.flatnonzero(table.made_from >= 0).tolist():
        twin = int(table.made_from[index])
        real, fake = dataset[Draw(twin, epoch=1)], dataset[Draw(index, epoch=1, twin=twin)]
        assert np.array_equal(fake.faces[:, 1:], real.faces[:, 1:])
    stored_real = next(i for i, item in enumerate(dataset.items) if item.video_id == "a")
    stored_fake = next(i for i, item in enumerate(dataset.items) if item.video_id == "a-swap")
    raw = ClipDataset(small_store, training=True, num_frames=3)
    drawn = dataset[Draw(stored_fake, twin=stored_real)].faces - raw[Draw(stored_fake, twin=stored_real)].faces
    assert np.array_equal(drawn, dataset[Draw(stored_real)].faces - raw[Draw(stored_real)].faces)
    alone = dataset[Draw(stored_fake)].faces - raw[Draw(stored_fake)].faces
    assert not np.array_equal(drawn, alone)


def test_training_draws_a_stretch_and_evaluation_takes_all(small_store: ClipStore) -> None:
    training = ClipDataset(small_store, training=True, num_frames=4)
    whole = small_store.read_faces(small_store.clips[0])
    starts = set()
    for epoch in range(30):
        faces = training[Draw(0, epoch=epoch)].faces
        assert faces is not None
        assert len(faces) == 4
        starts.add(next(s for s in range(3) if np.array_equal(whole[s : s + 4], faces)))
    assert starts == {0, 1, 2}
    evaluation = ClipDataset(small_store, num_frames=4)
    of_a = [item for item in evaluation.items if item.video_id == "a"]
    assert [(item.start, item.clip_index) for item in of_a] == [(0, 0), (2, 1), (0, 2), (2, 3), (0, 4)]
    assert np.array_equal(evaluation[1].faces, whole[2:])
    assert len(training) == 15


# --- the batch checks itself -------------------------------------------------------------------------------------


def batch_fields(small_store: ClipStore) -> dict[str, Any]:
    dataset = ClipDataset(small_store)
    return dict(vars(collate([dataset[0], dataset[3]])))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": None}, "either frames or features"),
        ({"features": torch.zeros(2, 6, 4)}, "either frames or features"),
        ({"frames": torch.zeros(2, 6, 32, 32, 3)}, r"frames must be \(B, T, 3, H, W\)"),
        ({"frames": torch.zeros(0, 6, 3, 8, 8)}, "0 clips of 6 frames is empty"),
        ({"mask": torch.ones(2, 6)}, r"mask must be \(2, 6\) torch.bool"),
        ({"mask": torch.zeros(2, 6, dtype=torch.bool)}, "True from the first frame on"),
        ({"mask": torch.tensor([[1, 0, 1, 0, 0, 0]] * 2, dtype=torch.bool)}, "True from the first frame on"),
        ({"labels": torch.tensor([0, 2])}, r"0 \(real\) or 1 \(fake\), got \[0, 2\]"),
        ({"labels": torch.tensor([0])}, r"labels must be \(2,\)"),
        ({"class_labels": torch.tensor([0, 0])}, "disagree on the reals"),
        ({"pts_seconds": torch.zeros(2, 6, dtype=torch.float64)}, "torch.float32"),
        ({"video_ids": ["a"]}, "video_ids must have 2 entries, got 1"),
    ],
)
def test_a_batch_that_cannot_be_is_refused(small_store: ClipStore, change: dict[str, Any], message: str) -> None:
    values = batch_fields(small_store)
    with pytest.raises(ValueError, match=message):
        ClipBatch(**{**values, **change})
    assert len(ClipBatch(**values)) == 2


def test_a_batch_moves_whole(small_store: ClipStore) -> None:
    batch = ClipBatch(**batch_fields(small_store))
    moved = batch.to("meta")
    assert moved.frames is not None
    assert {t.device.type for t in (moved.frames, moved.mask, moved.labels, moved.pts_seconds)} == {"meta"}
    assert moved.video_ids == batch.video_ids


def test_nothing_and_pictures_of_two_sizes_make_no_batch(small_store: ClipStore) -> None:
    with pytest.raises(ValueError, match="at least one clip"):
        collate([])
    item = ClipDataset(small_store)[0]
    assert item.faces is not None
    with pytest.raises(ValueError, match="must have one size"):
        collate([item, replace(item, faces=item.faces[:, ::2])])
    with pytest.raises(ValueError, match="must have one size"):
        collate([item, replace(item, faces=None, features=np.zeros((6, 4)))])


def test_a_fake_that_cannot_be_made_is_no_video(small_store: ClipStore) -> None:
    """The one of the video without faces, which is listed itself."""
    names = {record.video_id for record in all_records(ClipDataset(small_store, makers={"stamp": stamp}))}
    assert names == {"a", "a-swap", "b", "b-swap", "c", "empty", "a#stamp", "b#stamp", "c#stamp"}


def test_clips_too_short_for_a_maker_get_no_fake_of_it(tmp_path: Path) -> None:
    videos = [(make_record("photo"), [make_clip(1, num_faces=1)]), (make_record("video"), [make_clip(2)])]
    store = ClipStore(write_store(tmp_path / "store", videos))
    names = ("temporal_face", "self_blend", "self_blend+temporal_face", "a maker of the user's own")

    def made_of(video_id: str, num_frames: int | None = None) -> set[str]:
        dataset = ClipDataset(store, makers=dict.fromkeys(names, stamp), num_frames=num_frames, training=True)
        return {item.maker for item in dataset.items if item.clip.video.video_id == video_id} - {""}

    assert made_of("video") == set(names)
    assert made_of("photo") == {"self_blend", "a maker of the user's own"}
    assert made_of("video", num_frames=1) == made_of("photo"), "one frame is taken of it"


@pytest.mark.parametrize(
    ("name", "asks"),
    [("swap_warp", True), ("self_blend+cross_blend", True), ("self_blend", False), ("of the user's own", False)],
)
def test_donors_are_looked_for_where_a_maker_needs_one(small_store: ClipStore, name: str, asks: bool) -> None:
    assert (ClipDataset(small_store, makers={name: stamp}).donors is not None) == asks


# --- made fakes are checked --------------------------------------------------------------------------------------


def test_a_fake_equal_to_its_real_is_refused(small_store: ClipStore) -> None:
    """One level is rounding; two in a single pixel of a clip are no manipulation either."""

    def nothing(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
        return MadeClip(clip.faces ^ 1, np.zeros(clip.faces.shape[:3], np.float32))

    def speck(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
        faces = clip.faces.copy()
        faces[0, 0, 0, 0] ^= 128
        return MadeClip(faces, np.zeros(faces.shape[:3], np.float32))

    for maker in (nothing, speck):
        dataset = ClipDataset(small_store, makers={"idle": maker})
        with pytest.raises(MakerError, match="maker 'idle' changed nothing visible in a track 0 clip 0 in 4 draws"):
            dataset[15]


def test_a_fake_that_fails_at_first_is_drawn_again(small_store: ClipStore) -> None:
    """The redraw has a seed of its own and is the same every time; clips that pass at once keep their pixels."""

    def sometimes(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
        value = int(rng.integers(0, 256))
        faces = clip.faces ^ np.uint8(value) if value % 4 else clip.faces
        return MadeClip(faces, np.ones(faces.shape[:3], np.float32), {"value": value})

    dataset = ClipDataset(small_store, training=True, makers={"sometimes": sometimes}, seed=4)
    redrawn = 0
    for index in range(15, 24):
        item = dataset.items[index]
        names = ("sometimes", 0, 0, item.clip.video.video_id, 0, item.clip.clip_index, -1)
        first = int(generator(4, "maker", *names).integers(0, 256))
        values = np.unique(dataset[index].faces ^ small_store.read_faces(item.clip)).tolist()
        assert len(values) == 1
        if first % 4 and first > 1:
            assert values == [first]
        else:
            redrawn += 1
            assert values[0] % 4
        assert same(dataset[index], dataset[index])
    assert redrawn, "the seed must show a redraw"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: replace(m, faces=m.faces[:1]),
            r"gave faces \(1, 32, 32, 3\) uint8 for a track 0 clip 0, expected",
        ),
        (lambda m: replace(m, faces=m.faces.astype(np.float32)), "float32 for"),
        (lambda m: replace(m, mask=m.mask[..., :1]), r"gave a mask \(6, 32, 1\)"),
        (lambda m: replace(m, mask=m.mask * np.nan), "a mask from nan to nan"),
        (lambda m: replace(m, mask=m.mask + 1.5), r"a mask from 1.5 to 1.5"),
    ],
)
def test_a_broken_fake_is_refused_at_once(small_store: ClipStore, change: Any, message: str) -> None:
    dataset = ClipDataset(small_store, makers={"broken": lambda clip, rng: change(stamp(clip, rng))})
    with pytest.raises(MakerError, match=message):
        dataset[15]
