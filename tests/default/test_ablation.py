"""Ablations: equal budgets, validation only, paired differences, nothing trained twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from toy_runs import toy_config, write_toy_store

from vidfake.config import from_dict, read_toml, to_dict
from vidfake.data.clips import ClipDataset
from vidfake.data.store import ClipStore
from vidfake.default.ablation import Row, Variant, ablate, averaged, markdown, read_variants, variant_config
from vidfake.errors import ConfigError, UsageError
from vidfake.metrics.pooling import pool_video
from vidfake.metrics.results import Figure
from vidfake.scores import ScoreTable
from vidfake.settings import RunConfig
from vidfake.train.data import build_data

VARIANTS = [
    Variant("baseline", "as it stands"),
    Variant("wide", changes=("model.embedding_dim=32",)),
]


@pytest.fixture
def base() -> dict[str, Any]:
    values = to_dict(toy_config(Path("store"), Path("out")))
    values["data"]["sampler"] = {"name": "balanced", "options": {}}
    values["extract"] = {key: value for key, value in values["extract"].items() if value is not None}
    return values


def test_every_variant_has_the_same_budget_and_is_measured_on_validation(
    base: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = variant_config(base, VARIANTS[0], seed=0, steps=6, out=tmp_path)
    store = ClipStore(write_toy_store(Path(config.data.store)))
    records = [video.record for video in store.videos]
    monkeypatch.setattr("vidfake.default.ablation.prepare", lambda *_, **__: {})
    rows = ablate(records, VARIANTS, base, tmp_path, steps=6, seeds=(0, 1))
    assert [(row.variant.name, row.seed, row.clips) for row in rows] == [
        ("baseline", 0, 48), ("wide", 0, 48), ("baseline", 1, 48), ("wide", 1, 48),
        ("baseline", "average", 96), ("wide", "average", 96),
    ]  # fmt: skip
    check_averages(rows, tmp_path / "runs")
    validation = {r.video_id for r in records if r.split == "validation"}
    for row in rows[:4]:
        table = ScoreTable.read(tmp_path / "runs" / f"{row.variant.name}-seed{row.seed}" / "validation.jsonl")
        assert set(map(str, table.video_id)) == validation
        scores = pool_video(table)
        known = ~np.isnan(scores)
        assert row.video.value == pytest.approx(roc_auc_score(table.label[known], scores[known]))
        assert row.metrics["video_auc"] == pytest.approx(row.video.value)
        log = (tmp_path / "runs" / f"{row.variant.name}-seed{row.seed}" / "log.jsonl").read_text()
        steps = [json.loads(line) for line in log.splitlines()]
        assert max(entry.get("step", 0) for entry in steps) == 6
    assert [row.difference is None for row in rows] == [True, False, True, False, True, False]
    gap = rows[1].difference
    assert gap is not None
    assert gap.value == pytest.approx(rows[1].video.value - rows[0].video.value)
    text = markdown(rows)
    whole, by_manipulation = text.split("Validation only, 6 steps each")
    assert whole.count("\n| ") == 6
    assert by_manipulation.count("\n| baseline") == by_manipulation.count("\n| wide") == 3

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a finished run is not made again")

    monkeypatch.setattr("vidfake.default.recipe.train_run", never)
    again = ablate(records, VARIANTS, base, tmp_path, steps=6, seeds=(0, 1))
    assert markdown(again) == text
    with pytest.raises(UsageError, match="other settings"):
        ablate(records, VARIANTS, base, tmp_path, steps=7)


def check_averages(rows: list[Row], runs: Path) -> None:
    """Those of the two seeds' scores, video by video, and the difference that goes with them."""
    for row in rows[4:]:
        tables = [ScoreTable.read(runs / f"{row.variant.name}-seed{seed}" / "validation.jsonl") for seed in (0, 1)]
        one, two = tables
        scores = pool_video(replace(one, clip_score=(one.clip_score + two.clip_score) / 2))
        known = ~np.isnan(scores)
        assert row.video.value == pytest.approx(roc_auc_score(one.label[known], scores[known]))
        assert row.metrics["video_auc"] == pytest.approx(row.video.value)
        both = one.frame_score + two.frame_score
        assert row.metrics["frame_auc"] == pytest.approx(roc_auc_score(one.label[one.frame_video], both))
    gap = rows[5].difference
    assert gap is not None
    assert gap.value == pytest.approx(rows[5].video.value - rows[4].video.value)


