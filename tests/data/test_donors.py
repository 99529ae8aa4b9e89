"""Donors are other people, alike in pose, long enough, and the same for the same draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from made_stores import make_clip, make_record, write_store
from torch.utils.data import DataLoader

from vidfake.data import donors
from vidfake.data.clips import ClipDataset, Draw, collate
from vidfake.data.donors import CANDIDATES, DonorPool, best_stretch, geometry
from vidfake.data.store import ClipStore
from vidfake.errors import SamplerError
from vidfake.seeding import generator
from vidfake.synth.base import MadeClip, MakerClip

POINTS = np.array([[10, 12], [22, 12], [16, 18], [12, 24], [20, 24]], float)


def store_of(folder: Path, people: list[tuple[str, str, str]], *, frames: int = 6) -> ClipStore:
    """One real video of two clips for each (video, source, identity), and a fake that must lend nothing."""
    videos = [
        (
            make_record(name, source_id=source, identity=identity),
            [make_clip(number, clip_index=i, num_faces=frames) for i in range(2)],
        )
        for number, (name, source, identity) in enumerate(people)
    ]
    videos.append((make_record("fake", 1, source_id="fake"), [make_clip(99)]))
    return ClipStore(write_store(folder / "store", videos))


PEOPLE = [("a", "1", "ann"), ("b", "1", "bob"), ("c", "2", "ann; cy"), ("d", "3", ""), ("e", "4", "cy")]


def pool_of(store: ClipStore) -> DonorPool:
    real = [clip for clip in store.clips if clip.video.record.label == 0]
    return DonorPool(store, real, {v.video_id: v.record for v in store.videos})


def lender(store: ClipStore, donor: MakerClip) -> str:
    """The video whose clip holds the donor's first face."""
    for clip in store.clips:
        if any(np.array_equal(face, donor.faces[0]) for face in store.read_faces(clip)):
            return clip.video.video_id
    raise AssertionError("the donor is no clip of the store")


def test_a_donor_is_of_another_source_and_another_person(tmp_path: Path) -> None:
    store = store_of(tmp_path, PEOPLE)
    pool = pool_of(store)
    found: dict[str, set[str]] = {}
    for clip in pool.clips:
        landmarks = store.details(clip).crop_landmarks
        for seed in range(10):
            donor = pool.draw(clip, landmarks + seed, generator(seed))
            again = pool.draw(clip, landmarks + seed, generator(seed))
            assert np.array_equal(donor.faces, again.faces)
            assert donor.faces.shape == (6, 32, 32, 3)
            found.setdefault(clip.video.video_id, set()).add(lender(store, donor))
    allowed = {"a": "de", "b": "cde", "c": "bd", "d": "abce", "e": "abd"}
    assert all(found[name] <= set(allowed[name]) for name in allowed)
    assert "fake" not in set().union(*found.values())


def test_a_short_donor_goes_back_and_forth(tmp_path: Path) -> None:
    store = store_of(tmp_path, PEOPLE[3:], frames=3)
    pool = pool_of(store)
    donor = pool.draw(pool.clips[0], np.repeat(POINTS[None], 6, 0), generator(0))
    assert donor.faces.shape[0] == donor.landmarks.shape[0] == 6
    assert np.array_equal(donor.faces[[3, 4]], donor.faces[[1, 0]])
    assert np.array_equal(donor.landmarks[[3, 4]], donor.landmarks[[1, 0]])


def test_the_stretch_that_fits_is_found() -> None:
    """A head that turns as the clip's does, three frames later and twice as large."""
    turning = np.repeat(POINTS[None], 9, 0)
    turning[:, 2, 0] += np.linspace(-3, 3, 9) ** 3 / 9
    frames, cost = best_stretch(geometry(turning[3:7]), geometry(turning * 2 + 5))
    assert frames.tolist() == [3, 4, 5, 6]
    assert cost == pytest.approx(0, abs=1e-9)
    frames, cost = best_stretch(geometry(turning), geometry(turning[:2]))
    assert frames.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert cost > 0.1
    long_face = POINTS * (1, 1.5)
    assert np.abs(geometry(long_face[None]) - geometry(POINTS[None]))[0, 2] == pytest.approx(0.5 * np.log(1.5))


