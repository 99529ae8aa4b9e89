"""A face that does not move, under makers that need movement: another fake in training, left out in evaluation."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path

import made_stores
import numpy as np
import pytest

from vidfake.data.batch import collate
from vidfake.data.clips import ClipDataset, Draw
from vidfake.data.made import hardly_moves
from vidfake.data.store import ClipStore
from vidfake.errors import MakerError
from vidfake.faces.codec import decode_crop
from vidfake.synth.base import MadeClip, MakerClip
from vidfake.synth.compose import build_maker
from vidfake.types import FaceClip

TEMPLATE = np.array([[12, 13], [20, 13], [16, 17], [13, 21], [19, 21]], float)


def clip(seed: int, *, moves: bool, clip_index: int = 0) -> FaceClip:
    """Noise that changes from frame to frame, or one picture of it throughout; landmarks of an upright face."""
    made = made_stores.make_clip(seed, clip_index=clip_index)
    encoded = made.encoded if moves else made.encoded[:1] * len(made.encoded)
    faces = np.stack([decode_crop(data) for data in encoded])
    landmarks = np.tile(TEMPLATE, (len(faces), 1, 1))
    return replace(made, faces=faces, encoded=encoded, crop_landmarks=landmarks)


def store(folder: Path, moving: dict[str, bool]) -> ClipStore:
    videos = [
        (made_stores.make_record(name, 0), [clip(seed, moves=moves, clip_index=i) for i in range(2)])
        for seed, (name, moves) in enumerate(moving.items())
    ]
    return ClipStore(made_stores.write_store(folder / "store", videos))


def invert(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
    return MadeClip(255 - clip.faces, np.ones(clip.faces.shape[:3], np.float32))


@pytest.fixture
def mixed(tmp_path: Path) -> ClipStore:
    return store(tmp_path, {"still": False, "moving": True})


def of(dataset: ClipDataset, video_id: str) -> list[int]:
    return [i for i, item in enumerate(dataset.items) if item.video_id == video_id]


def test_another_maker_of_the_same_clip_takes_its_place_in_training(mixed: ClipStore) -> None:
    makers = {"temporal_face": build_maker("temporal_face"), "invert": invert}
    dataset = ClipDataset(mixed, training=True, makers=makers)
    for index in of(dataset, "still#temporal_face"):
        item = dataset[Draw(index, epoch=1, twin=0)]
        assert (item.video_id, item.skipped) == ("still#invert", ("still#temporal_face",))
        assert item.class_label == dataset.class_names.index("invert")
        assert (item.label, item.clip_index) == (1, dataset.items[index].clip_index)
        assert item.faces is not None
        real = mixed.read_faces(dataset.items[index].clip)
        assert np.array_equal(item.faces, 255 - real)
    others = [dataset[i] for i in of(dataset, "moving#temporal_face") + of(dataset, "still#invert") + [0]]
    assert [item.skipped for item in others] == [()] * len(others)
    batch = collate([dataset[i] for i in of(dataset, "still#temporal_face")] + others)
    assert Counter(batch.skipped) == {"still#temporal_face": 2}
    assert batch.to("cpu").skipped == batch.skipped


def test_without_another_maker_another_clip_does_and_always_the_same(mixed: ClipStore) -> None:
    dataset = ClipDataset(mixed, training=True, makers={"temporal_face": build_maker("temporal_face")}, seed=3)
    (index, _) = of(dataset, "still#temporal_face")
    found = [dataset[Draw(index, epoch)] for epoch in range(8)]
    assert {item.video_id for item in found} == {"moving#temporal_face"}
    assert {item.clip_index for item in found} == {0, 1}, "drawn anew in every epoch"
    assert all(item.skipped[0] == "still#temporal_face" for item in found)
    for epoch, item in enumerate(found):
        again = dataset[Draw(index, epoch)]
        assert again.faces is not None
        assert np.array_equal(again.faces, item.faces)
        assert again.skipped == item.skipped


def test_where_nothing_can_be_made_training_says_so(tmp_path: Path) -> None:
    still = store(tmp_path, {"a": False, "b": False})
    dataset = ClipDataset(still, training=True, makers={"temporal_face": build_maker("temporal_face")})
    with pytest.raises(MakerError, match=r"in any of 4 fakes: .*a#temporal_face.*Do these faces move\?"):
        dataset[of(dataset, "a#temporal_face")[0]]


def test_a_broken_fake_is_never_skipped(mixed: ClipStore) -> None:
    def broken(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
        return MadeClip(clip.faces[:1], np.ones(clip.faces.shape[:3], np.float32))

    dataset = ClipDataset(mixed, training=True, makers={"broken": broken, "invert": invert})
    with pytest.raises(MakerError, match="gave faces"):
        dataset[of(dataset, "still#broken")[0]]


def test_evaluation_leaves_out_what_cannot_be_made_and_nothing_else(mixed: ClipStore) -> None:
    makers = {"temporal_face": build_maker("temporal_face"), "invert": invert}
    dataset = ClipDataset(mixed, makers=makers)
    before = [item.video_id for item in dataset.items]
    with pytest.raises(MakerError, match="changed nothing visible"):
        dataset[of(dataset, "still#temporal_face")[0]]
    assert dataset.drop_unmade() == 2
    assert [item.video_id for item in dataset.items] == [v for v in before if v != "still#temporal_face"]
    assert all(dataset[i].skipped == () for i in range(len(dataset)))
    assert dataset.drop_unmade() == 0
    assert len(dataset.table()) == len(dataset)


def test_what_hardly_moves() -> None:
    rng = np.random.default_rng(0)
    still = np.repeat(rng.integers(0, 256, (1, 60, 60, 3), np.uint8), 8, axis=0)
    assert hardly_moves(still)
    assert hardly_moves(still ^ rng.integers(0, 2, still.shape, np.uint8)), "one level is rounding"
    assert hardly_moves(still[:1])
    noisy = np.clip(still + rng.normal(0, 3, still.shape), 0, 255).astype(np.uint8)
    assert not hardly_moves(noisy)
    lips = still.copy()  # a mouth that speaks in a face that is still: makers that take the eyes find nothing
    lips[:, 38:48, 20:40] = noisy[:, 38:48, 20:40]
    assert hardly_moves(lips)
    border = noisy.copy()
    border[:, 12:48, 12:48] = still[:, 12:48, 12:48]
    assert hardly_moves(border), "the ground beside the face may move as it will"
    assert all(not hardly_moves(np.stack(pair)) for pair in itertools.pairwise(noisy))