def test_seeds_validate_alike(base: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is held out and what is made of them is the same for every seed, and what is trained is not."""
    base["data"] |= {"makers": ["self_blend"], "validation_makers": ["resynthesis"], "validation_split": ""}
    config = variant_config(base, VARIANTS[0], seed=0, steps=2, out=tmp_path)
    store = ClipStore(write_toy_store(Path(config.data.store)))
    monkeypatch.setattr("vidfake.default.ablation.prepare", lambda *_, **__: {})
    rows = ablate([v.record for v in store.videos], VARIANTS[:1], base, tmp_path, steps=2, seeds=(3, 4))
    assert [row.seed for row in rows] == [3, 4, "average"]
    check_by_manipulation(rows, tmp_path / "runs")
    built = []
    for seed in (3, 4):
        run = from_dict(RunConfig, read_toml(tmp_path / "runs" / f"baseline-seed{seed}" / "config.toml"))
        assert (run.seed, run.data.split_seed) == (seed, 3)
        built.append(build_data(run))
    here, there = built
    assert list(here.validation.records) == list(there.validation.records)

    def faces(dataset: ClipDataset, i: int) -> bytes:
        found = dataset[i].faces
        assert found is not None
        return found.tobytes()

    for i in range(len(here.validation)):
        assert faces(here.validation, i) == faces(there.validation, i)
    fakes = [i for i, item in enumerate(here.training.items) if item.maker]
    assert any(faces(here.training, i) != faces(there.training, i) for i in fakes[:4])


def check_by_manipulation(rows: list[Row], runs: Path) -> None:
    """The fakes of the one maker and the reals that they were made from, of each seed and of both together."""
    tables = [ScoreTable.read(runs / f"baseline-seed{seed}" / "validation.jsonl") for seed in (3, 4)]
    clips = [table.clip_score for table in tables]
    mean = replace(tables[0], clip_score=(clips[0] + clips[1]) / 2)
    lines = markdown(rows).splitlines()
    header = lines[-5].split(" | ")
    assert header[0] == "| variant"
    for row, table, line in zip(rows, [*tables, mean], lines[-3:], strict=True):
        made = np.array(["#resynthesis" in str(name) for name in table.video_id])
        sources = {str(name).partition("#")[0] for name in table.video_id[made]}
        own = made | np.isin(table.video_id, list(sources))
        scores = pool_video(table)
        expected = roc_auc_score(made[own], scores[own])
        assert row.by_manipulation["resynthesis"]["video_auc"] == pytest.approx(expected)
        cells = dict(zip(header, line.removesuffix(" |").split(" | "), strict=True))
        assert cells["seed"] == str(row.seed)
        assert cells["resynthesis"] == f"{expected:.3f}"


def test_what_a_manipulation_is_called_breaks_no_table() -> None:
    """Names are those of a manifest, so of anyone."""
    hostile = "a|b\n| c\x1b[2J"
    row = Row(VARIANTS[0], 0, 6, 48, 1.0, {}, {hostile: {"video_auc": 0.5}}, Figure(0.5))
    header, _, cells = markdown([row]).splitlines()[-3:]
    assert header.startswith("| variant | seed | a\\|b")
    assert "\x1b" not in header
    assert cells == "| baseline | 0 | 0.500 |"


def test_scores_of_other_frames_are_not_averaged() -> None:
    one = ScoreTable(
        video_id=np.array(["a"], dtype=object),
        label=np.array([0]),
        clip_video=np.array([0]),
        clip_score=np.array([1.0]),
    )
    other = replace(one, video_id=np.array(["b"], dtype=object))
    with pytest.raises(ValueError, match="differ in video_id"):
        averaged([one, other])
    assert averaged([one, replace(one, clip_score=np.array([3.0]))]).clip_score.tolist() == [2.0]


def test_a_ready_store_serves_the_variants_that_extract_alike(
    base: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = write_toy_store(tmp_path / "ready")
    made: list[Path] = []

    def prepare(records: object, store: Path, *_: object, **__: object) -> None:
        made.append(store)
        raise RuntimeError("stop here")

    monkeypatch.setattr("vidfake.default.ablation.prepare", prepare)
    monkeypatch.setattr("vidfake.default.ablation._train", lambda config, *_: made.append(Path(config.data.store)))
    variants = [VARIANTS[0], Variant("other", changes=("extract.margin=1.5",))]
    with pytest.raises(RuntimeError, match="stop here"):
        ablate([], variants, base, tmp_path / "out", steps=2, store=store)
    assert made[0] == store
    assert made[1].parent == tmp_path / "out" / "stores"


def test_a_wrong_variant_stops_before_anything_is_trained(base: dict[str, Any], tmp_path: Path) -> None:
    wrong = [*VARIANTS, Variant("odd", changes=("model.embeding_dim=3",))]
    with pytest.raises(ConfigError, match="embeding_dim"):
        ablate([], wrong, base, tmp_path, steps=2)
    for change, words in (
        ("data.makers=['self_blnd']", "Did you mean 'self_blend'"),
        ("data.augment_options={blur={sigma=1.0}}", "table for 'blur'"),
    ):
        with pytest.raises(ConfigError, match=rf"^\[odd\] .*{words}"):
            ablate([], [*VARIANTS, Variant("odd", changes=(change,))], base, tmp_path, steps=2)
    with pytest.raises(UsageError, match="steps is 0"):
        ablate([], VARIANTS, base, tmp_path, steps=0)
    assert not list(tmp_path.iterdir())


def test_another_extraction_has_a_store_of_its_own(base: dict[str, Any], tmp_path: Path) -> None:
    def store(*changes: str) -> str:
        return variant_config(base, Variant("v", changes=changes), seed=0, steps=1, out=tmp_path).data.store

    assert store() == store("model.embedding_dim=4")
    assert store() != store("extract.margin=1.5")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no variant"),
        ("[a]\nset = ['optim.epochs=9']", "budget is the same"),
        ("[a]\nset = ['data.sampler.options.steps=9']", "budget is the same"),
        ("[a]\nsteps = 3", "nothing else"),
        ("[a]\nset = 'x=1'", "list of texts"),
        ("['../a']\nset = []", "a name takes"),
        ("a = 3", "nothing else"),
        ("[a]\nset = ['x']", "not KEY=VALUE"),
    ],
)
def test_a_list_of_variants_is_checked(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "variants.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_variants(path)


def test_variants_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "variants.toml"
    path.write_text('[z]\nabout = "first"\n[a]\nset = ["seed=3"]\n')
    assert read_variants(path) == [Variant("z", "first"), Variant("a", "", ("seed=3",))]


def test_the_listed_ablation_can_be_made(tmp_path: Path) -> None:
    """Every variant is a config that a run begins with, of registered parts; none changes what validation is."""
    from vidfake.config import read_toml
    from vidfake.data.samplers import SAMPLERS
    from vidfake.losses import LOSSES
    from vidfake.models import AGGREGATORS, ENCODERS
    from vidfake.synth.compose import is_maker
    from vidfake.train.data import check_options

    root = Path(__file__).resolve().parents[2]
    base = read_toml(root / "configs" / "default_detector.toml")
    variants = read_variants(root / "tools" / "default_ablation.toml")
    configs = [variant_config(base, variant, seed=0, steps=3, out=tmp_path) for variant in variants]
    for config in configs:
        check_options(config)
        assert config.model.encoder.name in ENCODERS.names()
        assert config.model.aggregator.name in AGGREGATORS.names()
        assert config.data.sampler.name in SAMPLERS.names()
        assert config.loss.name in LOSSES.names()
        assert all(is_maker(name) for name in config.data.makers)
        assert config.data.validation_makers == configs[0].data.validation_makers
        assert not set(config.data.makers) & set(config.data.validation_makers)
    assert variants[0] == Variant("baseline", "the recipe as it stands")
    assert len({str(replace(config, name="")) for config in configs}) == len(configs), "one changes nothing"
    left_out = {v.name.removeprefix("without_") for v in variants if v.name.startswith("without_")}
    assert left_out == set(configs[0].data.makers), "each maker is left out once"