def test_the_closest_of_the_candidates_lends(tmp_path: Path) -> None:
    store = store_of(tmp_path, PEOPLE)
    pool = pool_of(store)
    assert len(pool.clips) - 2 <= CANDIDATES + 2
    wanted = next(clip for clip in pool.clips if clip.video.video_id == "b")
    receiver = next(clip for clip in pool.clips if clip.video.video_id == "d")
    landmarks = store.details(wanted).crop_landmarks
    assert lender(store, pool.draw(receiver, landmarks, generator(1))) == "b"


def test_more_are_looked_at_where_none_is_close(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time, until one is close: `b` is, and so lends whenever it is reached."""
    store = store_of(tmp_path, PEOPLE)
    pool = pool_of(store)
    receiver = next(clip for clip in pool.clips if clip.video.video_id == "d")
    here = np.repeat(POINTS[None], 6, 0)
    for number, clip in enumerate(pool.clips):
        pool._known[number] = here, geometry(here) + (0.05 if clip.video.video_id == "b" else 1.0)
    monkeypatch.setattr(donors, "CANDIDATES", 1)

    def lenders(rounds: int) -> set[str]:
        monkeypatch.setattr(donors, "ROUNDS", rounds)
        return {lender(store, pool.draw(receiver, here, generator(seed))) for seed in range(20)}

    assert lenders(1) > {"b"}, "a far one lends where no other is looked at"
    assert lenders(8) == {"b"}


def lend(clip: MakerClip, donor: MakerClip, rng: np.random.Generator) -> MadeClip:
    return MadeClip(donor.faces, np.ones(donor.faces.shape[:3], np.float32))


def test_the_dataset_gives_a_donor_alike_in_every_worker(tmp_path: Path) -> None:
    store = store_of(tmp_path, PEOPLE)
    dataset = ClipDataset(store, training=True, num_frames=4, makers={"swap_warp": lend}, seed=5)
    made = [i for i, item in enumerate(dataset.items) if item.maker]
    assert len(made) == 10
    epochs = [np.stack([dataset[Draw(i, epoch=e)].faces for i in made]) for e in (0, 1)]
    assert not np.array_equal(*epochs)
    batches = [
        torch.cat([b.frames for b in DataLoader(dataset, batch_size=5, collate_fn=collate, num_workers=workers)])
        for workers in (0, 2)
    ]
    assert torch.equal(*batches)
    again = ClipDataset(store, training=True, num_frames=4, makers={"swap_warp": lend}, seed=5)
    assert np.array_equal(again[made[3]].faces, dataset[made[3]].faces)


def test_records_left_out_lend_nothing(tmp_path: Path) -> None:
    store = store_of(tmp_path, PEOPLE)
    records = [v.record for v in store.videos if v.video_id in ("d", "e")]
    dataset = ClipDataset(store, records=records, makers={"cross_blend": lend})
    made = [i for i, item in enumerate(dataset.items) if item.maker]
    assert len(made) == 4
    for i in made:
        donor = MakerClip(dataset[i].faces, np.zeros((6, 5, 2)))
        assert {lender(store, donor), dataset.items[i].clip.video.video_id} == {"d", "e"}


def test_one_person_cannot_lend_to_himself(tmp_path: Path) -> None:
    store = store_of(tmp_path, [("a", "1", ""), ("b", "1", "")])
    with pytest.raises(
        SamplerError, match="'swap_warp' blends the faces of two people, and none of the 4 real clips"
    ):
        ClipDataset(store, makers={"swap_warp": lend})
    assert len(ClipDataset(store, makers={"other": lambda c, r: MadeClip(c.faces, np.ones(1))})) == 9
    tied = store_of(tmp_path / "tied", [("a", "1", "ann"), ("b", "2", "ann"), ("c", "3", "")])
    ClipDataset(tied, makers={"swap_warp": lend})
    with pytest.raises(SamplerError, match="than video '[ab]'. Add real videos of other people"):
        ClipDataset(
            tied,
            records=[v.record for v in tied.videos if v.video_id != "c"],
            makers={"a": lend, "swap_warp": lend},
        )
