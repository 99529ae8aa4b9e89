"""Samplers keep their promises on any table: shares, different videos, pairs, no repeats, any world, any step."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from vidfake.data.clips import ClipDataset, collate
from vidfake.data.items import Draw, SamplingTable
from vidfake.data.sampler_base import Deck
from vidfake.data.samplers import SAMPLERS, ClipSampler, build_sampler
from vidfake.errors import ConfigError, SamplerError, UnknownNameError
from vidfake.settings import SamplerSettings


def make_table(
    videos: list[tuple[int, int, int]], *, makers: int = 0, pairs: list[int] | None = None
) -> SamplingTable:
    """A table of videos (class, source, number of clips), and `makers` fakes of each real clip."""
    rows: list[dict[str, Any]] = []
    methods = max((v[0] for v in videos), default=0)
    for video, (class_label, source, clips) in enumerate(videos):
        for clip in range(clips):
            rows.append(
                {"class": class_label, "video": video, "source": source, "start": 2.5 * clip, "made": -1}
                | {"pair": pairs[video] if pairs else -1, "domain": video % 2}
            )
    real_rows = [(i, row) for i, row in enumerate(rows) if row["class"] == 0]
    for maker in range(makers):
        rows += [{**row, "class": methods + 1 + maker, "made": i} for i, row in real_rows]

    def column(name: str) -> np.ndarray:
        return np.array([row[name] for row in rows], dtype=np.int64)

    classes = column("class")
    return SamplingTable(
        labels=(classes > 0).astype(np.int64),
        class_labels=classes,
        videos=column("video"),
        sources=column("source"),
        pairs=column("pair"),
        domains=column("domain"),
        made_from=column("made"),
        start_seconds=np.array([row["start"] for row in rows], dtype=np.float64),
        class_names=("real", *(f"m{i}" for i in range(1, methods + makers + 1))),
    )


VIDEOS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(1, 4)), min_size=4, max_size=40)
TABLES = st.builds(make_table, VIDEOS, makers=st.integers(0, 2)).filter(lambda table: len(table) > 0)
SETTINGS = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.filter_too_much]
)
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "sequential": [{}],
    "shuffled": [{}],
    "balanced": [
        {},
        {"over": "method"},
        {"over": "class"},
        {"fake_share": 0.25},
        {"repeat_clips": True, "steps": 9},
    ],
    "pk": [{}, {"by": "label"}, {"different_videos": False}, {"classes_per_batch": 2, "clips_per_class": 2}],
    "source_paired": [{}, {"steps": 5}],
}
CASES = [(name, options) for name, many in OPTIONS.items() for options in many]


def build(name: str, table: SamplingTable, batch_size: int, **options: Any) -> ClipSampler:
    return SAMPLERS.build(name, table=table, batch_size=batch_size, **options)


def build_or_assume(name: str, table: SamplingTable, batch_size: int, **options: Any) -> ClipSampler:
    """The sampler; a table that cannot supply it is no case."""
    try:
        return build(name, table, batch_size, **options)
    except SamplerError:
        assume(False)
        raise


def batches(sampler: ClipSampler, epoch: int = 0, step: int = 0) -> list[list[Draw]]:
    sampler.set_epoch(epoch, step)
    return list(sampler)


def test_every_sampler_is_tested() -> None:
    assert set(OPTIONS) == set(SAMPLERS.names())


@pytest.mark.parametrize(("name", "options"), CASES)
@SETTINGS
@given(TABLES, st.integers(1, 12), st.integers(0, 3))
def test_what_all_samplers_keep(
    name: str, options: dict[str, Any], table: SamplingTable, size: int, epoch: int
) -> None:
    sampler = build_or_assume(name, table, size, seed=3, **options)
    plan = batches(sampler, epoch)
    assert len(plan) == len(sampler) > 0
    seen: Counter[int] = Counter()
    for batch in plan:
        assert 0 < len(batch) <= size
        items = [draw.item for draw in batch]
        if not options.get("repeat_clips"):
            assert len(set(items)) == len(items)
        if name != "sequential":
            assert [table.labels[i] for i in items] == sorted(table.labels[items])
        for draw in batch:
            assert (draw.epoch, draw.repeat) == (epoch, seen[draw.item])
            seen[draw.item] += 1
        for by, groups in (("label", table.labels[items]), ("class", table.class_labels[items])):
            classes, clips = sampler.supplies(by)  # type: ignore[arg-type]
            counts = sorted(Counter(groups.tolist()).values(), reverse=True)
            assert len(counts) >= classes
            assert counts[classes - 1] >= clips or name == "sequential"
    assert batches(sampler, epoch) == plan
    assert batches(build(name, table, size, seed=3, **options), epoch) == plan


@pytest.mark.parametrize(("name", "options"), CASES)
def test_order_depends_on_seed_and_epoch(name: str, options: dict[str, Any]) -> None:
    table = make_table([(c, s, 4) for s in range(8) for c in range(3)])
    first = batches(build(name, table, 4, seed=0, **options))
    others = [batches(build(name, table, 4, seed=1, **options)), batches(build(name, table, 4, **options), epoch=1)]
    changed = [[[d.item for d in b] for b in other] != [[d.item for d in b] for b in first] for other in others]
    assert changed == [name != "sequential"] * 2


def sampler_has_both_labels(name: str, options: dict[str, Any]) -> bool:
    """Whether every process gets real and fake clips: a batch holds as many of each as there are processes."""
    return name in ("balanced", "pk", "source_paired") and not {"fake_share", "classes_per_batch"} & set(options)


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("world_size", [2, 3])
def test_any_number_of_processes_sees_the_same_batches(name: str, options: dict[str, Any], world_size: int) -> None:
    table = make_table([(c, s, 4) for s in range(8) for c in range(3)])
    size = 12 if (name, options.get("classes_per_batch")) != ("pk", 2) or world_size == 2 else None
    if size is None:
        with pytest.raises(SamplerError, match="4 clips per batch cannot be shared evenly by 3 processes"):
            build(name, table, 12, world_size=3, **options)
        return
    alone = batches(build(name, table, size, **options))
    ranks = [batches(build(name, table, size, rank=r, world_size=world_size, **options)) for r in range(world_size)]
    for step, batch in enumerate(alone):
        parts = [rank[step] for rank in ranks]
        assert len({len(part) for part in parts}) == 1
        assert sorted(draw for part in parts for draw in part) == sorted(batch)
    if sampler_has_both_labels(name, options):
        for part in (part for rank in ranks for part in rank):
            assert {int(table.labels[d.item]) for d in part} == {0, 1}


@pytest.mark.parametrize(("name", "options"), CASES)
def test_an_epoch_goes_on_at_any_step(name: str, options: dict[str, Any]) -> None:
    table = make_table([(c, s, 4) for s in range(8) for c in range(3)])
    whole = batches(build(name, table, 4, **options), epoch=2)
    for step in (0, 1, len(whole) - 1, len(whole)):
        assert batches(build(name, table, 4, **options), epoch=2, step=step) == whole[step:]


@SETTINGS
@given(TABLES, st.integers(1, 9))
def test_sequential_and_shuffled_show_every_clip_once(table: SamplingTable, size: int) -> None:
    order = [d.item for b in batches(build("sequential", table, size)) for d in b]
    assert order == list(range(len(table)))
    if len(table) >= size:
        items = [d.item for b in batches(build("shuffled", table, size)) for d in b]
        assert len(items) == len(set(items)) == len(table) // size * size


@SETTINGS
@given(TABLES, st.integers(2, 12), st.sampled_from([0.25, 0.5, 0.75]))
def test_balanced_by_label(table: SamplingTable, size: int, share: float) -> None:
    sampler = build_or_assume("balanced", table, size, fake_share=share)
    fakes = min(size - 1, max(1, round(size * share)))
    for batch in batches(sampler):
        assert sum(int(table.labels[d.item]) for d in batch) == fakes
        assert len(batch) == size


@SETTINGS
@given(TABLES, st.integers(2, 12), st.sampled_from(["method", "class"]))
def test_balanced_over_classes(table: SamplingTable, size: int, over: str) -> None:
    sampler = build_or_assume("balanced", table, size, over=over, steps=24)
    total: Counter[int] = Counter()
    for batch in batches(sampler):
        counts = Counter(int(table.class_labels[d.item]) for d in batch)
        total += counts
        groups = [c for c in np.unique(table.class_labels).tolist() if c or over == "class"]
        numbers = [counts[c] for c in groups]
        assert max(numbers) - min(numbers) <= 1
        assert counts[0] == size - round(size * 0.5) or over == "class" or size == 2 or size % 2
    kept = [total[c] for c in np.unique(table.class_labels) if c or over == "class"]
    assert max(kept) - min(kept) <= 1


def test_one_epoch_shows_each_real_once_and_goes_through_the_fakes() -> None:
    table = make_table([(0, s, 2) for s in range(8)] + [(1, s, 6) for s in range(8)])
    plan = batches(build("balanced", table, 8))
    items = Counter(d.item for b in plan for d in b)
    assert [items[i] for i in np.flatnonzero(table.labels == 0)] == [1] * 16
    assert max(items[i] for i in np.flatnonzero(table.labels == 1)) == 1


@SETTINGS
@given(TABLES, st.integers(2, 16), st.sampled_from(["class", "label"]))
def test_pk_holds_p_classes_of_k_clips_from_different_videos(table: SamplingTable, size: int, by: str) -> None:
    sampler = build_or_assume("pk", table, size, by=by, steps=6)
    values = table.class_labels if by == "class" else table.labels
    p, k = sampler.supplies(by)  # type: ignore[arg-type]
    for batch in batches(sampler):
        items = np.array([d.item for d in batch])
        assert sorted(Counter(values[items].tolist()).values()) == [k] * p
        for group in np.unique(values[items]):
            videos = table.videos[items[values[items] == group]]
            assert len(set(videos.tolist())) == k


@SETTINGS
@given(TABLES, st.integers(2, 6))
def test_pk_never_has_one_video_as_the_only_positive(table: SamplingTable, k: int) -> None:
    sampler = build_or_assume(
        "pk", table, 2 * k, classes_per_batch=1, clips_per_class=k, different_videos=False, steps=6
    )
    for batch in batches(sampler):
        items = np.array([d.item for d in batch])
        videos = Counter(table.videos[items].tolist())
        available = Counter(table.videos[table.class_labels == table.class_labels[items[0]]].tolist())
        assert len(videos) == min(k, len(available)) >= 2
        spread = [videos[v] for v in videos if videos[v] < available[v]]  # where there were more clips to take
        assert not spread or max(videos.values()) <= min(spread) + 1


def test_pk_goes_through_classes_and_videos_alike() -> None:
    table = make_table([(c, s, 1 + 5 * (s == 0)) for c in range(4) for s in range(6)])
    plan = batches(build("pk", table, 8, classes_per_batch=2, clips_per_class=3, steps=40))
    items = [d.item for b in plan for d in b]
    classes = Counter(table.class_labels[items].tolist())
    assert set(classes.values()) == {60}
    videos = Counter(table.videos[items].tolist())
    assert max(videos.values()) - min(videos.values()) <= 1


@SETTINGS
@given(TABLES, st.integers(2, 12))
def test_source_paired_has_each_fake_with_its_real(table: SamplingTable, size: int) -> None:
    sampler = build_or_assume("source_paired", table, size)
    for batch in batches(sampler):
        half = len(batch) // 2
        reals, fakes = batch[:half], batch[half:]
        assert len(batch) == size // 2 * 2
        for real, fake in zip(reals, fakes, strict=True):
            assert (table.labels[real.item], table.labels[fake.item]) == (0, 1)
            assert (real.twin, fake.twin) == (-1, real.item)
            assert table.sources[real.item] == table.sources[fake.item]
            if table.made_from[fake.item] >= 0:
                assert table.made_from[fake.item] == real.item


def test_the_real_of_a_stored_fake() -> None:
    """By pair before source, of the same domain before another, nearest in time."""
    videos = [(0, 7, 3), (0, 7, 3), (0, 7, 3), (1, 7, 3), (1, 7, 2), (1, 9, 1)]
    table = make_table(videos, pairs=[-1, -1, 5, 5, -1, -1])
    real_of = build("source_paired", table, 2).real_of  # type: ignore[attr-defined]
    assert real_of[:9].tolist() == [-1] * 9
    assert real_of[9:12].tolist() == [6, 7, 8]  # the same pair, though of another domain
    assert real_of[12:14].tolist() == [0, 1]  # the same source and domain: the first video, clip by clip
    assert real_of[14] == -1
    assert build("source_paired", table, 2).num_unpaired == 1  # type: ignore[attr-defined]


REFUSED = [
    ("balanced", [(0, 0, 9)], 4, {}, r"need real and fake clips; there are 9 real and 0 fake.*makers"),
    ("balanced", [(0, 0, 9), (1, 0, 1)], 4, {}, r"needs 2 clips of 'fake', but there are 1.*repeat_clips=true"),
    ("balanced", [(0, 0, 9), (1, 0, 9)], 4, {"fake_share": 1.0}, r"fake_share is 1.0"),
    ("balanced", [(0, 0, 9), (1, 0, 9)], 4, {"over": "video"}, r"over is 'video'.*'label', 'method' or 'class'"),
    ("balanced", [(0, 0, 9), (1, 0, 9)], 4, {"steps": 0}, r"steps is 0"),
    ("balanced", [(0, 0, 9), (1, 0, 9)], 3, {"world_size": 2}, r"3 clips per batch cannot be shared evenly by 2"),
    ("shuffled", [(0, 0, 3)], 4, {}, r"batch_size is 4, but there are 3 clips"),
    (
        "pk",
        [(0, 0, 9), (1, 0, 9)],
        8,
        {},
        r"4 clips of 'real' from 4 different videos, but there are 1 \(9 clips\)",
    ),
    ("pk", [(0, 0, 9), (0, 1, 9), (1, 0, 9)], 8, {"different_videos": False}, r"'m1' from 2 different.*are 1"),
    (
        "pk",
        [(0, 0, 2), (0, 1, 1)],
        8,
        {"classes_per_batch": 1, "different_videos": False},
        r"8 clips of 'real', but",
    ),
    (
        "pk",
        [(0, 0, 1), (1, 1, 1)],
        8,
        {"classes_per_batch": 3},
        r"classes_per_batch is 3, but.*2 classes \(real, m1\)",
    ),
    ("pk", [(0, 0, 1), (1, 1, 1)], 8, {"clips_per_class": 5}, r"2 classes x 5 clips are 10.*batch size is 8"),
    ("pk", [(0, 0, 1), (1, 1, 1)], 8, {"by": "video"}, r"by is 'video'"),
    ("source_paired", [(0, 0, 9), (1, 1, 9)], 4, {}, r"needs 2 different real clips.*there are 0 \(and 9 fakes"),
    ("source_paired", [(0, 0, 1), (1, 0, 9)], 4, {}, r"needs 2 different real clips.*but there are 1"),
    ("source_paired", [(0, 0, 9), (1, 0, 9)], 6, {"world_size": 2}, r"3 pairs per batch cannot be shared"),
    ("sequential", [(0, 0, 9)], 0, {}, r"batch_size is 0"),
    ("sequential", [], 1, {}, r"there are no clips"),
    ("sequential", [(0, 0, 9)], 1, {"rank": 2, "world_size": 2}, r"rank 2 of 2"),
]


@pytest.mark.parametrize(("name", "videos", "size", "options", "message"), REFUSED)
def test_what_cannot_be_supplied_is_refused(
    name: str, videos: list[tuple[int, int, int]], size: int, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SamplerError, match=message):
        build(name, make_table(videos), size, **options)


def test_what_a_loss_needs_is_checked_beforehand() -> None:
    table = make_table([(c, s, 2) for c in range(5) for s in range(6)])
    balanced = build("balanced", table, 16)
    balanced.require(classes_per_batch=2, clips_per_class=8, by="label")
    with pytest.raises(
        SamplerError, match=r"at least 2 classes with 4 clips each; the sampler 'balanced' with batch"
    ):
        balanced.require(classes_per_batch=2, clips_per_class=4)
    pk = build("pk", table, 20)
    pk.require(classes_per_batch=5, clips_per_class=4)
    pk.require(classes_per_batch=2, clips_per_class=4, by="label")
    with pytest.raises(SamplerError, match=r"guarantees 5 with 4 each.*a batch size of at least 40"):
        pk.require(classes_per_batch=5, clips_per_class=8)
    build("source_paired", table, 8).require(classes_per_batch=2, clips_per_class=4, by="label")
    build("shuffled", table, 8).require(classes_per_batch=1, clips_per_class=1)


def test_settings_build_a_sampler() -> None:
    table = make_table([(c, s, 2) for c in range(2) for s in range(6)])
    sampler = build_sampler(
        SamplerSettings("balanced", {"steps": 3}), table, batch_size=4, fake_share=0.25, classes_per_batch=9
    )
    assert len(sampler) == 3
    assert sum(int(table.labels[d.item]) for d in next(iter(sampler))) == 1
    with pytest.raises(ConfigError, match=r"takes no option 'step'.*Did you mean 'steps'"):
        build_sampler(SamplerSettings("balanced", {"step": 3}), table, batch_size=4)
    with pytest.raises(UnknownNameError, match="Did you mean 'balanced'"):
        build_sampler(SamplerSettings("balance"), table, batch_size=4)


def test_a_deck_gives_every_card_once_per_pass() -> None:
    deck = Deck(range(10), np.random.default_rng(0))
    passes = [[deck.take(lambda c: True) for _ in range(10)] for _ in range(4)]
    assert all(sorted(p) == list(range(10)) for p in passes)  # type: ignore[type-var]
    assert passes[0] != passes[1]
    assert deck.take(lambda c: c > 99) is None
    assert deck.take(lambda c: c == 3) == 3
    assert sorted(deck.take(lambda c: True) or 0 for _ in range(9)) == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_a_loader_gives_the_planned_batches(small_store: Any) -> None:
    dataset = ClipDataset(small_store, training=True)
    sampler = build("source_paired", dataset.table(), 4, seed=2)
    sampler.set_epoch(1)
    loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=collate, num_workers=2)  # type: ignore[arg-type]
    plan = batches(sampler, epoch=1)
    for batch, draws in zip(loader, plan, strict=True):
        assert batch.video_ids == [dataset.items[d.item].video_id for d in draws]
        assert batch.labels.tolist() == [0, 0, 1, 1]
        assert batch.source_ids[:2] == batch.source_ids[2:]
        assert batch.clip_indices[:2] == batch.clip_indices[2:]
